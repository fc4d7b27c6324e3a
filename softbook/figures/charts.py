"""Charts for pages: drawn by Vega-Lite when the page is made, as SVG in it that needs no script to be seen.

Each mark carries its numbers as its description. book/_static/charts.js shows it on hover and focus; a screen reader
reads it. Text has the colour of the page's text, whatever the theme.
"""

import math
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from softlab.figures.style import label_lines, style

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


def said(effect: "Effect", method: str, label: str) -> str:
    """An effect in one line, with everything a reader may ask about it."""
    number = effect.shown.n
    seeds = f"{number} seeds" if number > 1 else "one seed, no interval"
    said = f"{style(method).label}, {label}: {effect:+} in {effect.described.changed} ({seeds}; over {effect.over})"
    origin = effect.interval.origin
    return f"{said}; again: {origin.command}" if origin and origin.command else said


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
                "said": f"{outcome}. {said(effect, method, setting)}",
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
    chart = _side_by_side(rows, {"width": {"step": 20}, "height": {"step": 23}, "layer": [square, sign]})
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
                rows[-1] |= _change(effects[method]) | {"said": said(effects[method], method, setting)}
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


def small_multiples(settings: "Mapping[str, Mapping[str, Effect]]") -> "HTML":
    """What methods do to a quantity, a panel for each setting: an estimate with its interval for each method.

    settings: name -> effects on the same quantity, at least one (across_settings.effects_by_table).
    """
    rows = []
    for place, (label, effects) in enumerate(settings.items()):
        rows += [{"panel": label_lines(label), "order": place, **row} for row in _rows(effects, label)]
    chart = _side_by_side(rows, {"width": 112, **_estimates({})})
    described = next(effect.described for effects in settings.values() for effect in effects.values())
    return drawn(chart, f"Change of {described.changed} by method, a panel for each setting.")


def _side_by_side(rows: list[dict[str, Any]], panel: Mapping[str, Any]) -> dict[str, Any]:
    """Panels side by side, one for each `panel` of the rows, by their `order`."""
    column = {"field": "panel", "type": "nominal", "title": None, "sort": {"field": "order", "op": "min"}}
    return {"data": {"values": rows}, "facet": {"column": column}, "spec": panel, "spacing": 13}


def _rows(effects: Mapping[str, "Effect"], label: str) -> list[dict[str, Any]]:
    """What `_estimates` draws: a row for each method that has a value, without an interval where it has one network."""
    rows = []
    for method, effect in effects.items():
        if (shown := effect.shown).n:
            rows.append({"method": style(method).label, "mean": shown.mean, "colour": style(method).color})
            rows[-1] |= {"said": said(effect, method, label)}
            rows[-1] |= {"low": shown.low, "high": shown.high} if shown.n > 1 else {}
    return rows


def _estimates(down: Mapping) -> dict[str, Any]:
    """A point with its interval for each row, and a line at zero. Rows: method, mean, low, high, colour, said."""
    across = {"field": "mean", "type": "quantitative", "title": None, "axis": {"tickCount": 3}}
    down = {"field": "method", "type": "nominal", "sort": None, "title": None, **down}
    colour = {"field": "colour", "type": "nominal", "scale": None}
    zero = {"mark": {"type": "rule", "color": INK, "aria": False}, "encoding": {"x": {"datum": 0}}}
    interval = {"mark": {"type": "rule", "strokeWidth": 2, "aria": False}}
    interval["encoding"] = {"x": across | {"field": "low"}, "x2": {"field": "high"}, "y": down, "color": colour}
    point = {"mark": {"type": "point", "filled": True, "size": 70, "opacity": 1}}
    point["encoding"] = {"x": across, "y": down, "color": colour, "description": {"field": "said"}}
    return {"height": {"step": 18}, "layer": [zero, interval, point]}


def panels(quantities: "Mapping[str, Mapping[str, Effect]]", dashed: Mapping[str, float] | None = None) -> "HTML":
    """What methods do to several quantities, {name: effects}: a panel with its own axis for each.

    dashed: where a panel has a dashed line, for instance at the gap of a network whose confidence is its accuracy.
    """
    charts = []
    for place, (what, effects) in enumerate(quantities.items()):
        chart = _estimates({} if place == 0 else {"axis": None})
        if dashed and what in dashed:
            mark = {"type": "rule", "color": INK, "strokeDash": [4, 3], "aria": False}
            chart["layer"].append({"mark": mark, "encoding": {"x": {"datum": dashed[what]}}})
        rows = _rows(effects, what)
        charts.append({"data": {"values": rows}, "title": label_lines(what, 20), "width": 112, **chart})
    return drawn({"hconcat": charts, "spacing": 14}, "What methods change: " + ", ".join(quantities) + ".")


def specification(definitions: "Iterable[Effect]", method: str, headline: str) -> "HTML":
    """The effect of one method by every defensible definition, in half widths of its interval, in ascending order.

    Beyond 1 or -1 the interval does not contain zero, so that units do not matter.  headline: the quantity that
    judges, drawn filled.
    """
    rows = []
    for effect in definitions:
        interval = effect.interval
        if interval.n > 1 and interval.half_width:
            label = effect.described.label
            row = {"mean": interval.mean / interval.half_width, "what": label, "said": said(effect, method, label)}
            rows.append(row | {"judges": effect.quantity == headline})
    rows.sort(key=lambda row: row["mean"])
    across = {"field": "mean", "type": "quantitative", "title": "effect / half width of its interval"}
    down = {"field": "what", "type": "nominal", "sort": None, "title": None, "axis": {"grid": True}}
    band = {"mark": {"type": "rect", "color": "#88888833", "aria": False}}
    band["encoding"] = {"x": {"datum": -1}, "x2": {"datum": 1}}
    look = {"color": style(method).color, "size": 90, "opacity": 1, "strokeWidth": 2}
    point = {"mark": {"type": "point", **look}, "encoding": {"x": across, "y": down, "description": {"field": "said"}}}
    point["encoding"]["fill"] = {"condition": {"test": "datum.judges", "value": look["color"]}, "value": "#ffffff00"}
    chart = {"data": {"values": rows}, "width": 300, "height": {"step": 20}, "layer": [band, point]}
    return drawn(chart, f"The effect of {style(method).label} in {len(rows)} definitions, ordered.")
