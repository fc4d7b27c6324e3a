"""What estimates do along an axis: doses, definitions, epochs, a baseline's own gap."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softlab.comparison.intervals import Interval, Intervals
from softlab.figures.style import style

Gaps = Mapping[str, Mapping[Any, Interval]]  # method -> setting -> interval


def doses(curves: Mapping[str, Mapping[float, Interval]], ax: Axes | None = None) -> Axes:
    """Means with their intervals against the strength of label smoothing, on a logarithmic axis that has zero too.

    curves: name -> {dose: interval}, at most four; they differ in fill and dash.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    looks = {"color": style("label_smoothing").color, "ms": 5, "capsize": 3, "linewidth": 1.2}
    fashions = (("full", "-", "s", 1.0), ("none", "--", "o", 1.08), ("none", ":", "^", 1.16), ("full", "-.", "D", 0.92))
    for (name, curve), (fill, dash, marker, aside) in zip(curves.items(), fashions, strict=False):
        at = [aside * dose for dose in curve]  # so that intervals do not hide each other
        means = [interval.mean for interval in curve.values()]
        halves = [interval.half_width if interval.n > 1 else 0 for interval in curve.values()]
        ax.errorbar(at, means, yerr=halves, label=name, fillstyle=fill, ls=dash, marker=marker, **looks)
    ordered = sorted({0.0, *(dose for curve in curves.values() for dose in curve)})
    ax.set_xscale("symlog", linthresh=ordered[1] if len(ordered) > 1 else 1.0, linscale=0.5)
    ax.set_xticks(ordered, [f"{dose:g}".removeprefix("0") or "0" for dose in ordered], fontsize=8)
    ax.set_xticks([], minor=True)
    ax.set(xlabel="strength α")
    ax.grid(alpha=0.3)
    return ax


def against(points: Mapping[float | None, Intervals], label: str, none: str = "none", ax: Axes | None = None) -> Axes:
    """An estimate with its interval for each method at each value of a setting, side by side, evenly spaced.

    points: value -> {method: interval}, as from effects.seed_means_at.  label: of the vertical axis.  none: the name of
    the value None.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    methods = list(dict.fromkeys(method for by_method in points.values() for method in by_method))
    for index, method in enumerate(methods):
        look = style(method)
        shown = {place: estimate[method] for place, estimate in enumerate(points.values()) if method in estimate}
        x = [place + 0.09 * (index - (len(methods) - 1) / 2) for place in shown]
        half = [interval.half_width if interval.n > 1 else 0 for interval in shown.values()]
        marker = {"color": look.color, "marker": look.marker, "ms": 5, "capsize": 2, "lw": 1, "label": look.label}
        ax.errorbar(x, [interval.mean for interval in shown.values()], half, **marker)
    ax.set_xticks(range(len(points)), [none if point is None else f"{point:g}" for point in points])
    ax.set(ylabel=label)
    ax.grid(axis="y", alpha=0.3)
    return ax


def over_generalization(ahead: Mapping[Any, float], gaps: Gaps, changes: Gaps) -> Figure:
    """Confidence gaps against the generalization gap of plain training, a panel for each method, all in points.

    ahead: setting -> training minus test accuracy of plain training.  gaps: method -> setting -> confidence gap.
    changes: the same for the change of ECE: blue, pointing down, where it certainly falls; red, up, where it rises.
    """
    looks = {-1: ("#2166AC", "v"), 1: ("#B2182B", "^"), 0: ("#7F7F7F", "o")}
    named = zip(looks.values(), ("ECE falls", "ECE rises", "neither for certain"), strict=True)
    marks = [Line2D([], [], ls="none", color=color, marker=marker, label=name) for (color, marker), name in named]
    size = (0.8 + 1.95 * len(gaps), 3.4)
    end = 1.05 * max(ahead.values(), default=1)
    figure, axes = plt.subplots(1, len(gaps), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (method, by_setting) in zip(axes[0], gaps.items(), strict=True):
        for setting, gap in by_setting.items():
            change = changes.get(method, {}).get(setting)
            color, marker = looks[change.side()] if change else ("black", "o")
            half = gap.half_width if gap.n > 1 else 0
            ax.errorbar(ahead[setting], gap.mean, half, color=color, marker=marker, ms=6)
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
