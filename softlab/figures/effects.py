"""Estimates with their intervals, in rows; each says its number to who points at it, or cannot see it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import TYPE_CHECKING, Union

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from softlab.comparison.intervals import Interval, Intervals
from softlab.figures.described import SAYS
from softlab.figures.style import Style, label_lines, lift_letter, markers, style

if TYPE_CHECKING:
    from softlab.comparison.effects import Effect

Estimates = Mapping[str, Union[Interval, "Effect"]]  # by method
GREY = "#88888866"  # is seen on light and on dark


def estimate(
    ax: Axes, across: Interval | float, up: Interval | float, look: Style, says: str = "", size: float = 5.0
) -> None:
    """A marker with an interval along each axis that has one; an open marker without any for one network.

    Where an interval leaves axes whose limits are set, an arrow says that it goes on.  Nothing is drawn of what is
    OPEN.  says: what the marker is, and its number.
    """
    x, y = (end if isinstance(end, Interval) else Interval(end, end, end, 2) for end in (across, up))
    if not (x.n and y.n):
        return
    marker = {"color": look.color, "marker": look.marker, "ms": size, "ls": "none"}
    if min(x.n, y.n) < 2:
        ax.plot(x.mean, y.mean, fillstyle="none", zorder=2.1, gid=SAYS + says, **marker)  # as an errorbar's
        return
    lift_letter(ax, x.mean, y.mean, look, size)
    bars = {"xerr": x.half_width if x is across else None, "yerr": y.half_width if y is up else None}
    ax.errorbar(x.mean, y.mean, **bars, capsize=0.6 * size, **marker)[0].set_gid(SAYS + says)
    left, right = (-math.inf, math.inf) if ax.get_autoscalex_on() else ax.get_xlim()
    below, above = (-math.inf, math.inf) if ax.get_autoscaley_on() else ax.get_ylim()
    if y is not up:  # rows: their axis is turned around
        below, above = -math.inf, math.inf
    edges = [(left, y.mean, 4, x.low < left), (right, y.mean, 5, x.high > right)]  # matplotlib's carets
    edges += [(x.mean, above, 6, y.high > above), (x.mean, below, 7, y.low < below)]
    for *edge, arrow, beyond in edges:
        if beyond:
            ax.plot(*edge, color=look.color, marker=arrow, ms=6, ls="none", clip_on=False)


def estimates(
    panels: Mapping[str, Mapping[str, Estimates]],
    label: str = "",
    *,
    columns: int = 5,
    size: tuple[float, float] | None = None,
    dashed: Mapping[str, float] | None = None,
    absent: str = "",
) -> Figure:
    """Estimates beside a line at zero: a panel for each title, with all rows that any of them has.

    panels: title (may be empty) -> row -> method -> Interval or Effect, of which the axis also says in which direction
    it is better.  label: of the horizontal axes.  Where a row has several methods there is a legend, and the row says
    how many networks there are of each.
    columns: of panels, at most.  size: of the figure, in inches (None: as it needs).  dashed: title -> where its panel
    has another line.  absent: what stands in a row without a method.
    """
    rows = list(dict.fromkeys(row for panel in panels.values() for row in panel))
    cells = [cell for panel in panels.values() for cell in panel.values()]
    methods = list(dict.fromkeys(method for cell in cells for method in cell))
    several = max(map(len, cells), default=0) > 1
    columns = min(columns, len(panels))
    names = ["\n".join(label_lines(row, 48 if columns == 1 and not several else 22)) for row in rows]
    if several:
        names = [f"{name}\n{_seeds(panels, row)}" for name, row in zip(names, rows, strict=True)]
    pitch = max(0.1 * len(methods) + 0.2 if several else 0.0, 0.16 * max(name.count("\n") for name in names) + 0.27)
    lines = -(-len(panels) // columns)
    needed = (6.4 if columns == 1 else 1.55 * columns + 1.6), lines * (pitch * len(rows) + 0.7) + 0.5 * several
    look = {"sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(lines, columns, figsize=size or needed, **look)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, panel) in zip(axes.flat, panels.items(), strict=False):
        by_row = {row: panel.get(row, {}) for row in rows}
        _panel(ax, by_row, title, methods if several else (), (dashed or {}).get(title))
        ax.set_title("\n".join(label_lines(title, {1: 60, 2: 24, 3: 24}.get(columns, 20))), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(5 if columns == 1 else 3, steps=[1, 2, 5, 10]))
        for place in [place for place, cell in enumerate(by_row.values()) if not cell]:
            ax.text(0.5, place, absent, transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=8)
    axes[0, 0].set_yticks(range(len(rows)), names, fontsize=8.5)
    axes[0, 0].set_ylim(len(rows) - 0.5, -0.5)
    if columns == 1:
        axes[-1, 0].set_xlabel("\n".join(filter(None, (label, axes[-1, 0].get_xlabel()))))
    else:
        figure.supxlabel(label, fontsize=10)
    if several:
        options = {
            "ncols": int(figure.get_figwidth() / 1.45),
            "frameon": False,
            "columnspacing": 1.0,
            "handletextpad": 0.2,
        }
        figure.legend(handles=markers(methods), loc="outside upper center", **options)
    return figure


def method_rows(values: Estimates) -> dict[str, Estimates]:
    """For `estimates`, a row for each method, under its label."""
    return {style(method).label: {method: value} for method, value in values.items()}


def _panel(
    ax: Axes, rows: Mapping[str, Estimates], title: str, places: Sequence[str], dashed: float | None = None
) -> None:
    """One panel of `estimates`. places: the methods in their order within a row, where a row has several."""
    values = [
        (place, row, *named) for place, (row, by_method) in enumerate(rows.items()) for named in by_method.items()
    ]
    ax.set_xlim(_limits([_shown(value) for *_, value in values], dashed or 0.0))
    for place, row, method, value in values:
        aside = 0.75 * ((places.index(method) + 0.5) / len(places) - 0.5) if places else 0.0
        says = said(value, style(method).label, row, title)
        estimate(ax, _shown(value), place + aside, style(method), says, 5.0 if places else 6.0)
    for place in range(1, len(rows) if places else 0):
        ax.axhline(place - 0.5, color=GREY, linewidth=0.8)
    ax.axvline(0, color="black", linewidth=0.8)
    if dashed is not None:
        ax.axvline(dashed, color="black", linewidth=0.8, ls="--")
    better = {value.described.better for *_, value in values if not isinstance(value, Interval)}
    ax.set_xlabel({1: "better →", -1: "← better"}.get(better.pop() if better else 0, ""))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)


def shifts_by_setting(
    starts: Intervals, ends: Mapping[str, Intervals], label: str, aim: str, ax: Axes | None = None
) -> Axes:
    """Where plain training starts and methods end, an arrow for each method, in a row of its own for each setting.

    starts: setting -> interval.  ends: setting -> {method: interval}.  label: of the axis; zero, called `aim`, is where
    one wants to be.  The band covers what lies nearer to zero than the start.
    """
    ax = ax or plt.subplots(figsize=(4.3, 0.62 * len(starts) + 0.5), layout="constrained")[1]
    plain = style("baseline")
    for row, (setting, start) in enumerate(starts.items()):
        ax.fill_betweenx([row - 0.4, row + 0.4], -abs(start.mean), abs(start.mean), color="#8CC68A", alpha=0.35, lw=0)
        for place, (method, end) in enumerate(ends[setting].items()):
            y = row + 0.6 * ((place + 0.5) / len(ends[setting]) - 0.5)
            ax.plot([start.mean, end.mean], [y, y], color=style(method).color, linewidth=1.1)
            estimate(ax, end.mean, y, style(method), said(end, style(method).label, setting, label), 6.0)
        estimate(ax, start.mean, row, plain, said(start, plain.label, setting, label), 7.0)
        if row:
            ax.axhline(row - 0.5, color=GREY, linewidth=0.8)
    ax.set_yticks(range(len(starts)), [name.partition(" · ")[0] for name in starts])
    ax.set(ylim=(len(starts) - 0.5, -0.5), xlabel=label)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.annotate(aim, (0, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    return ax


def networks_in_panels(panels: Mapping[str, Mapping[str, Sequence[float]]], label: str) -> Figure:
    """A marker for each network, in a row for each method that a panel has. panels: title -> method -> values.

    Panels stand one below the other on one axis, as wide as a narrow column, each below its title.
    """
    rows = [len(values) for values in panels.values()]
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(4.6, 0.21 * sum(rows) + 0.26 * len(panels) + 0.5),
        height_ratios=rows,
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    for ax, (title, values) in zip(axes.flat, panels.items(), strict=True):
        for row, (method, points) in enumerate(values.items()):
            look = style(method)
            for point in points:
                network = Interval(point, -math.inf, math.inf, 1)
                estimate(ax, network, row, look, said(network, look.label, title), 6.0)
        ax.set_title(title, fontsize=9, loc="left", pad=2)
        ax.set_yticks(range(len(values)), [style(method).label for method in values], fontsize=8.5)
        ax.set_ylim(len(values) - 0.5, -0.5)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.tick_params(length=0)
        ax.grid(axis="x", alpha=0.3)
    axes[-1, 0].set_xlabel(label)
    return figure


def said(value: "Interval | Effect", *where: str) -> str:
    """An estimate in one line: what it is of, its number, and how to make it again."""
    shown = _shown(value)
    seeds = f"{shown.n} seeds" if shown.n > 1 else "one seed, no interval"
    if isinstance(value, Interval):
        size = value.half_width if value.n > 1 else abs(value.mean)
        number = value.text(max(0, 1 - math.floor(math.log10(size or 1))), sign=True)
    else:
        number = f"{value:+} in {value.described.changed}"
        seeds += f"; over {value.over}"
    again = f"; again: {shown.origin.command}" if shown.origin and shown.origin.command else ""
    return f"{', '.join(filter(None, where))}: {number} ({seeds}){again}"


def _shown(value: "Interval | Effect") -> Interval:
    return value if isinstance(value, Interval) else value.shown


def _seeds(panels: Mapping[str, Mapping[str, Estimates]], row: str) -> str:
    """The most networks that there are of any method in a row."""
    most = max((_shown(value).n for panel in panels.values() for value in panel.get(row, {}).values()), default=0)
    return f"{most} seeds" if most > 1 else "one seed"


def _limits(values: Iterable[Interval], also: float = 0.0, times: float = 1) -> tuple[float, float]:
    """Limits of an axis that shows zero, `also`, all means, and their intervals up to `times` the means' range beyond.

    Or up to 1.5 times the median half width, if that is more, so that most wide intervals are seen whole.
    """
    shown = [interval for interval in values if interval.n]
    means = [0.0, also, *(interval.mean for interval in shown)]
    least = min(means)
    most = max(means)
    bounded = [interval for interval in shown if interval.n > 1]
    widths = [interval.half_width for interval in bounded]
    room = max(times * (most - least or 1), 1.5 * median_low(widths) if widths else 0.0)
    ends = [*means, *(interval.low for interval in bounded), *(interval.high for interval in bounded)]
    low = max(min(ends), least - room)
    high = min(max(ends), most + room)
    margin = 0.04 * (high - low or 1)
    return low - margin, high + margin
