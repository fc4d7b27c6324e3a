"""One self-contained HTML page from paragraphs, tables and figures: it asks no other host for anything.

save_page("report.html", page("Title", [paragraphs_html(sentences), table_html(frame), figure_html(figure, alt)]))
Whatever text is given is escaped: names of methods, of classes or of files cannot become markup.
"""

import base64
import html
import io
from pathlib import Path

import pandas
from matplotlib.figure import Figure

from softlab.errors import SoftlabError
from softlab.files import write_whole

# Figures keep a white card in the dark theme, as in the book; wide tables scroll in a box of their own.
STYLE = """
:root { color-scheme: light dark; --text: #1b1b1b; --back: #ffffff; --line: #c8c8c8; --shade: #f3f3f3; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e8e8e8; --back: #16181c; --line: #50545c; --shade: #22252b; }
}
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
p { max-width: 46rem; }
h1, h2, p { overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; text-align: left; border-bottom: 1px solid var(--line); vertical-align: top; }
td { white-space: nowrap; } thead th { background: var(--shade); }
img { max-width: 100%; background: #ffffff; }
"""
# Second line of defence: a browser loads nothing but the images inside the page, and runs nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(title: str, parts: list[str]) -> str:
    """A whole HTML document. title: plain text.  parts: HTML, of the functions below, in the order shown."""
    name = html.escape(title)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{name}</title>'
    head += f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
    body = "\n".join([f"<h1>{name}</h1>", *parts])
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body><main>\n{body}\n</main></body></html>\n'


def heading_html(text: str) -> str:
    """The heading of a section, from plain text."""
    return f"<h2>{html.escape(text)}</h2>"


def paragraphs_html(texts: list[str]) -> str:
    """One paragraph for each plain text."""
    return "\n".join(f"<p>{html.escape(text)}</p>" for text in texts)


def table_html(frame: pandas.DataFrame) -> str:
    """Every row and column of a table, with its headers; it scrolls sideways where the screen is narrow."""
    with pandas.option_context("display.max_colwidth", None):  # else pandas 2 cuts long entries
        table = frame.to_html(escape=True, border=0)
    return f'<div class="scroll" tabindex="0" role="region" aria-label="table">{table}</div>'


def figure_html(figure: Figure, alt: str) -> str:
    """A figure as an image inside the page. alt: what it shows, for who cannot see it; it must not be empty."""
    if not alt.strip():
        raise SoftlabError("a figure of a page needs an alt text: a sentence that says what it shows")
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=160, bbox_inches="tight", facecolor="white")
    data = base64.b64encode(image.getvalue()).decode()
    return f'<figure><img alt="{html.escape(alt)}" src="data:image/png;base64,{data}"></figure>'


def save_page(path: str | Path, text: str) -> Path:
    """Write a page, whole or not at all, and return where it is. path: a file that ends in .html."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise SoftlabError(f"a page is written to a file that ends in .html, not to {str(path)!r}")
    write_whole(path, lambda file: file.write(text.encode()))
    return path
