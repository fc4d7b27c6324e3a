"""Write softlabels.py, the book in one file, from the chapters' cells tagged `scratch`: python tools/tangle.py

A cell of code becomes a block. If the cell before it is text, the first paragraph of that becomes the block's comment.
Chapters come in the order of _toc.yml. What no chapter teaches (images, command line, table) is in softlabels.txt, with
a place for the blocks, for the intervals of the networks on record, and for the repository's address.
"""

import ast
import hashlib
import math
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pandas as pd
import yaml

from softbook.studies.across_settings import headline
from softbook.studies.records import by_profile
from softlab.comparison.intervals import t_quantile

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "softlabels.py"
FRAME = Path(__file__).with_name("softlabels.txt")
IMAGES = ROOT / "softlab" / "training" / "datasets" / "fashion_mini.npz"
# Greek letters and signs in the chapters' formulas; a comment has no other commands of TeX.
SIGNS = {"alpha": "α", "beta": "β", "lambda": "λ", "varepsilon": "ε", "times": "×", "cdot": "·", "lVert": "‖"}
SIGNS |= {"rVert": "‖", "leq": "≤", "geq": "≥", "max": "max", "log": "log", "sum": "Σ"}
METHODS = {"plain": "baseline"} | {name: name for name in ("label_smoothing", "mixup", "cutmix", "maxsup")}
# Row of the table -> its quantity on record, and how many of the file's units are one of the record's.
QUANTITIES = {
    "accuracy (%)": ("accuracy", 100),
    "confidence - accuracy": ("gap", 100),
    "ECE (%)": ("ECE", 100),
    "NLL at best T": ("NLL at T", 1),
    "length of the logits": ("log logit scale", None),  # a logarithm
    "keep class on ray (%)": ("constant class", 100),
    "cosine to class mean": ("cosine, class mean", 1),
    "linear probe (%)": (None, 1),  # not on record
    "under attack (%)": ("robust, 4/255", 100),
    "margin / slope * 255": ("log ratio", None),
}


def main() -> None:
    written = text()
    FILE.write_text(written, encoding="utf-8")
    print(f"{FILE.name}: {len(written.splitlines())} lines")


def text() -> str:
    """The whole file."""
    cells = "\n\n\n".join(blocks())
    filled = FRAME.read_text(encoding="utf-8").replace("<<cells>>", cells)
    check_names(filled)
    digest = hashlib.sha256(IMAGES.read_bytes()).hexdigest()
    places = {"record": record(), "address": address(), "sha256": digest}
    for place, content in places.items():
        filled = filled.replace(f"<<{place}>>", content)
    return filled


def chapters() -> Iterator[tuple[str, nbformat.NotebookNode]]:
    """Names and notebooks, in the order of the table of contents."""
    contents = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    for part in contents["parts"]:
        for page in part["chapters"]:
            if page["file"].startswith("notebooks/"):
                yield Path(page["file"]).name, nbformat.read(ROOT / f"{page['file']}.ipynb", as_version=4)


def blocks() -> Iterator[str]:
    """Each chapter's heading, and each of its cells with its comment."""
    for name, notebook in chapters():
        cells = notebook.cells
        places = [n for n, cell in enumerate(cells) if "scratch" in cell.metadata.get("tags", [])]
        if places:
            title, *_ = cells[0].source.splitlines()
            yield f"# === {title.removeprefix('# ')} (notebooks/{name}.ipynb) ==="
        for n in places:
            before = cells[n - 1]
            said = comment(before.source) if before.cell_type == "markdown" else ""
            yield said + cells[n].source


def comment(markdown: str) -> str:
    """The first paragraph that is no heading, as lines of a comment. Raises ValueError for TeX that is not in SIGNS."""
    paragraph = next(part for part in markdown.split("\n\n") if not part.startswith("#"))
    plain = re.sub(r"<[^>]+>", "", paragraph)
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", plain)  # a link: what it shows
    plain = re.sub(r"\$([^$]*)\$", lambda formula: as_text(formula[1]), plain)
    plain = re.sub(r"\*+([^*]*)\*+|`([^`]*)`", lambda marked: marked[1] or marked[2], plain)
    plain = re.sub(r":$", ".", plain.strip())
    return "\n".join(textwrap.wrap(plain, 80, initial_indent="# ", subsequent_indent="# ")) + "\n"


def as_text(formula: str) -> str:
    """A short formula without TeX: letters and signs."""
    plain = re.sub(r"\\bar ?(\w)", "\\1\N{COMBINING MACRON}", formula)
    plain = re.sub(r"\\([a-zA-Z]+)", lambda command: SIGNS.get(command[1], command[0]), plain)
    plain = re.sub(r"\\[,;! ] ?", " ", plain)
    if "\\" in plain:
        raise ValueError(f"${formula}$ has no plain text: write it otherwise, or add to SIGNS")
    return plain


def check_names(code: str) -> None:
    """Raise ValueError if two cells define one name."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    parsed = ast.parse(re.sub(r"<<\w+>>", "", code))
    names = [node.name for node in parsed.body if isinstance(node, kinds)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"defined twice: {', '.join(twice)}")


def address() -> str:
    """Of the repository, as `make repository` wrote it into the first cell of a chapter."""
    notebook = nbformat.read(ROOT / "notebooks" / "soft_labels.ipynb", as_version=4)
    (cell,) = [cell.source for cell in notebook.cells if cell.id == "package"]
    (url,) = re.findall(r'(?m)^url = "(?:git\+)?(.*?)"', cell)
    return url


def record() -> str:
    """The table of intervals: a row for each number, a column for each method."""
    rows = [["", *METHODS]]
    for name, (quantity, factor) in QUANTITIES.items():
        rows.append([name, *(interval(values_of(quantity, method), factor) for method in METHODS.values())])
    lines = ["| ".join(f"{cell:{22 if n == 0 else 16}}" for n, cell in enumerate(row)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def values_of(quantity: str | None, method: str) -> pd.Series | None:
    """A quantity of each network of a method on record, at setting A; None: there is none."""
    if quantity is None:
        return None
    rows = headline()
    if quantity == "log ratio":
        rows = by_profile("core")["quick-fp32"]
        rows = rows.assign(**{quantity: rows["log margin"] - rows["log slope"] + math.log(255)})
    return rows.loc[rows["method"] == method, quantity]


def interval(values: pd.Series | None, factor: float | None) -> str:
    """Where 95 % of further networks lie, if they are spread as these are (normally): `low to high`."""
    if values is None:
        return ""
    count = len(values)
    half = t_quantile(count - 1) * values.std() * (1 + 1 / count) ** 0.5
    ends = (values.mean() - half, values.mean() + half)
    shown = [math.exp(end) if factor is None else factor * end for end in ends]
    return " to ".join(f"{end:.3g}" for end in shown)


if __name__ == "__main__":
    main()
