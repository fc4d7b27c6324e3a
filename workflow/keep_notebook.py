"""Keep an executed chapter in an edition: python keep_notebook.py EXECUTED KEPT

Beside it go its results and the record of its execution. Pictures are reduced to 256 colours, which drawings do not
show and a repository does; papermill's metadata, which has paths of this machine, goes.
"""

import base64
import io
import sys
from pathlib import Path

import nbformat
from PIL import Image

from softlab.files import write_whole

COLOURS = 256


def main(executed: Path, kept: Path) -> None:
    notebook = nbformat.read(executed, as_version=4)
    notebook.metadata.pop("papermill", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = reduced(output.data["image/png"])
    kept.parent.mkdir(parents=True, exist_ok=True)
    for suffix in (".json", ".results.json"):
        if executed.with_suffix(suffix).exists():
            put(kept.with_suffix(suffix), executed.with_suffix(suffix).read_bytes())
    put(kept, nbformat.writes(notebook).encode())  # last: with it the chapter is kept


def put(path: Path, content: bytes) -> None:
    write_whole(path, lambda file: file.write(content))


def reduced(picture: str) -> str:
    """A PNG in base64 with a palette, if that is smaller."""
    shown = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB").quantize(COLOURS)
    smaller = io.BytesIO()
    shown.save(smaller, "PNG", optimize=True)
    small = base64.b64encode(smaller.getvalue()).decode()
    return min(small, picture, key=len)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
