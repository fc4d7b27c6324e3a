"""Estimates with their intervals, a row for each method."""

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from softlab.comparison.intervals import Interval, Intervals
from softlab.figures.style import Style, label_lines, lift_letter, markers, style

if TYPE_CHECKING:
    from softlab.comparison.effects import Effect


def intervals(values: Intervals, label: str, ax: Axes | None = None, zero: bool = False, fill: str = "full") -> Axes:
    """One dot with its interval per method, from top to bottom; `zero` draws a line where there is no difference.

    fill: `full`, or `none` for open markers, where two kinds share the axes.
    """
    ax = ax or plt.subplots(figsize=(6, 0.5 * len(values) + 1), layout="constrained")[1]
    for row, (method, interval) in enumerate(values.items()):
        _estimate(ax, interval, row, style(method), size=7, fill=fill)
    ax.set_yticks(range(len(values)), [style(method).label for method in values])
    ax.set(xlabel=label, ylim=(len(values) - 0.5, -0.5))
    if zero:
        ax.axvline(0, color="black", linewidth=0.8)
    ax.grid(axis="x", alpha=0.3)
    return ax


def estimates_by_setting(settings: "Mapping[str, Mapping[str, Effect]]", ax: Axes | None = None) -> Axes:
    """What methods do to one quantity in several settings: a row for each setting, an interval for each method.

    settings: what one is called -> effects on the same quantity, at least one.  A method with one network there has an
    open marker and no interval. Where an interval is much wider than all effects lie apart, an arrow at the edge says
    that it goes on.
    """
    methods = list(dict.fromkeys(method for effects in settings.values() for method in effects))
    labels = [_row_label(label, effects) for label, effects in settings.items()]
    pitch = 0.15  # from method to method, in inches, as all that follows
    row = max(pitch * len(methods) + 0.25, *(0.16 * label.count("\n") + 0.3 for label in labels))
    ax = ax or plt.subplots(figsize=(6.4, row * len(settings) + 1), layout="constrained")[1]
    low, high = _limits(effect.shown for effects in settings.values() for effect in effects.values())
    for place, effects in enumerate(settings.values()):
        for method, effect in effects.items():
            y = place + (methods.index(method) - (len(methods) - 1) / 2) * pitch / row
            _estimate(ax, effect.shown, y, style(method), (low, high))
        if place:
            ax.axhline(place - 0.5, color="#D9D9D9", linewidth=0.8)
    ax.axvline(0, color="black", linewidth=0.8)
    described = next(effect for effects in settings.values() for effect in effects.values()).described
    better = {-1: "\n← better", 0: "", 1: "\nbetter →"}[described.better]
    ax.set(xlim=(low, high), ylim=(len(settings) - 0.5, -0.5), xlabel=f"change of {described.changed}{better}")
    ax.set_yticks(range(len(settings)), labels, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    options = {"ncols": min(4, len(methods)), "frameon": False, "columnspacing": 1.0, "handletextpad": 0.2}
    ax.legend(handles=markers(methods), loc="lower center", bbox_to_anchor=(0.5, 1.0), **options)
    return ax


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
        ax.fill_betweenx([row - 0.4, row + 0.4], -abs(start.mean), abs(start.mean), color="#D5E8D4", lw=0)
        methods = list(ends[setting])
        for place, method in enumerate(methods):
            y = row + 0.6 * ((place + 0.5) / len(methods) - 0.5)
            end = ends[setting][method].mean
            arrow = {"arrowstyle": "-", "color": style(method).color, "shrinkA": 0, "shrinkB": 0, "lw": 1.1}
            ax.annotate("", (end, y), (start.mean, y), arrowprops=arrow)
            ax.plot(end, y, style(method).marker, color=style(method).color, ms=6)
        ax.plot(start.mean, row, plain.marker, color=plain.color, ms=7)
    _name_rows(ax, list(starts))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.annotate(aim, (0, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center")
    ax.set(xlabel=label)
    return ax


def rows_by_setting(settings: "Mapping[str, Mapping[str, Effect]]", label: str, ax: Axes | None = None) -> Axes:
    """What methods do to a quantity, in a row for each setting whose name stands in the picture.

    settings: name -> effects on the same quantity.  For narrow columns; `estimates_by_setting` also writes out the
    intervals' ends and the number of seeds.
    """
    ax = ax or plt.subplots(figsize=(4.3, 0.62 * len(settings) + 0.5), layout="constrained")[1]
    for row, effects in enumerate(settings.values()):
        for place, (method, effect) in enumerate(effects.items()):
            y = row + 0.6 * ((place + 0.5) / len(effects) - 0.5)
            _estimate(ax, effect.shown, y, style(method))
    _name_rows(ax, list(settings))
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlabel=label)
    return ax


def _name_rows(ax: Axes, names: Sequence[str]) -> None:
    """One row for each name, which is a letter beside the axes where names begin with one, else the whole name."""
    ax.set_yticks(range(len(names)), [name.partition(" · ")[0] for name in names])
    ax.set(ylim=(len(names) - 0.5, -0.5))
    for row in range(1, len(names)):
        ax.axhline(row - 0.5, color="#D9D9D9", linewidth=0.8)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)


def panels_by_setting(quantities: "Mapping[str, Mapping[str, Mapping[str, Effect]]]", absent: str = "") -> Figure:
    """`estimates_by_setting` side by side, a panel for each quantity, with a row for each setting that any of them has.

    quantities: title -> {setting: effects on it}.  absent: what a row without a marker says.
    """
    rows: dict[str, Mapping[str, Effect]] = {}
    for settings in quantities.values():
        for name, effects in settings.items():
            rows[name] = max(rows.get(name, {}), effects, key=_seeds)
    size = (1.6 + 1.65 * len(quantities), 0.6 * len(rows) + 1.2)
    figure, axes = plt.subplots(1, len(quantities), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (title, settings) in zip(axes[0], quantities.items(), strict=True):
        estimates_by_setting({name: settings.get(name, {}) for name in rows}, ax)
        for place in [row for row, name in enumerate(rows) if not settings.get(name)]:
            ax.text(0.5, place, absent, transform=ax.get_yaxis_transform(), ha="center", va="center", fontsize=8)
        ax.set_title(title, fontsize=10)
        ax.set_xlabel(ax.get_xlabel().partition("\n")[2] or " ")
        legend = ax.get_legend()
        names = [text.get_text() for text in legend.get_texts()]
        handles = legend.legend_handles
        legend.remove()
    labels = [_row_label(name, effects, 18) for name, effects in rows.items()]
    axes[0, 0].set_yticks(range(len(rows)), labels, fontsize=8)
    options = {"ncols": 1 + len(quantities), "frameon": False, "columnspacing": 1.0, "handletextpad": 0.2}
    figure.legend(handles, names, loc="outside upper center", **options)
    return figure


def estimates(rows: Mapping[str, tuple[str, Interval]], label: str, ax: Axes | None = None) -> Axes:
    """One estimate a row, beside a line where there is no difference. rows: {text: (method, interval)}."""
    ax = ax or plt.subplots(figsize=(6.4, 0.32 * len(rows) + 0.9), layout="constrained")[1]
    low, high = _limits(interval for _, interval in rows.values())
    for place, (method, interval) in enumerate(rows.values()):
        _estimate(ax, interval, place, style(method), (low, high), size=6)
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set(xlim=(low, high), ylim=(len(rows) - 0.5, -0.5), xlabel=label)
    ax.set_yticks(range(len(rows)), ["\n".join(label_lines(text, 38)) for text in rows], fontsize=8.5)
    ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    return ax


def estimate_panels(panels: Mapping[str, Mapping[str, tuple[str, Interval]]], label: str, columns: int = 3) -> Figure:
    """`estimates` side by side, with the same rows. panels: title -> rows.  label: of all axes."""
    most = max(map(len, panels.values()), default=0)
    lines = max(1, -(-len(panels) // columns))
    size = (8.6, lines * (0.27 * most + 0.7) + 0.2)
    figure, axes = plt.subplots(lines, columns, figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    for ax, (title, rows) in zip(axes.flat, panels.items(), strict=False):
        estimates(rows, "", ax).set_title("\n".join(label_lines(title, 24)), fontsize=10)
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
    figure.supxlabel(label, fontsize=10)
    return figure


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
            ax.plot(points, [row] * len(points), ls="none", marker=look.marker, color=look.color, mfc="none")
        ax.set_title(title, fontsize=9, loc="left", pad=2)
        ax.set_yticks(range(len(values)), [style(method).label for method in values], fontsize=8.5)
        ax.set_ylim(len(values) - 0.5, -0.5)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.tick_params(length=0)
        ax.grid(axis="x", alpha=0.3)
    axes[-1, 0].set_xlabel(label)
    return figure


def _row_label(label: str, effects: "Mapping[str, Effect]", width: int = 26) -> str:
    """In lines that fit beside the axes, the last of which says how many networks there are of a method."""
    seeds = _seeds(effects)
    return "\n".join([*label_lines(label, width), f"{seeds} seeds" if seeds > 1 else "one seed"])


def _seeds(effects: "Mapping[str, Effect]") -> int:
    """The most networks that there are of any method."""
    return max((effect.shown.n for effect in effects.values()), default=0)


def _estimate(
    ax: Axes,
    shown: Interval,
    y: float,
    look: Style,
    limits=(-math.inf, math.inf),
    *,
    size=5.0,
    upright=None,
    fill="full",
) -> None:
    """A marker with its interval, and arrows where that goes on beyond the limits; an open one for one network.

    upright: an interval along y, too.  Nothing is drawn of what is OPEN.
    """
    marker = {"color": look.color, "marker": look.marker, "ms": size, "ls": "none"}
    if shown.n < 2:
        ax.plot([shown.mean] * shown.n, [y] * shown.n, fillstyle="none", **marker)
        return
    across = None if upright is None else upright.half_width
    lift_letter(ax, shown.mean, y, look, size)
    ax.errorbar(shown.mean, y, xerr=shown.half_width, yerr=across, capsize=0.6 * size, fillstyle=fill, **marker)
    low, high = limits
    for edge, arrow, beyond in ((low, 4, shown.low < low), (high, 5, shown.high > high)):  # matplotlib's carets
        if beyond:
            ax.plot(edge, y, color=look.color, marker=arrow, ms=6, clip_on=False)


def _limits(values: Iterable[Interval], times: float = 1) -> tuple[float, float]:
    """Limits of an axis that shows zero, all means, and their intervals up to `times` the means' range beyond them.

    Or up to 1.5 times the median half width, if that is more, so that most wide intervals are seen whole.
    """
    shown = [interval for interval in values if interval.n]
    means = [0.0, *(interval.mean for interval in shown)]
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
