"""Statements in the sentences of pages: what is wrong, numbers rewritten, and what they say on hover."""

import html
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

from softbook.statements.engine import WORDS, pages, statements

ROOT = Path(__file__).resolve().parents[2]
SPAN = re.compile(r'<span class="answers" data-claim="(?P<id>[a-z0-9-]+)">(?P<text>[^<]*)</span>')


def texts(path: Path) -> list[str]:
    """The prose of a page: the Markdown cells of a notebook, or the whole of a Markdown file."""
    content = path.read_text(encoding="utf-8")
    if path.suffix != ".ipynb":
        return [content]
    return ["".join(cell["source"]) for cell in json.loads(content)["cells"] if cell["cell_type"] == "markdown"]


def problems(path: Path) -> dict[str, str]:
    """What is wrong with the numbers and words of a page: {ID: why}; empty where all is as the records say."""
    known = statements(path.stem)
    shown = {found["id"]: found["text"] for text in texts(path) for found in SPAN.finditer(text)}
    wrong = dict.fromkeys(shown.keys() - known.keys(), "no statement has this ID")
    wrong |= dict.fromkeys(known.keys() - shown.keys() - _required(path.stem), "stands in no sentence")
    for name in sorted(shown.keys() & known.keys()):
        one = known[name]
        if not one.stands:
            wrong[name] = f"its sentence no longer holds: {one.interval.text(one.digits + 1, sign=True)}"
        elif one.form != WORDS and shown[name] != one.written():
            wrong[name] = f"{shown[name]} should be {one.written()}: make statements"
    return wrong


def _required(page: str) -> set[str]:
    """The IDs of a page that another statement requires or repeats: they need no sentence of their own."""
    named = {name for other in pages() for one in statements(other).values() for name in one.names}
    return {name.removeprefix(f"{page}.") for name in named if name.startswith(f"{page}.")}


def rewritten(path: Path) -> str:
    """The page's content with the records' numbers; its words stay."""
    content = path.read_text(encoding="utf-8")
    renewed = _renewed(path.stem)
    if path.suffix != ".ipynb":
        return SPAN.sub(renewed, content)
    notebook = json.loads(content)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = SPAN.sub(renewed, "".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def _renewed(page: str) -> Callable[[re.Match], str]:
    known = statements(page)

    def renewed(found: re.Match) -> str:
        one = known.get(found["id"])
        if one is None or one.form == WORDS:
            return found[0]
        return found[0].replace(f">{found['text']}<", f">{one.written()}<")

    return renewed


def with_notes(page: str, text: str) -> str:
    """Markdown whose numbers say on hover, focus or a tap what they are about, as all numbers of the book do."""

    def noted(found: re.Match) -> str:
        one = statements(page)[found["id"]]
        about = one.note() or f"from the records, by softbook/statements/{page}.yaml: {found['id']}"
        note = html.escape(about).replace("\n", "&#10;")
        kind = "answers words" if one.form == WORDS else "answers"
        return f'<span class="{kind}" tabindex="0" data-note="{note}">{found["text"]}</span>'

    return SPAN.sub(noted, text)


def main() -> int:
    """make statements: write the records' numbers into the pages' sentences, and name those that no longer hold."""
    wrong = 0
    files = [*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "book").glob("*.ipynb"), *(ROOT / "book").glob("*.md")]
    for path in (page for page in sorted(files) if page.stem in pages()):
        if (new := rewritten(path)) != path.read_text(encoding="utf-8"):
            path.write_text(new, encoding="utf-8")
            print(f"{path.relative_to(ROOT)}: numbers rewritten")
        for name, why in problems(path).items():
            wrong += 1
            print(f"{path.relative_to(ROOT)}: {name}: {why}")
    return min(wrong, 1)


if __name__ == "__main__":
    sys.exit(main())
