"""Charts for pages: drawn by Vega-Lite when the page is made, as SVG in it that needs no script to be seen.

Each mark carries its numbers as its description. book/_static/charts.js shows it on hover and focus; a screen reader
reads it. Text has the colour of the page's text, whatever the theme.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from softlab.figures.effects import estimates, said
from softlab.figures.style import style

if TYPE_CHECKING:
    from IPython.display import HTML

    from softbook.statements.papers import Said
    from softlab.comparison.effects import Effect

OUTCOMES = {"as it says": "#0072B2", "open": "#BBBBBB", "the opposite": "#D55E00"}
# Which side of zero an effect is on, with the colours of its square and of the letters in it.
SIDES = {"falls": ("#5E3C99", "white"), "open": ("#DDDDDD", "#222222"), "rises": ("#1B7837", "white")}
SIGNS = {"as it says": "✓", "open": "?", "the opposite": "✗"}
INK = "currentColor"
CONFIG = {
    "background": None,
    "font": "sans-serif",
    "padding": {"left": 12, "right": 12, "top": 5, "bottom": 5},
    "view": {"stroke": None},
    "axis": {"labelColor": INK, "titleColor": INK, "tickColor": INK, "domainColor": INK, "gridColor": "#88888844"}
    | {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal", "labelLimit": 340}
    | {"labelSeparation": 12},  # or a label goes: letters of other fonts are wider than those measured here
    "header": {"labelColor": INK, "labelFontSize": 11, "labelLimit": 220, "labelLineHeight": 13},
    "title": {"color": INK, "fontSize": 12, "fontWeight": "normal", "anchor": "start", "offset": 6},
    "legend": {"labelColor": INK, "titleColor": INK, "labelFontSize": 12},
}
WIDER = 1.2  # pixels that a letter may be wider in a reader's font than in the one that is measured here, at 12 pixels


def drawn(chart: Mapping[str, Any], about: str) -> "HTML":
    """A Vega-Lite specification as an inline SVG. about: a description for readers who cannot see it."""
    import vl_convert
    from IPython.display import HTML

    svg = _with_room(vl_convert.vegalite_to_svg({**chart, "config": CONFIG}))
    label = about.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return HTML(f'<div class="chart" role="group" aria-label="{label}">{svg}</div>')


def _with_room(svg: str) -> str:
    """A chart with more room on its left: labels end at the axis, so a wider font would be cut off."""
    longest = max(map(len, re.findall(r'<text text-anchor="end"[^>]*>([^<]*)<', svg)), default=0)
    room = round(WIDER * longest)

    def widened(size: re.Match) -> str:
        width = size["width"]
        height = size["height"]
        return f'width="{float(width) + room:g}" height="{height}" viewBox="{-room} 0 {float(width) + room:g} {height}"'

    size = r'width="(?P<width>[\d.]+)" height="(?P<height>[\d.]+)" viewBox="0 0 (?P=width) (?P=height)"'
    return re.sub(size, widened, svg, count=1)


def matrix(readings: "Iterable[tuple[Said, str, str, Effect]]") -> "HTML":
    """Sentences of papers × settings, a panel for each method: as the paper says, open, or the opposite.

    readings: (sentence, setting, method, effect), as papers.readings gives them.
    """
    rows = []
    for sentence, setting, method, effect in readings:
        outcome = sentence.outcome(effect.interval)
        rows.append(
            {
                "says": f"{sentence.paper}: {sentence.says}",
                "panel": style(method).label,
                "order": len(rows),
                "setting": _short(setting),
                "outcome": outcome,
                "sign": SIGNS[outcome],
                "said": f"{outcome}. {said(effect, style(method).label, setting)}",
            }
        )
    colour = {"field": "outcome", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    colour["scale"] = {"domain": list(OUTCOMES), "range": list(OUTCOMES.values())}
    place = {"x": {"field": "setting", "type": "nominal", "sort": None, "title": None, "axis": {"labelAngle": 0}}}
    place |= {"y": {"field": "says", "type": "nominal", "sort": None, "title": None}}
    square = {"mark": {"type": "square", "size": 330, "opacity": 1}}
    square["encoding"] = {**place, "color": colour, "description": {"field": "said"}}
    sign = {"mark": {"type": "text", "color": "white", "fontSize": 13, "fontWeight": "bold", "aria": False}}
    sign["encoding"] = {**place, "text": {"field": "sign"}}
    panel = {"width": {"step": 20}, "height": {"step": 23}, "layer": [square, sign]}
    column = {"field": "panel", "type": "nominal", "title": None, "sort": {"field": "order", "op": "min"}}
    chart = {"data": {"values": rows}, "facet": {"column": column}, "spec": panel, "spacing": 13}
    return drawn(chart, "What papers say, by setting and method: as it says, open, or the opposite.")


def changes(settings: "Mapping[str, Mapping[str, Effect]]", title: str, methods: Iterable[str]) -> "HTML":
    """What methods do to a quantity in each setting: a square with the number, coloured where its sign is certain.

    settings: name -> effects on the same quantity.  methods: the columns.  For a logarithm the number is the factor by
    which the quantity itself changes.
    """
    rows = []
    for setting, effects in settings.items():
        for method in methods:
            known = method in effects and effects[method].interval.n
            rows.append({"setting": _short(setting), "method": style(method).label})
            if known:
                rows[-1] |= _change(effects[method]) | {"said": said(effects[method], style(method).label, setting)}
    place = {"x": {"field": "method", "type": "nominal", "sort": None, "title": None}}
    place["x"]["axis"] = {"orient": "top", "labelAngle": -90}
    place["y"] = {"field": "setting", "type": "nominal", "sort": None, "title": None}
    colour = {"field": "side", "type": "nominal", "legend": None}
    colour["scale"] = {"domain": list(SIDES), "range": [background for background, _ in SIDES.values()]}
    ink = {"field": "side", "type": "nominal", "legend": None}
    ink["scale"] = {"domain": list(SIDES), "range": [letters for _, letters in SIDES.values()]}
    measured = [{"filter": "isValid(datum.side)"}]
    square = {"mark": {"type": "rect", "stroke": "#88888844"}, "transform": measured}
    square["encoding"] = {**place, "color": colour, "description": {"field": "said"}}
    number = {"mark": {"type": "text", "fontSize": 11, "aria": False}, "transform": measured}
    number["encoding"] = {**place, "text": {"field": "number"}, "color": ink}
    layers = {"layer": [square, number], "resolve": {"scale": {"color": "independent"}}}
    heading = {"text": title, "anchor": "middle", "fontWeight": "bold"}
    chart = {"data": {"values": rows}, "title": heading, "width": {"step": 28}, "height": {"step": 24}, **layers}
    return drawn(chart, f"{title}: what each method changes, a row for each setting.")


def _change(effect: "Effect") -> dict[str, str]:
    """The number in a square of `changes`, and its sign, where that is certain."""
    side = effect.interval.side() if effect.interval.n > 1 else 0
    if effect.described.label.startswith("log "):
        number = f"{math.exp(effect.interval.mean):.2f}"
    else:
        mean = effect.shown.mean
        number = f"{mean:+z.{0 if abs(mean) >= 0.5 else 1}f}"
    return {"side": list(SIDES)[side + 1], "number": number.replace("-", "\N{MINUS SIGN}")}


def beside(*charts: "HTML") -> "HTML":
    """Charts in a row, which wraps where the page is too narrow for it."""
    from IPython.display import HTML

    return HTML(f'<div class="charts">{"".join(str(chart.data) for chart in charts)}</div>')


def _short(setting: str) -> str:
    """The letter of a setting, if it begins with one: `A` of "A · Fashion-MNIST, 1,000 images"."""
    return setting.partition(" · ")[0]


def specification(definitions: "Iterable[Effect]", method: str, headline: str) -> Figure:
    """The effect of one method by every defensible definition, in half widths of its interval, in ascending order.

    Beyond 1 or -1 the interval does not contain zero, so that units do not matter.  headline: the quantity that
    judges; its row is marked.
    """
    rows = {}
    for effect in definitions:
        interval = effect.interval
        if interval.n > 1 and interval.half_width:
            judges = "▸ " if effect.quantity == headline else ""
            rows[f"{judges}{effect.described.label}: {effect:+}"] = {method: interval.scaled(1 / interval.half_width)}
    ordered = dict(sorted(rows.items(), key=lambda row: row[1][method].mean))
    return estimates({style(method).label: ordered}, "effect / half width of its interval")
