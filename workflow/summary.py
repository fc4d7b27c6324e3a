"""The last step of `make book`: put the site of this profile at _build/html and say what took how long.

python summary.py BUILD. Fails if a page of the table of contents is missing.
"""

import json
import shutil
import sys
from pathlib import Path

import plan

ROOT = Path(__file__).resolve().parent.parent


def missing_of(html: Path, pages: list[str]) -> list[str]:
    """The pages that are not there, or empty."""
    files = {page: html / f"{page}.html" for page in pages}
    return [page for page, file in files.items() if not file.is_file() or file.stat().st_size == 0]


def main(build: Path, shown: Path | None = None) -> None:
    """shown: where the site goes (None: html/ beside BUILD)."""
    made = build / "html" / "index.html"
    shown = shown or build.parent / "html"
    pages = ["index", *plan.pages(ROOT / "_toc.yml")]
    if missing := missing_of(made.parent, pages):
        for page in missing:  # an empty one would be taken for made
            (made.parent / f"{page}.html").unlink(missing_ok=True)
        sys.exit(f"no page came out for {', '.join(missing)} in {made.parent}: the same command makes them again")
    mark = f"{build.name} {made.stat().st_mtime_ns}\n"
    label = shown / ".built"
    if not label.is_file() or label.read_text() != mark or missing_of(shown, pages):
        shutil.rmtree(shown, ignore_errors=True)
        shutil.copytree(made.parent, shown)
        label.write_text(mark)

    rows = [(path.stem, json.loads(path.read_text())["seconds"]) for path in plan.notebook_records(build)]
    width = max(len(name) for name, _ in rows)
    print("", *(f"{name:<{width}}  {value:7.1f} s" for name, value in rows), "", sep="\n")
    print((shown / "index.html").resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
