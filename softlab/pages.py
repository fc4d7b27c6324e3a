"""One self-contained HTML page from texts, tables and figures: it asks no other host for anything.

save_page("report.html", "Title", ["A sentence.", frame, (figure, "what the figure shows")])
Whatever text is given is escaped: names of methods, of classes or of files cannot become markup.
"""

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import pandas
from matplotlib.figure import Figure

from softlab.errors import SoftlabError
from softlab.files import write_whole

Part = str | pandas.DataFrame | tuple[Figure, str]
# The browser's own colours, light or dark; figures keep a white card, wide tables scroll in a box of their own.
STYLE = """
:root { color-scheme: light dark; font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1, p { max-width: 46rem; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem; text-align: left; border-bottom: 1px solid GrayText; white-space: nowrap; }
img { max-width: 100%; background: white; }
"""
# Second line of defence: a browser loads nothing but the images inside the page, and runs nothing.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def to_html(parts: Sequence[Part]) -> str:
    """Texts as paragraphs, tables with all their rows, figures (closed then) with what they show in words."""
    found = []
    for part in parts:
        if isinstance(part, str):
            found.append(f"<p>{html.escape(part)}</p>")
        elif isinstance(part, pandas.DataFrame):
            with pandas.option_context("display.max_colwidth", None):  # else pandas 2 cuts long entries
                table = part.to_html(escape=True, border=0)
            label = f"table {1 + sum('<table' in one for one in found)}"  # landmarks are told apart by their names
            found.append(f'<div class="scroll" tabindex="0" role="region" aria-label="{label}">{table}</div>')
        else:
            (figure, shown), image = part, io.BytesIO()
            figure.savefig(image, format="png", dpi=160, bbox_inches="tight", facecolor="white")
            plt.close(figure)
            data = base64.b64encode(image.getvalue()).decode()
            found.append(f'<figure><img alt="{html.escape(shown)}" src="data:image/png;base64,{data}"></figure>')
    return "\n".join(found)


def save_page(path: str | Path, title: str, parts: Sequence[Part]) -> Path:
    """Write a page, whole or not at all, and return where it is. path: a file that ends in .html."""
    path, name = Path(path).expanduser(), html.escape(title)
    if path.suffix.lower() not in (".html", ".htm"):
        raise SoftlabError(f"a page is written to a file that ends in .html, not to {str(path)!r}")
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}"><title>{name}</title>'
    head += f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style>'
    body = f"<main><h1>{name}</h1>\n{to_html(parts)}</main>"
    page = f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'
    write_whole(path, lambda file: file.write(page.encode()))
    return path
