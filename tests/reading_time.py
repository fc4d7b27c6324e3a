"""How long a page takes to read: one sum for all pages that announce it.

    of_notebook(Path("notebooks/causes.ipynb"))    # 30, to the nearest five minutes
    of_page(Path("book/own_training.md"))

The paces are those of a slow reader, set by two chapters that were read with a clock: 27 minutes for Soft labels and 38
for an earlier Is the shape the reason?; the sum says 28 and 37. What a page computes comes on top.
"""

import json
import re
from pathlib import Path

WORDS = 200  # a minute
NUMBER = 3.0  # seconds for a number on record, beside its word
PICTURE = 30.0
LINE = 2.0  # of code that is in sight
FOLDED = {"remove-cell", "remove-input", "hide-cell", "hide-input"}
BLOCK = re.compile(r"```(\S*) ?(\S*)\n(.*?)```", re.DOTALL)


def reckoned(prose: str, lines: int = 0, pictures: int = 0) -> float:
    """Minutes. prose: Markdown, of which addresses and tags are not read."""
    numbers = prose.count("data-claim")
    words = len(re.sub(r"<[^>]+>|\]\([^)]*\)|\{[\w:]+\}", "", prose).split())
    return words / WORDS + (NUMBER * numbers + LINE * lines + PICTURE * pictures) / 60


def rounded(minutes: float) -> int:
    """To five minutes, and never none."""
    return max(5, 5 * round(minutes / 5))


def of_notebook(path: Path) -> int:
    """Rounded minutes for text, figures, and the code in sight."""
    prose, lines, pictures = "", 0, 0
    for cell in json.loads(path.read_text())["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            prose += source + "\n"
        elif not FOLDED.intersection(cell["metadata"].get("tags", [])):
            lines += _written(source)
        pictures += "plt.show()" in source or "explorable(" in source
    return rounded(reckoned(prose, lines, pictures))


def of_page(path: Path, until: str = "\n## References") -> int:
    """Rounded minutes for a page in Markdown, up to a heading; a file of code that it shows is read once."""
    text = path.read_text().partition(until)[0]
    blocks = BLOCK.findall(text)
    lines = sum(_written(code) for kind, _, code in blocks if not kind.startswith("{"))
    shown = {name for kind, name, _ in blocks if kind == "{literalinclude}"}
    lines += sum(_written((path.parent / name).read_text()) for name in shown)
    return rounded(reckoned(BLOCK.sub("", text), lines))


def _written(code: str) -> int:
    return sum(bool(line.strip()) for line in code.splitlines())
