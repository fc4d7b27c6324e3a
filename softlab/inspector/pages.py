"""One self-contained HTML page from texts, tables and figures: it asks no other host for anything.

save_page("report.html", "Title", ["A sentence.", frame, (figure, "what the figure shows")])
Whatever text is given is escaped: names of methods, of classes or of files cannot become markup.
"""

import base64
import functools
import io
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas

from softlab import provenance
from softlab.errors import SoftlabError
from softlab.files import write_whole
from softlab.inspector.context import MARKED, Context

if TYPE_CHECKING:
    import matplotlib.figure

Part = str | pandas.DataFrame | tuple["matplotlib.figure.Figure", str] | Context


@functools.cache
def _template() -> Any:
    """What a page is put into; its library is loaded when the first page is written."""
    from jinja2 import Environment, FileSystemLoader

    return Environment(autoescape=True, loader=FileSystemLoader(Path(__file__).parent)).get_template("page.html")


def made() -> str:
    """When a page was made, and with which versions."""
    with_what = ", ".join(f"{key} {value}" for key, value in provenance.environment("").items() if value)
    return f"Made on {time.strftime('%Y-%m-%d')} with {with_what}."


def to_html(parts: Sequence[Part]) -> str:
    """Texts as paragraphs, tables with all their rows, strips, figures with their descriptions; closes the figures."""
    return str(_template().module.shown(_plain(parts)))


def save_page(path: str | Path, title: str, parts: Sequence[Part]) -> Path:
    """Write a page, whole or not at all, and return where it is. path: a file that ends in .html."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SoftlabError(f"a page is written to a file that ends in .html, not to {str(path)!r}")
    page = _template().render(title=title, parts=_plain(parts))
    write_whole(path, lambda file: file.write(page.encode()))
    return path


def _plain(parts: Sequence[Part]) -> Iterator[tuple[str, Any, str]]:
    """Kind, content and name of each part, as page.html takes them; tables are told apart by their names."""
    tables = 0
    for part in parts:
        if isinstance(part, str):
            yield "text", part, ""
        elif isinstance(part, Context):
            yield "strips", part, ", ".join(MARKED.values())
        elif isinstance(part, pandas.DataFrame):
            tables += 1
            with pandas.option_context("display.max_colwidth", None):  # else pandas 2 cuts long entries
                yield "table", part.to_html(escape=True, border=0), f"table {tables}"
        else:
            import matplotlib.pyplot as plt

            figure, shown = part
            image = io.BytesIO()
            figure.savefig(image, format="png", dpi=160, bbox_inches="tight", facecolor="white")
            plt.close(figure)
            yield "figure", base64.b64encode(image.getvalue()).decode(), shown
