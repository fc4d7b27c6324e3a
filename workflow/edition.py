"""Editions: results of larger runs, kept in the repository. `softlab edition make|verify|list|render` comes here.

editions/NAME/ holds the profile as it was, networks/ with one file per network as it finishes, notebooks/ with the
executed chapters and their results, runs.csv with one row per network, and what `verify` found. Making goes on where
it stopped: only what is missing is trained, measured or executed.
"""

import argparse
import csv
import functools
import io
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from math import inf, nan
from pathlib import Path
from typing import Any

import edition_pages
from edition_pages import CHAPTERS, Edition, readme
from execute import die_with_parent

from softlab.errors import SoftlabError, check_known
from softlab.experiment import Experiment
from softlab.files import write_json, write_whole
from softlab.profile import PACKAGE, load_profile
from softlab.provenance import commit

ROOT = Path(__file__).resolve().parent.parent
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,99}")
RESERVED = (
    "sweeps",
    "true",
    "false",
    "none",
    "inf",
    "nan",
    "infinity",
)  # a folder; and what Snakemake takes for no text
TIED: dict[str, Any] = {"preexec_fn": die_with_parent} if os.name == "posix" else {}  # the engine to this process
OUTSIDE = 0.1  # share of a network's numbers that may lie outside the seed spread by chance


def editions() -> dict[str, Edition]:
    """Every edition of the repository, by its name."""
    return {edition.name: edition for edition in edition_pages.all_editions()}


def begun(name: str, profile: str | None) -> Edition:
    """The edition of that name, with the profile that it is made at; begins one if there is none."""
    if not NAME.fullmatch(name) or name.lower() in RESERVED:
        raise SoftlabError(f"{name!r} cannot be an edition's name: letters, digits, _ - and ., a letter first")
    folder = edition_pages.ROOT / "editions" / name
    kept = next(folder.glob("*.yaml"), None)
    if profile is None:
        if kept is None:
            raise SoftlabError(f"there is no edition {name!r} yet: say at which profile, --profile NAME")
        return Edition(folder)
    settings = load_profile(profile)
    source = Path(profile) if profile.endswith((".yaml", ".yml")) else PACKAGE / "profiles" / f"{profile}.yaml"
    if kept is not None and (kept.stem != settings.name or kept.read_bytes() != source.read_bytes()):
        raise SoftlabError(f"edition {name!r} is of another profile ({kept}): give the new one another name")
    if kept is None:
        (folder / "networks").mkdir(parents=True, exist_ok=True)
        content = source.read_bytes()
        write_whole(folder / f"{settings.name}.yaml", lambda file: file.write(content))
    (folder / "networks" / ".keep").touch()  # last: with it there is an edition
    return Edition(folder)


def make(options: argparse.Namespace) -> int:
    """Train, measure and execute what is missing, then bring runs.csv and README.md up to date."""
    for chapter in options.chapters:
        check_known("chapter", chapter, CHAPTERS)
    check_known("place to run", options.on, sorted(path.name for path in (ROOT / "workflow/profiles").iterdir()))
    edition = begun(options.name, options.profile)
    check_comparable(edition)
    chapters = () if options.networks_only else options.chapters or CHAPTERS
    missing = [path for path in edition.records() if not path.exists()]
    missing += [path for path in (edition.notebook(chapter) for chapter in chapters) if not path.exists()]
    print(f"edition {edition.name}: {len(missing)} files are missing", flush=True)
    status = engine(edition, missing, options.on, options.cores) if missing else 0
    refresh(Edition(edition.folder))
    return status


def check_comparable(edition: Edition) -> None:
    """Raise SoftlabError if networks on record were trained by other code, or on other images, than new ones."""
    if not edition.found:
        return
    from softlab import runs

    digest = runs.dataset_of(edition.profile.experiment).digest
    for record in edition.found:
        same_code = lasting_id(record) == runs.name_of(Experiment(**record["experiment"]), record["data_digest"])
        if not same_code or (record["study"] == "core" and record["data_digest"] != digest):
            what = "images" if same_code else "code"
            raise SoftlabError(
                f"{record['network']} of edition {edition.name!r} was trained with other {what}: networks made now "
                f"could not be compared with it; begin a new edition"
            )


def lasting_id(record: dict) -> str:
    """A network's run id; of one trained while ids held digests of the code, the id that it has now."""
    run: str = record["run"]
    return equivalent_ids().get(run, run)


@functools.cache
def equivalent_ids() -> dict[str, str]:
    """editions/equivalent_ids.csv: the same networks under their old and their present ids."""
    with (ROOT / "editions" / "equivalent_ids.csv").open(newline="") as file:
        return {row["was"]: row["is"] for row in csv.DictReader(file)}


def engine(edition: Edition, targets: list[Path], on: str, cores: int | None) -> int:
    """Start Snakemake for these files and wait; it ends when this process does."""
    command = [sys.executable, "-m", "snakemake", *(str(path.relative_to(ROOT)) for path in targets)]
    command += ["--snakefile", "workflow/Snakefile", "--profile", f"workflow/profiles/{on}"]
    command += ["--cores", str(cores)] if cores else []
    profile = edition.profile_file.relative_to(ROOT)  # no path of this machine
    command += ["--config", f"profile={profile}", f"edition={edition.name}", "runs_per_job=1"]
    try:
        return 1 if subprocess.run(command, cwd=ROOT, **TIED).returncode else 0
    except KeyboardInterrupt:
        return 130


