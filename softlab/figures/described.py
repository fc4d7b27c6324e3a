"""Figures as SVG in a page: text in the page's own colour, and marks that say what they are, to everybody."""

import html
import io
import re

from matplotlib import rc_context
from matplotlib.figure import Figure

SAYS = "says: "  # the id of a mark that says something begins so
# Black becomes the colour of the page's text, in whatever theme. A mark has its words as its name, for screen readers
# and book/_static/charts.js, and as its title, which is shown without any script. Other ids would be there twice.
CHANGES = {
    rf'<g id="{SAYS}([^"]+)">': r'<g role="graphics-symbol" aria-roledescription="point" aria-label="\1">'
    r"<title>\1</title>",
    r' id="[a-zA-Z]+(?:\.\w+)?_\d+"': "",
    "#000000": "currentColor",
    "<text ": '<text fill="currentColor" aria-hidden="true" ',
}
SMALLEST = 0.7  # of its size: on a narrower screen one scrolls


def described(figure: Figure) -> str | None:
    """A figure as HTML, for any page that shows HTML; None if none of its marks says anything."""
    if not figure.findobj(lambda artist: len(artist.get_gid() or "") > len(SAYS)):
        return None
    content = io.StringIO()
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "softlab", "font.sans-serif": ["DejaVu Sans"]}):
        figure.savefig(content, format="svg", bbox_inches="tight", transparent=True, metadata={"Date": None})
    svg = content.getvalue().partition("<svg ")[2]
    for pattern, new in CHANGES.items():
        svg = re.sub(pattern, new, svg)
    about = ". ".join(text for ax in figure.axes for text in (ax.get_title(), ax.get_xlabel(), ax.get_ylabel()) if text)
    width = float(svg.partition('width="')[2].partition("pt")[0])
    look = f"max-width: 100%; min-width: {SMALLEST * width:.0f}pt; height: auto"
    group = f'<div class="chart" role="group" aria-label="{html.escape(about)}" tabindex="0">'
    return f'{group}<svg fill="currentColor" style="{look}" {svg}</div>'
