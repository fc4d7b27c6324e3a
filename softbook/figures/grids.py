"""What estimates do along an axis: doses, sizes and lengths of training, radii, a baseline's own gap."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softlab.comparison.intervals import Interval, Intervals
from softlab.figures.effects import estimate, said
from softlab.figures.style import Style, markers, style

Gaps = Mapping[str, Mapping[Any, Interval]]  # method -> setting -> interval


def along(
    ax: Axes,
    curve: Mapping[int, Interval] | Mapping[float, Interval],
    look: Style,
    line: str = "-",
    at: Callable[[float], float] = float,
) -> None:
    """Estimates at places of the horizontal axis, and a line through them. at: where a place is drawn, if beside it."""
    ax.plot([at(x) for x in curve], [interval.mean for interval in curve.values()], line, color=look.color, lw=1.2)
    ax.plot([], [], line, color=look.color, marker=look.marker, ms=5, label=look.label)
    for x, interval in curve.items():
        estimate(ax, at(x), interval, look, said(interval, look.label, f"at {x:g}", ax.get_title()))
    ax.grid(alpha=0.3)


def doses(curves: Mapping[str, Mapping[float, Interval]], ax: Axes | None = None) -> Axes:
    """Means with their intervals against the strength of label smoothing, on a logarithmic axis that has zero too.

    curves: name -> {dose: interval}, at most four; they differ in marker and dash.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    fashions = (("-", "s", 1.0), ("--", "o", 1.08), (":", "^", 1.16), ("-.", "D", 0.92))
    for (name, curve), (dash, marker, aside) in zip(curves.items(), fashions, strict=False):
        look = Style(name, style("label_smoothing").color, marker)
        along(ax, curve, look, dash, lambda dose, aside=aside: aside * dose)  # so that intervals do not hide each other
    ordered = sorted({0.0, *(dose for curve in curves.values() for dose in curve)})
    ax.set_xscale("symlog", linthresh=ordered[1] if len(ordered) > 1 else 1.0, linscale=0.5)
    ax.set_xticks(ordered, [f"{dose:g}".removeprefix("0") or "0" for dose in ordered], fontsize=8)
    ax.set_xticks([], minor=True)
    ax.set(xlabel="strength α")
    return ax