def refresh(edition: Edition) -> None:
    """Write what can be told from the files: one row per network, and the page about the edition."""
    rows = edition.rows()
    if rows:
        text = io.StringIO()
        table = csv.DictWriter(text, rows[0], lineterminator="\n")
        table.writeheader()
        table.writerows(rows)
        write_whole(edition.folder / "runs.csv", lambda file: file.write(text.getvalue().encode()))
    write_whole(edition.folder / "README.md", lambda file: file.write(readme(edition).encode()))


def verify(options: argparse.Namespace) -> int:
    """Train a network again, from nothing, and compare: 0 if it is the same, or within the spread of the seeds."""
    edition = known(options.name)
    records = {record["network"]: record for record in edition.found}
    if not records:
        raise SoftlabError(f"edition {edition.name!r} has no network yet")
    name = options.network or random.choice(sorted(records))
    check_known("network", name, records)
    record = records[name]
    if not record["numbers"] and not record["weights"]:
        raise SoftlabError(f"the record of {name} holds no numbers and no digest: nothing can be compared")
    from edition_record import recorded

    from softlab import runs

    experiment = Experiment(**record["experiment"])
    if runs.dataset_of(experiment).digest != record["data_digest"]:
        raise SoftlabError("the images here are not those that the edition was made with: nothing can be compared")
    with tempfile.TemporaryDirectory() as store:
        print(f"training {name} of edition {edition.name} again", flush=True)
        again = recorded(edition.profile, record["study"], experiment, store)
    told = compared(record, again, edition)
    print("\n".join(told["lines"]))
    found = {"network": name, "date": time.strftime("%Y-%m-%d"), "commit": commit(), "result": told["result"]}
    found |= {"machine": again["trained"]["cpu"], "device": again["trained"]["device"], "said": told["lines"]}
    write_json(edition.folder / "verified.json", [*edition.verified(), found])
    refresh(edition)
    return 0 if told["result"] != "differs" else 1


def compared(record: dict, again: dict, edition: Edition) -> dict:
    """{result: bit-equal, within the seed spread, differs; lines: what to tell}."""
    old, new = record["numbers"], again["numbers"]
    equal = sum(old[key] == new.get(key) for key in old)
    same = "the same bits" if record["weights"] == again["weights"] else "not the same bits"
    lines = [f"weights: {same if record['weights'] else 'not on record'}"]
    lines += [f"numbers: {equal} of {len(old)} are equal to the last digit"]
    if lasting_id(record) != lasting_id(again):
        lines += ["another version of the code trained it, or one that is not on record"]
    if equal == len(old) and record["weights"] == again["weights"]:
        return {"result": "bit-equal", "lines": lines}
    outside = []
    for key, value in old.items():
        values = edition.values(record["study"], record["method"], key)
        values = values if len(values) > 1 else edition.values("core", "baseline", key)
        spread = max(values, default=0.0) - min(values, default=0.0)
        if abs(new.get(key, inf) - value) > 2 * spread:
            now = f"{new.get(key, nan):.4g}"
            outside.append(f"  {key}: {value:.4g}, now {now}; the seeds spread over {spread:.2g}")
    lines += [f"outside twice the spread of the seeds: {len(outside)}", *outside]
    within = len(outside) <= OUTSIDE * len(old)
    return {"result": "within the seed spread" if within else "differs", "lines": lines}


def render(options: argparse.Namespace) -> int:
    """The book with this edition's notebooks, as they were executed: no training, no execution."""
    import build_site
    import summary

    edition = known(options.name)
    build = ROOT / options.build / "rendered" / edition.name  # not where an edition is made
    shutil.rmtree(build / "notebooks", ignore_errors=True)
    (build / "notebooks").mkdir(parents=True)
    for path in sorted((edition.folder / "notebooks").glob("*")):
        shutil.copy(path, build / "notebooks")
    build_site.main(build, build / "site.log", [], edition)
    summary.main(build, ROOT / options.build / "html")
    return 0


def known(name: str) -> Edition:
    found = editions()
    check_known("edition", name, found)
    return found[name]


def listed(options: argparse.Namespace) -> int:
    found = editions()
    for name, edition in found.items():
        done, wanted = len(edition.found), len(edition.records())
        have = f"{done} of {wanted} networks, {len(edition.executed())} chapters"
        print(f"{name:{max(map(len, found))}}  {have}  {edition.profile.description}")
    if not found:
        print("there is no edition yet: softlab edition make NAME --profile P")
    return 0


def main(arguments: list[str]) -> int:
    """0, 1 if something failed or differs, 2 for wrong input."""
    parser = argparse.ArgumentParser(prog="softlab edition", description=str(__doc__).splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    one = commands.add_parser("make", help="train, measure and execute what is missing of an edition")
    one.add_argument("name")
    one.add_argument("--profile", help="a profile's name, or a .yaml file (that of the edition, once it is begun)")
    one.add_argument("--chapters", nargs="+", default=[], help="execute these only (all eight)")
    one.add_argument("--networks-only", action="store_true", help="execute no chapter")
    one.add_argument("--on", default="local", metavar="WHERE", help="workflow/profiles/WHERE: local, slurm (local)")
    one.add_argument("--cores", type=int, help="how many cores to use (as WHERE says: all)")
    one.set_defaults(run=make)
    one = commands.add_parser("verify", help="train one of its networks again and compare every number")
    one.add_argument("name")
    one.add_argument("--network", help="which (one at random)")
    one.set_defaults(run=verify)
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
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
