"""Figures of the book: they draw what they are given and compute nothing. One colour and marker per method.

Every function takes matplotlib axes, or makes them, and returns them.
"""

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from softlab.intervals import Interval, Values, means, t_interval

if TYPE_CHECKING:
    from pandas import DataFrame

    from softlab.effects import Effects, Shift


@dataclass(frozen=True)
class Style:
    """How a method looks and is called throughout the book."""

    label: str
    color: str
    marker: str


# Okabe and Ito's colours, which people with colour-blindness tell apart.
STYLES = {
    "baseline": Style("baseline", "#000000", "o"),
    "label_smoothing": Style("label smoothing", "#0072B2", "s"),
    "mixup": Style("Mixup", "#E69F00", "^"),
    "cutmix": Style("CutMix", "#009E73", "D"),
    "maxsup": Style("MaxSup", "#CC79A7", "v"),
}
# The book's other methods: a marker for each, in the colours that are left.
OTHERS = ("weight_decay", "dropout", "feature_penalty", "logit_penalty", "scale_penalty", "cosine_penalty", "steady")
OTHERS += ("fixed_scale", "unseen_penalty", "confidence_penalty", "regularization_only", "amplification_only", "focal")
OTHERS += ("early_stopping",)
COLORS, MARKERS = ("#D55E00", "#56B4E9", "#7F7F7F", "#8C564B"), "PX*ph<>8+x123d"


def style(method: str) -> Style:
    """The style of a method; one that the book does not know gets a spare one, always the same for its name."""
    place = OTHERS.index(method) if method in OTHERS else sum(method.encode())
    color, marker = COLORS[place % len(COLORS)], MARKERS[place % len(MARKERS)]
    return STYLES.get(method, Style(method.replace("_", " "), color, marker))


