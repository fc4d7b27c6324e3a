"""The last step of `make book`: put the site of this profile at _build/html and say what took how long.

python summary.py BUILD. Fails if there is no page.
"""

import json
import shutil
import sys
from pathlib import Path

from plan import notebook_records

from softlab.provenance import store_folder


def main(build: Path, shown: Path | None = None) -> None:
    """shown: where the site goes (None: html/ beside BUILD)."""
    made, shown = build / "html" / "index.html", shown or build.parent / "html"
    if not made.is_file() or made.stat().st_size == 0:
        sys.exit(f"no page came out: {made} is missing or empty")
    mark = f"{build.name} {made.stat().st_mtime_ns}\n"
    label = shown / ".built"
    if not label.is_file() or label.read_text() != mark:
        shutil.rmtree(shown, ignore_errors=True)
        shutil.copytree(made.parent, shown)
        label.write_text(mark)

    ids = {row["id"] for path in build.glob("training/book/*.json") for row in json.loads(path.read_text())}
    runs = [store_folder() / name / "provenance.json" for name in ids]
    seconds = [json.loads(path.read_text())["wall_seconds"] for path in runs if path.exists()]
    rows = [(f"training, {len(seconds)} networks (sum over jobs)", sum(seconds))]
    rows += [(path.stem, json.loads(path.read_text())["seconds"]) for path in notebook_records(build)]
    width = max(len(name) for name, _ in rows)
    print("", *(f"{name:<{width}}  {value:7.1f} s" for name, value in rows), "", sep="\n")
    print((shown / "index.html").resolve())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
