"""Editions: results of larger runs that the repository holds. `softlab edition list|render` comes here.

editions/NAME/ holds the profile as it was, networks/ with one file per network, notebooks/ with the executed chapters
and their results, and runs.csv with one row per network.
"""

import argparse
import shutil
import sys
from pathlib import Path

from edition_pages import Edition, all_editions

from softlab.errors import SoftlabError, check_known

ROOT = Path(__file__).resolve().parent.parent


def editions() -> dict[str, Edition]:
    """Every edition of the repository, by its name."""
    return {edition.name: edition for edition in all_editions()}


def render(options: argparse.Namespace) -> int:
    """The book with this edition's notebooks, as they were executed: no training, no execution."""
    import build_site
    import summary

    found = editions()
    check_known("edition", options.name, found)
    edition = found[options.name]
    build = ROOT / options.build / "rendered" / edition.name
    shutil.rmtree(build / "notebooks", ignore_errors=True)
    (build / "notebooks").mkdir(parents=True)
    for path in sorted((edition.folder / "notebooks").glob("*")):
        shutil.copy(path, build / "notebooks")
    build_site.main(build, build / "site.log", [], edition)
    summary.main(build, ROOT / options.build / "html")
    return 0


def listed(options: argparse.Namespace) -> int:
    found = editions()
    for name, edition in found.items():
        done, wanted = len(edition.found), len(edition.records())
        have = f"{done} of {wanted} networks, {len(edition.executed())} chapters"
        print(f"{name:{max(map(len, found))}}  {have}  {edition.profile.description}")
    return 0


def main(arguments: list[str]) -> int:
    """0, or 2 for wrong input."""
    parser = argparse.ArgumentParser(prog="softlab edition", description=str(__doc__).splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("render", help="the book with its executed notebooks: make book EDITION=NAME")
    one.add_argument("name")
    one.add_argument("--build", default="_build", help="where to (_build)")
    one.set_defaults(run=render)
    commands.add_parser("list", help="what there is").set_defaults(run=listed)
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except SoftlabError as error:
        print(f"softlab: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