def soft_labels(
    images: np.ndarray, targets: np.ndarray, classes: Sequence[str], titles: Sequence[str], columns: int = 3
) -> np.ndarray:
    """Images over their target distributions, `columns` side by side; returns the axes of the targets (M,).

    images: (M, C, H, W) in [0, 1].  targets: (M, K), rows that sum to 1.
    """
    images, targets = np.asarray(images), np.asarray(targets)
    rows = -(-len(images) // columns)
    figure = plt.figure(figsize=(8.5, 3.9 * rows), layout="constrained")
    blocks = figure.subfigures(rows, columns, squeeze=False).reshape(-1)
    bars = []
    for block, image, target, title in zip(blocks, images, targets, titles, strict=False):
        picture, bar = block.subplots(2, 1, height_ratios=[1, 1.2])
        picture.imshow(np.moveaxis(image, 0, -1), cmap="gray_r", vmin=0, vmax=1)
        picture.set(title=title, xticks=[], yticks=[])
        picture.spines[:].set_visible(True)
        bar.barh(np.arange(len(target)), target, color="#56B4E9", edgecolor="black", linewidth=0.5)
        bar.axvline(0, color="black", linewidth=0.8)
        bar.set(xlim=(min(0, targets.min() - 0.05), 1.12), xticks=[0, 0.5, 1], xlabel="target")
        bar.set_yticks(np.arange(len(classes)), classes, fontsize=8)
        bar.set_ylim(len(target) - 0.5, -0.5)
        bar.grid(axis="x", alpha=0.3)
        bars.append(bar)
    return np.array(bars)


def decision_plane(logits: np.ndarray, extent: float, ax: Axes | None = None, confidence: bool = True) -> Axes:
    """Regions of a plane by predicted class (colours), and contours of the largest probability.

    logits: (H, W, K) on [-extent, extent]², row 0 the lowest (geometry.plane_logits).
    """
    ax = ax or plt.subplots(figsize=(4.2, 4.2), layout="constrained")[1]
    logits = np.asarray(logits)
    shown = ListedColormap(plt.get_cmap("tab10")(range(10))[: logits.shape[-1]])
    box = (-extent, extent, -extent, extent)
    ax.imshow(logits.argmax(-1), origin="lower", extent=box, cmap=shown, vmin=0, vmax=logits.shape[-1] - 1, alpha=0.35)
    if confidence:
        top = logits.max(-1, keepdims=True)
        largest = 1 / np.exp(logits - top).sum(-1)
        lines = ax.contour(largest, [0.5, 0.9, 0.99], origin="lower", extent=box, colors="black", linewidths=0.7)
        ax.clabel(lines, fontsize=7)
    ax.set(xlim=(-extent, extent), ylim=(-extent, extent))
    return ax


def curves(
    values: Mapping[str, np.ndarray], epochs: Sequence[int], label: str, ax: Axes | None = None, marked: bool = False
) -> Axes:
    """Mean over seeds against epochs, in a band from the lowest seed to the highest.

    values: method -> (seeds, epochs).  marked: a marker at every epoch.
    """
    ax = ax or plt.subplots(layout="constrained")[1]
    for method, array in values.items():
        look = style(method)
        every = 1 if marked else max(1, len(epochs) // 6)
        ax.plot(epochs, array.mean(0), color=look.color, marker=look.marker, markevery=every, ms=5, label=look.label)
        ax.fill_between(epochs, array.min(0), array.max(0), color=look.color, alpha=0.15, linewidth=0)
    ax.set(xlabel="epoch", ylabel=label)
    ax.grid(alpha=0.3)
    return ax


def reliability(
    confidence: np.ndarray,
    accuracy: np.ndarray,
    interval: tuple,
    share: np.ndarray,
    method: str,
    ax: Axes | None = None,
) -> Axes:
    """Accuracy against confidence, bin by bin, over grey bars for the share of samples in each; diagonal: calibrated.

    confidence, accuracy, share: (B,).  interval: low and high (B,) of accuracy.  Bins without samples are not drawn.
    """
    ax = ax or plt.subplots(figsize=(3, 3), layout="constrained")[1]
    some, look = np.asarray(share) > 0, style(method)
    x, y, low, high = (np.asarray(one)[some] for one in (confidence, accuracy, *interval))
    width = 1 / len(some)
    ax.bar((np.arange(len(some)) + 0.5) * width, share, width, color="#D9D9D9", edgecolor="white", linewidth=0.5)
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    ax.errorbar(x, y, yerr=[y - low, high - y], color=look.color, marker=look.marker, ms=4, linewidth=1, capsize=2)
    ax.set(title=look.label, xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    return ax


def intervals(
    values: Mapping[str, Interval], label: str, ax: Axes | None = None, zero: bool = False, fill: str = "full"
) -> Axes:
    """One dot with its interval per method, from top to bottom; `zero` draws a line where there is no difference.

    fill: `full`, or `none` for open markers, where two kinds share the axes.
    """
    ax = ax or plt.subplots(figsize=(6, 0.5 * len(values) + 1), layout="constrained")[1]
    for row, (method, interval) in enumerate(values.items()):
        look = style(method)
        half = interval.half_width if interval.n > 1 else 0
        marker = {"marker": look.marker, "ms": 7, "fillstyle": fill}
        ax.errorbar(interval.mean, row, xerr=half, color=look.color, capsize=4, **marker)
    ax.set_yticks(range(len(values)), [style(method).label for method in values])
    ax.set(xlabel=label, ylim=(len(values) - 0.5, -0.5))
    if zero:
        ax.axvline(0, color="black", linewidth=0.8)
    ax.grid(axis="x", alpha=0.3)
    return ax


def arrows(
    starts: Mapping[str, Interval],
    stops: Mapping[str, Interval],
    label: str,
    ends: Sequence[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """From one estimate to another, a row for each method that has both; dotted: where the first row's two are.

    ends: what the two are called (none: a legend elsewhere says it); the first has open markers.
    """
    known = [method for method in starts if method in stops]
    ax = ax or plt.subplots(figsize=(6.4, 0.42 * len(known) + 1.1), layout="constrained")[1]
    for row, method in enumerate(known):
        look = {"arrowstyle": "-|>", "color": style(method).color, "shrinkB": 8}
        ax.annotate("", (stops[method].mean, row), (starts[method].mean, row), arrowprops=look)
    for by_method, fill, name in zip((starts, stops), ("none", "full"), ends or ("", ""), strict=True):
        intervals({method: by_method[method] for method in known}, label, ax, fill=fill)
        place = by_method[known[0]].mean
        ax.axvline(place, color="black", linestyle=":", linewidth=0.8)
        ax.annotate(
            name, (place, 1), (0, 3), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center"
        )
    return ax


def repairs(table: "DataFrame", pairs: Sequence[tuple[str, str]], methods: Sequence[str] = ()) -> Figure:
    """`arrows` from one quantity to another, means over seeds, a panel for each pair.

    table: of records.study_table.  methods: from top to bottom (none: as in the table), those that it has.
    """
    from softlab.effects import by_method
    from softlab.quantities import QUANTITIES

    order = methods or list(dict.fromkeys(table["method"]))
    size = (8.6, 0.32 * len(order) + 1.3)
    figure, axes = plt.subplots(1, len(pairs), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (start, stop) in zip(axes[0], pairs, strict=True):
        ends = []
        for quantity in (start, stop):
            found = means(by_method(table, quantity))
            factor = QUANTITIES[quantity].factor
            ends.append({name: found[name].scaled(factor) for name in order if name in found})
        arrows(*ends, QUANTITIES[start].label, ax=ax)
    looks = {"color": "#7F7F7F", "marker": "o", "ls": "none"}
    kinds = [Line2D([], [], fillstyle=fill, **looks) for fill in ("none", "full")]
    figure.legend(kinds, ["as trained", "repaired"], loc="outside upper center", ncols=2, frameon=False)
    return figure


def doses(
    curves: Mapping[str, Mapping[float, Interval]], ax: Axes | None = None, method: str = "label_smoothing"
) -> Axes:
    """Means with their intervals against the dose of one method, on a logarithmic axis that has zero too.

    curves: what a quantity is called -> {dose: interval}, at most three; they differ in fill and dash.
    """
    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    looks = {"color": style(method).color, "ms": 5, "capsize": 3, "linewidth": 1.2}
    fashions = (("full", "-", "s", 1.0), ("none", "--", "o", 1.08), ("none", ":", "^", 1.16))
    for (name, curve), (fill, dash, marker, aside) in zip(curves.items(), fashions, strict=False):
        at = [aside * dose for dose in curve]  # so that intervals do not hide each other
        means = [interval.mean for interval in curve.values()]
        halves = [interval.half_width if interval.n > 1 else 0 for interval in curve.values()]
        ax.errorbar(at, means, yerr=halves, label=name, fillstyle=fill, ls=dash, marker=marker, **looks)
    return dose_axis({dose for curve in curves.values() for dose in curve}, ax)


def dose_axis(shown: Iterable[float], ax: Axes) -> Axes:
    """Make the horizontal axis logarithmic down to the smallest of these doses, and linear from there to zero."""
    ordered = sorted({0.0, *shown})
    ax.set_xscale("symlog", linthresh=ordered[1] if len(ordered) > 1 else 1.0, linscale=0.5)
    ax.set_xticks(ordered, [f"{dose:g}".removeprefix("0") or "0" for dose in ordered], fontsize=8)
    ax.set_xticks([], minor=True)
    ax.set(xlabel="dose α")
    ax.grid(alpha=0.3)
    return ax


def panels(values: Mapping[str, Mapping[str, Interval]], columns: int = 4) -> Figure:
    """Differences to the baseline, a small panel of `intervals` for each quantity. values: label -> method."""
    rows = max(1, -(-len(values) // columns))
    figure, axes = plt.subplots(rows, columns, figsize=(2.15 * columns, 2.2 * rows), layout="constrained")
    for ax in axes.flat[len(values) :]:
        ax.set_visible(False)
    for ax, (label, by_method) in zip(axes.flat, values.items(), strict=False):
        intervals(by_method, f"Δ {label}", ax, zero=True)
        ax.xaxis.label.set_size(8)
        if not ax.get_subplotspec().is_first_col():
            ax.set_yticklabels([])
    return figure


def at_scales(scales: "Mapping[str, Effects]", ax: Axes | None = None) -> Axes:
    """What methods do to one quantity at several scales: a row for each, an effect with its interval for each method.

    scales: what a scale is called -> effects on the same quantity, at least one.  A method with one network there has
    an open marker and no interval. Where an interval is much wider than all effects lie apart, an arrow at the edge
    says that it goes on.
    """
    methods = list(dict.fromkeys(method for found in scales.values() for method in found))
    labels = [_scale_label(label, found) for label, found in scales.items()]
    between = 0.15  # methods, in inches, as all that follows
    row = max(between * len(methods) + 0.25, *(0.16 * label.count("\n") + 0.3 for label in labels))
    ax = ax or plt.subplots(figsize=(6.4, row * len(scales) + 1), layout="constrained")[1]
    some = [effect.shown for found in scales.values() for effect in found.values() if effect.shown.n]
    low, high = _limits([(one.mean, *((one.low, one.high) if one.n > 1 else ())) for one in some])
    for place, found in enumerate(scales.values()):
        for method, effect in found.items():
            if effect.shown.n == 0:
                continue
            y = place + (methods.index(method) - (len(methods) - 1) / 2) * between / row
            _estimate(ax, effect.shown, y, style(method), (low, high))
        if place:
            ax.axhline(place - 0.5, color="#D9D9D9", linewidth=0.8)
    ax.axvline(0, color="black", linewidth=0.8)
    described = next(effect for found in scales.values() for effect in found.values()).described
    better = {-1: "\n← better", 0: "", 1: "\nbetter →"}[described.better]
    unit = described.label.replace("(%)", "(points)")
    ax.set(xlim=(low, high), ylim=(len(scales) - 0.5, -0.5), xlabel=f"change of {unit}{better}")
    ax.set_yticks(range(len(scales)), labels, fontsize=9)
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", alpha=0.3)
    looks = [style(method) for method in methods]
    names = [Line2D([], [], ls="none", color=look.color, marker=look.marker, label=look.label) for look in looks]
    options = {"ncols": min(4, len(names)), "frameon": False, "columnspacing": 1.0, "handletextpad": 0.2}
    ax.legend(handles=names, loc="lower center", bbox_to_anchor=(0.5, 1.0), **options)
    return ax


def against(table: "DataFrame", column: str, quantity: str, none: str = "none", ax: Axes | None = None) -> Axes:
    """Mean and 95 % interval over seeds of a quantity, for each method at each value that a study's grid has.

    table: of records.study_table.  column: what the grid varies; values stand side by side, equally far apart.
    none: what the value None is called, which stands last.
    """
    from softlab.quantities import QUANTITIES

    ax = ax or plt.subplots(figsize=(5, 3.4), layout="constrained")[1]
    described = QUANTITIES[quantity]
    points: list[float | None] = sorted(table[column].dropna().unique())
    points += [None] * bool(table[column].isna().any())
    methods = list(dict.fromkeys(table["method"]))
    for index, method in enumerate(methods):
        look, rows = style(method), table.loc[(table["method"] == method) & np.isfinite(table[quantity])]
        given = [rows.loc[rows[column].isna() if one is None else rows[column] == one, quantity] for one in points]
        found = {place: t_interval(some).scaled(described.factor) for place, some in enumerate(given) if len(some)}
        x = [place + 0.09 * (index - (len(methods) - 1) / 2) for place in found]
        half = [one.half_width if one.n > 1 else 0 for one in found.values()]
        marker = {"color": look.color, "marker": look.marker, "ms": 5, "capsize": 2, "lw": 1, "label": look.label}
        ax.errorbar(x, [one.mean for one in found.values()], half, **marker)
    ax.set_xticks(range(len(points)), [none if point is None else f"{point:g}" for point in points])
    ax.set(ylabel=described.label)
    ax.grid(axis="y", alpha=0.3)
    return ax


def confidence_shifts(scales: "Mapping[str, Mapping[str, Shift]]", doses: "Mapping[float, Shift]") -> Figure:
    """What a method takes off the confidence gap against what ECE does, and beside it what no identity decides.

    scales: what one is called -> method -> effects.Shift, this build first, with larger markers; open: one network.
    doses: of label smoothing, by α.  Points lie on the line but for the rest. Where what is taken off is not certainly
    above zero, its ratios mean nothing and only stand beside.
    """
    figure = plt.figure(figsize=(8.6, 4.3), layout="constrained")
    line, *parts = (figure.add_subplot(place) for place in figure.add_gridspec(1, 4, width_ratios=[3.3, 1.3, 1.3, 1.3]))
    smoothing = style("label_smoothing")
    rows: dict[str, list[tuple[Shift, Style, float]]] = {}
    for place, found in enumerate(scales.values()):
        for method, one in found.items():
            rows.setdefault(style(method).label, []).append((one, style(method), 5 if place else 7))
    if doses:
        dot = replace(smoothing, marker=".")
        rows[f"{smoothing.label},\nsmall to large α"] = [(one, dot, 6) for one in doses.values()]
    points = [point for row in rows.values() for point in row]
    _shift_line(line, [point for point in points if _is_taken(point[0])])
    for alpha, one in doses.items():
        if _is_taken(one) and one.start.mean < line.get_xlim()[1]:
            aside = (7, 5) if one.change.mean > -0.5 else (-12, -16)
            place = {"xytext": aside, "textcoords": "offset points", "fontsize": 8, "color": smoothing.color}
            line.annotate(f"α = {alpha:g}", (one.start.mean, one.change.mean), **place)
    shown = {"Δ (points)": ("taken", 100), "rest (points)": ("rest", 100), "NLL at T": ("score", 1)}
    for ax, (label, (part, factor)) in zip(parts, shown.items(), strict=True):
        for place, row in enumerate(rows.values()):
            for number, (one, look, size) in enumerate(row):
                y = place + 0.8 * ((number + 0.5) / len(row) - 0.5)
                _estimate(ax, getattr(one, part).scaled(factor), y, look, (-math.inf, math.inf), size)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(xlabel=label, ylim=(len(rows) - 0.5, -0.5), yticks=[])
        ax.xaxis.set_major_locator(MaxNLocator(2))
        ax.grid(axis="x", alpha=0.3)
    widest = max([5.0, *(abs(100 * one.rest.mean) for one, *_ in points)])
    parts[1].set(xlim=(-widest, widest))
    parts[1].set_title("changes that could have come out otherwise", fontsize=10)
    parts[0].set_yticks(range(len(rows)), list(rows), fontsize=9)
    return figure


def _shift_line(ax: Axes, points: "Sequence[tuple[Shift, Style, float]]") -> None:
    """Change against start over |x - 1| - |x|; what lies further right is an arrow at the edge."""
    low, high = max(-1.0, min([0.0, *(one.start.mean for one, *_ in points)])), 2.8
    x = np.array([low, 0, 1, high])
    ax.plot(x, abs(x - 1) - abs(x), color="#BDBDBD", linewidth=4, zorder=1)
    ax.axhspan(0, 1.2, color="#F3F3F3", linewidth=0, zorder=0)
    ax.axhline(0, color="black", linewidth=0.8)
    for one, look, size in points:
        if one.start.mean < high:
            _estimate(ax, one.start, one.change.mean, look, (low, high), size, one.change)
        else:
            ax.plot(high, one.change.mean, color=look.color, marker=5, ms=6, clip_on=False)
    ax.set(xlim=(low, high), ylim=(-1.2, 1.1), ylabel="change of ECE / Δ")
    ax.set(xlabel="g / Δ: overconfidence of the baseline,\nin units of what the method takes off")
    for y, text in ((1, "ECE rises "), (-0.04, "ECE falls ")):
        ax.text(high, y, text, ha="right", va="top")


def _is_taken(one: "Shift") -> bool:
    """Is Δ above zero, so that it can be divided by?"""
    return one.taken.low > 0 or (one.taken.n == 1 and one.taken.mean > 0)


def specification(
    definitions: "Mapping[str, Sequence[Effects]]",
    moves: Mapping[str, Mapping[str, float]],
    methods: Sequence[str],
    label: str,
) -> Figure:
    """What methods do to several definitions of one thing: a panel for each method, a row for each definition.

    definitions: what one is called -> effects, one for each scale, from top to bottom in its row.  moves: by definition
    and method, how far it can be moved without changing any network, in the units of its lens: a grey bar.  Pale:
    effects that are no larger.  The last definition stands in front, on a coloured band.  label: of all x axes.
    """
    between = 0.11  # scales, in inches
    row = between * max(len(found) for found in definitions.values()) + 0.14
    size = (1.3 + 1.8 * len(methods), row * len(definitions) + 1)
    figure, axes = plt.subplots(1, len(methods), figsize=size, sharey=True, squeeze=False, layout="constrained")
    all_effects = [
        one[name].shown for found in definitions.values() for one in found for name in methods if name in one
    ]
    ends = [(one.mean, *((one.low, one.high) if one.n > 1 else ())) for one in all_effects if one.n]
    limits = _limits(ends, times=0.4)
    for ax, method in zip(axes[0], methods, strict=True):
        look = style(method)
        ax.axhspan(len(definitions) - 1.5, len(definitions) - 0.5, color="#FFF3B0", linewidth=0)
        for place, (name, found) in enumerate(definitions.items()):
            reach = moves[name][method] * found[0][method].described.factor
            ax.barh(place, 2 * reach, 0.86, -reach, color="#E4E4E4", linewidth=0)
            known = [one[method].shown for one in found if method in one and one[method].shown.n]
            for number, one in enumerate(known):
                y = place + (number - (len(known) - 1) / 2) * between / row
                weak = abs(one.mean) <= reach
                _estimate(ax, one, y, replace(look, color=_pale(look.color)) if weak else look, limits)
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set(title=look.label, xlim=limits, ylim=(len(definitions) - 0.5, -0.5))
        ax.xaxis.set_major_locator(MaxNLocator(3, steps=[1, 2, 5, 10]))
        ax.tick_params(axis="y", length=0)
        ax.grid(axis="x", alpha=0.3)
    axes[0, 0].set_yticks(range(len(definitions)), definitions)
    axes[0, 0].get_yticklabels()[-1].set_fontweight("bold")
    figure.supxlabel(label, fontsize=10)
    return figure


def ways(
    parts: "Mapping[str, Mapping[str, DataFrame]]", halves: Mapping[str, Mapping[str, Mapping[int, float]]]
) -> Figure:
    """How two things come along on their way, a panel for each method: means over seeds.

    parts: what one is called -> method -> share of the way, (epochs, seeds); the first in full lines, the second in
    dashed ones.  halves: the same -> method -> {seed: epoch at which half is reached}; a marker with its interval
    just above the line at one half, for the second an open one just below.
    """
    methods = list(next(iter(parts.values())))
    size = (0.8 + 2.1 * len(methods), 2.9)
    figure, axes = plt.subplots(1, len(methods), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, method in zip(axes[0], methods, strict=True):
        look = style(method)
        ax.axhline(0.5, color="black", linewidth=0.8)
        looks = (("-", "full", 0.56), ("--", "none", 0.44))
        for (name, by_method), (line, fill, y) in zip(parts.items(), looks, strict=True):
            share = by_method[method].mean(axis=1)
            ax.plot(share.index, share, line, color=look.color, alpha=0.6, label=name)
            half = t_interval(list(halves[name][method].values()))
            error = half.half_width if half.n > 1 else None
            marker = {"marker": look.marker, "ms": 6, "fillstyle": fill, "capsize": 3}
            ax.errorbar(half.mean, y, xerr=error, color=look.color, zorder=3, **marker)
        ax.set(title=look.label, xlabel="epoch", ylim=(-0.6, 1.2))
        ax.legend(loc="lower right", frameon=False, fontsize=8)
    axes[0, 0].set_ylabel("share of the way")
    return figure


def _pale(color: str) -> str:
    """A colour half way to white."""
    red, green, blue = to_rgb(color)
    return to_hex(((1 + red) / 2, (1 + green) / 2, (1 + blue) / 2))


def _scale_label(label: str, found: "Effects") -> str:
    """In lines that fit beside the axes, the last of which says how many networks there are of a method."""
    seeds = max(effect.shown.n for effect in found.values())
    short = textwrap.wrap(label.replace(" training images", " images"), 26)
    return "\n".join([*short, f"{seeds} seeds" if seeds > 1 else "one seed"])


def _estimate(
    ax: Axes,
    shown: Interval,
    y: float,
    look: Style,
    limits: tuple[float, float],
    size: float = 5,
    upright: Interval | None = None,
) -> None:
    """A marker with its interval, and arrows where that goes on beyond the limits; an open one for one network.

    upright: an interval along y, too.
    """
    marker = {"color": look.color, "marker": look.marker, "ms": size, "ls": "none"}
    if shown.n == 1:
        ax.plot(shown.mean, y, fillstyle="none", **marker)
        return
    across = None if upright is None else upright.half_width
    ax.errorbar(shown.mean, y, xerr=shown.half_width, yerr=across, capsize=0.6 * size, **marker)
    low, high = limits
    for edge, arrow, beyond in ((low, 4, shown.low < low), (high, 5, shown.high > high)):  # matplotlib's carets
        if beyond:
            ax.plot(edge, y, color=look.color, marker=arrow, ms=6, clip_on=False)


def _limits(values: Sequence[tuple[float, ...]], times: float = 1) -> tuple[float, float]:
    """Of an axis that shows zero and all means, and of their intervals what is not further out than `times` as much.

    values: (mean,) or (mean, low, high).
    """
    least, most = (of(0.0, *(one[0] for one in values)) for of in (min, max))
    room = times * (most - least or 1)
    ends = [end for one in values for end in one]
    low, high = max(min(0.0, *ends), least - room), min(max(0.0, *ends), most + room)
    margin = 0.04 * (high - low)
    return low - margin, high + margin


def dots(
    x: Values, y: Values, labels: Sequence[str], factors: Sequence[float] = (1, 1), ax: Axes | None = None
) -> Axes:
    """One dot for each network: x against y. x, y: method -> {seed: value}.  labels, factors: of x and of y."""
    ax = ax or plt.subplots(figsize=(4, 3.4), layout="constrained")[1]
    for method in [name for name in x if name in y]:
        both, look = [seed for seed in x[method] if seed in y[method]], style(method)
        across, up = ([side[method][seed] * by for seed in both] for side, by in zip((x, y), factors, strict=True))
        ax.scatter(across, up, 30, look.color, marker=look.marker, alpha=0.8, label=look.label)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.grid(alpha=0.3)
    return ax