def against(points: Mapping[float | None, Intervals], label: str, none: str = "none", ax: Axes | None = None) -> Axes:
    """An estimate with its interval for each method at each value of a setting, side by side, evenly spaced.

    points: value -> {method: interval}, as from effects.seed_means_at.  label: of the vertical axis.  none: the name of
    the value None.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    methods = list(dict.fromkeys(method for by_method in points.values() for method in by_method))
    for index, method in enumerate(methods):
        aside = 0.09 * (index - (len(methods) - 1) / 2)
        curve = {place: estimate[method] for place, estimate in enumerate(points.values()) if method in estimate}
        along(ax, curve, style(method), at=lambda place, aside=aside: place + aside)
    ax.set_xticks(range(len(points)), [none if point is None else f"{point:g}" for point in points])
    ax.set(ylabel=label)
    return ax


def over_passes(panels: Mapping[str, Mapping[tuple[int, int], Interval]], batch: int, label: str) -> Figure:
    """Accuracy under attack, or its change, against how often an image was seen: a panel a method, a line a data size.

    panels: method -> {(training images, steps): interval}.  batch: images a step.
    """
    sizes = sorted({images for cells in panels.values() for images, _ in cells})
    shades = colormaps["viridis_r"](np.linspace(0.15, 0.75, len(sizes)))  # seen on dark and on light
    looks = {size: Style(f"{size:,}", to_hex(shade), "o") for size, shade in zip(sizes, shades, strict=True)}
    look = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(panels), figsize=(8.6, 3.3), **look)
    for ax, (method, cells) in zip(axes.flat, panels.items(), strict=True):
        ax.set_title(style(method).label, fontsize=10)
        for size in sizes:
            line = {batch * steps / size: cells[images, steps] for images, steps in sorted(cells) if images == size}
            along(ax, line, looks[size])
        ax.axhline(0, color="black", lw=0.8)
        ax.set(xscale="log")
    axes[0, 0].set_ylabel(label)
    figure.supxlabel("passes over the data", fontsize=10)
    options = {"title": "training images", "ncols": len(sizes), "frameon": False}
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", **options)
    return figure


def over_radii(panels: Mapping[str, Mapping[str, Mapping[float, Interval]]], label: str, columns: int = 3) -> Figure:
    """A line for each method against the radius of an attack, a panel for each setting, with the same axes.

    panels: setting -> method -> radius in 255ths -> interval.
    """
    lines = -(-len(panels) // columns)
    look = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(lines, columns, figsize=(8.6, 2.0 * lines + 0.8), **look)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    radii = sorted({radius for by_method in panels.values() for curve in by_method.values() for radius in curve})
    for ax, (title, by_method) in zip(axes.flat, panels.items(), strict=False):
        ax.set_title(title, fontsize=10)
        for method, curve in by_method.items():
            along(ax, curve, style(method))
        ax.set_xscale("log", base=2)
        ax.set_xticks(radii, [f"{radius:g}/255" for radius in radii], fontsize=9)
    figure.supylabel(label, fontsize=10)
    methods = list(dict.fromkeys(method for by_method in panels.values() for method in by_method))
    figure.legend(handles=markers(methods), loc="outside upper center", ncols=len(methods), frameon=False)
    return figure


def over_generalization(ahead: Mapping[Any, float], gaps: Gaps, changes: Gaps) -> Figure:
    """Confidence gaps against the generalization gap of plain training, a panel for each method, all in points.

    ahead: setting -> training minus test accuracy of plain training.  gaps: method -> setting -> confidence gap.
    changes: the same for the change of ECE: blue, pointing down, where it certainly falls; red, up, where it rises.
    """
    falls = Style("ECE falls", "#2166AC", "v")
    rises = Style("ECE rises", "#B2182B", "^")
    neither = Style("neither for certain", "#7F7F7F", "o")
    marks = [
        Line2D([], [], ls="none", color=look.color, marker=look.marker, label=look.label)
        for look in (falls, rises, neither)
    ]
    size = (0.8 + 1.95 * len(gaps), 3.4)
    end = 1.05 * max(ahead.values(), default=1)
    figure, axes = plt.subplots(1, len(gaps), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (method, by_setting) in zip(axes[0], gaps.items(), strict=True):
        for setting, gap in by_setting.items():
            change = changes.get(method, {}).get(setting)
            look = {-1: falls, 0: neither, 1: rises}[change.side()] if change else style("baseline")
            estimate(ax, ahead[setting], gap, look, said(gap, style(method).label, f"{setting}"), 6.0)
        ax.axhline(0, color="black", linewidth=0.8)
        ax.axline((0, 0), slope=0.5, color="black", linewidth=1, ls=":")
        ax.set(title=style(method).label, xlim=(0, end))
    figure.legend(handles=marks, loc="outside upper right", ncols=3, frameon=False)
    axes[0, 0].set_ylabel("confidence − accuracy (points)")
    figure.supxlabel("generalization gap of plain training: training − test accuracy (points)", fontsize=10)
    return figure


def gap_law(points: Sequence[Mapping], gap: float, taken: float) -> Figure:
    """How the law says that ECE changes if a method takes `taken` off the baseline's gap, over what was measured.

    points: comparisons, {gap, taken, rest, color, marker}.  gap, taken: of the ring. All in percentage points; those
    whose lowering is about `taken` stand out, the others are pale.
    """
    figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
    reach = max(abs(point["gap"]) for point in points)
    x = np.linspace(-reach, 2 * reach, 301)
    ax.plot(x, abs(x - taken) - abs(x), color="black")
    for point in points:
        change = abs(point["gap"] - point["taken"]) - abs(point["gap"]) + point["rest"]
        pale = abs(point["taken"] - taken) > max(1, taken / 5)
        ax.plot(point["gap"], change, point["marker"], color=point["color"], alpha=0.25 if pale else 1)
    ax.plot(gap, abs(gap - taken) - abs(gap), "ko", ms=13, fillstyle="none")
    ax.axvline(taken / 2, color="black", ls=":")
    ax.set(xlabel="the baseline’s confidence gap g (points)", ylabel="change of ECE (points)")
    return figure
