"""What attacks do: over sizes of data and lengths of training, step by step, and in the space of features."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from softlab.figures.style import class_colors, markers, style
from softlab.studies.intervals import Interval, Intervals

Curves = Mapping[str, Mapping[str, Sequence[float]]]  # of what -> method -> numbers


def maps(panels: Mapping[str, Mapping[tuple[int, int], Interval]], label: str) -> Figure:
    """What two things decide together: a panel for each of `panels`, a cell for each pair of sizes.

    panels: what one is called -> {(across, up): interval}, in percent; the first by itself, in grey, the others as
    changes, in colours that they share, blue for a gain.  Bold: an interval that does not contain zero.  label: of the
    two axes, a line each.
    """
    across, up = ([*dict.fromkeys(sorted(key[i] for one in panels.values() for key in one))] for i in (0, 1))
    rows = -(-len(panels) // 2)
    size = (max(6.4, 1.2 + 1.4 * len(across)), 0.6 + rows * (0.4 + 0.45 * len(up)))
    figure, axes = plt.subplots(rows, 2, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")
    (first_name, levels), *others = panels.items()
    changes = [abs(one.mean) for _, cells in others for one in cells.values()]
    widest = min(25.0, max([10.0, *changes]))  # one cell must not make the others pale
    for ax in axes.flat[len(panels) :]:
        ax.set_visible(False)
    _colours(axes.flat[0], levels, across, up, "Greys", (0, 100))
    for (x, y), one in levels.items():
        _number(axes.flat[0], across.index(x), up.index(y), f"{one.mean:z.0f}", dark=one.mean > 55)
    axes.flat[0].set_title(first_name, fontsize=10)
    for ax, (name, cells) in zip(axes.flat[1:], others, strict=False):
        _colours(ax, cells, across, up, "RdBu", (-widest, widest))
        for (x, y), one in cells.items():
            dark = abs(one.mean) > 0.6 * widest
            sure = one.n > 1 and one.side() != 0
            _number(ax, across.index(x), up.index(y), f"{one.mean:+z.0f}", dark=dark, bold=sure)
        ax.set_title(name, fontsize=10)
    axes[0, 0].set_xticks(range(len(across)), [f"{one:,}" for one in across])
    axes[0, 0].set_yticks(range(len(up)), [f"{one:,}" for one in up])
    first, second = label.split("\n")
    figure.supxlabel(first, fontsize=10)
    figure.supylabel(second, fontsize=10)
    return figure


def _colours(
    ax: Axes,
    cells: Mapping[tuple[int, int], Interval],
    across: Sequence[int],
    up: Sequence[int],
    cmap: str,
    limits: tuple[float, float],
) -> None:
    """A coloured cell for each pair of sizes; none where there is no interval."""
    values = np.full((len(up), len(across)), np.nan)
    for (x, y), one in cells.items():
        values[up.index(y), across.index(x)] = one.mean
    ax.imshow(values, origin="lower", aspect="auto", cmap=cmap, vmin=limits[0], vmax=limits[1])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def _number(ax: Axes, x: int, y: int, text: str, *, dark: bool, bold: bool = False) -> None:
    """What stands in a cell. dark: it is, so that the text is white."""
    color = "white" if dark else "black"
    ax.text(x, y, text, ha="center", va="center", color=color, fontweight="bold" if bold else "normal", fontsize=9)


def over_passes(panels: Mapping[str, Mapping[tuple[int, int], Interval]], batch: int, label: str) -> Figure:
    """Accuracy under attack, or its change, against how often an image was seen: a panel a method, a line a data size.

    panels: method -> {(training images, steps): interval}.  batch: images a step.
    """
    sizes = sorted({images for cells in panels.values() for images, _ in cells})
    colors = dict(zip(sizes, colormaps["viridis_r"](np.linspace(0.15, 1, len(sizes))), strict=True))
    look = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(1, len(panels), figsize=(8.6, 3.3), **look)
    for ax, (method, cells) in zip(axes.flat, panels.items(), strict=True):
        for size, color in colors.items():
            line = [(batch * steps / size, one) for (images, steps), one in sorted(cells.items()) if images == size]
            ax.plot([at for at, _ in line], [one.mean for _, one in line], color=color, lw=1)
            for at, one in line:
                ax.errorbar(at, one.mean, one.half_width, color=color, marker="o", ms=5, lw=0.8, ls="none")
        ax.axhline(0, color="black", lw=0.8)
        ax.set(xscale="log")
        ax.set_title(style(method).label, fontsize=10)
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel(label)
    figure.supxlabel("passes over the data", fontsize=10)
    lines = [Line2D([], [], color=color, marker="o", label=f"{size:,}") for size, color in colors.items()]
    figure.legend(handles=lines, title="training images", loc="outside upper center", ncols=len(sizes), frameon=False)
    return figure


def attack_steps(walks: Sequence[int], rising: Curves, beside: Curves) -> Figure:
    """Accuracy under attack against its steps, a line a method and loss; beside it two attacks, a dot a network.

    rising: loss -> method -> accuracy (%) after each number of steps; the first loss dotted.  beside: attack -> method
    -> accuracy (%) of each network; the first attack with open markers. Both panels have one scale.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), width_ratios=[1.2, 1], layout="constrained")
    for found, dash in zip(rising.values(), (":", "-"), strict=True):
        for method, values in found.items():
            look = style(method)
            left.plot(walks, values, ls=dash, color=look.color, marker=look.marker, ms=4)
    top = 5 + max(one for found in (rising, beside) for of in found.values() for some in of.values() for one in some)
    left.set(xscale="log", ylim=(0, top), xlabel="steps of PGD", ylabel="accuracy under attack (%)")
    left.set_xticks(walks, [str(count) for count in walks])
    left.set_xticks([], minor=True)
    lines = [Line2D([], [], color="#7F7F7F", ls=dash, label=loss) for loss, dash in zip(rising, ":-", strict=True)]
    left.legend(handles=[*markers(next(iter(rising.values()))), *lines], frameon=False, fontsize=8, ncols=2)
    methods = list(dict.fromkeys(method for found in beside.values() for method in found))
    for number, (found, fill) in enumerate(zip(beside.values(), ("none", "full"), strict=True)):
        for row, method in enumerate(methods):
            look = {"color": style(method).color, "marker": style(method).marker, "fillstyle": fill, "ls": "none"}
            right.plot(found[method], [row + 0.3 * (number - 0.5)] * len(found[method]), ms=7, **look)
    right.set_yticks(range(len(methods)), [style(method).label for method in methods])
    right.set(xlim=(0, top), ylim=(max(len(methods), 1) - 0.5, -0.5), xlabel="accuracy under attack (%)")
    kinds = [
        Line2D([], [], ls="none", marker="o", color="#7F7F7F", fillstyle=fill, label=name)
        for name, fill in zip(beside, ("none", "full"), strict=True)
    ]
    right.legend(handles=kinds, frameon=False, fontsize=8, loc="lower left")
    for ax in (left, right):
        ax.grid(alpha=0.3)
    return figure


def angles(displacement: Intervals, margin: Intervals, ranks: Mapping[str, Mapping[str, float]]) -> Figure:
    """Margin against displacement, a point a method over lines of equal ratio; beside it rank correlations.

    displacement, margin: of the logarithm of angles, drawn in degrees.  ranks: of what -> method -> correlation.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), width_ratios=[1.1, 1], layout="constrained")
    displacement, margin = ({name: _degrees(one) for name, one in some.items()} for some in (displacement, margin))
    ends = [[end for one in some.values() for end in (one.low, one.high)] for some in (displacement, margin)]
    (low, high), (least, most) = ((0.93 * min(some), 1.07 * max(some)) for some in ends)
    x = np.array([low, high])
    for ratio in np.geomspace(least / high, most / low, 9):
        left.plot(x, ratio * x, color="#D9D9D9", lw=0.8, zorder=0)
    left.set(xscale="log", yscale="log", xlim=(low, high), ylim=(least, most))
    for method, one in displacement.items():
        up = margin[method]
        look = style(method)
        right_left, up_down = ([[it.mean - it.low], [it.high - it.mean]] for it in (one, up))
        left.errorbar(one.mean, up.mean, up_down, right_left, color=look.color, marker=look.marker, ms=7, capsize=3)
    for axis in (left.xaxis, left.yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter("{x:g}")
    left.tick_params(which="both", labelsize=8)
    left.set(xlabel="displacement δ (degrees)", ylabel="margin θ (degrees)")
    figure.legend(handles=markers(displacement), loc="outside upper center", ncols=len(displacement), frameon=False)
    for row, by_method in enumerate(ranks.values()):
        for place, (method, value) in enumerate(by_method.items()):
            y = row + 0.14 * (place - (len(by_method) - 1) / 2)
            right.plot(value, y, color=style(method).color, marker=style(method).marker, ms=6)
    right.set_yticks(range(len(ranks)), list(ranks))
    right.set(ylim=(len(ranks) - 0.5, -0.5), xlabel="rank correlation with the smallest radius", xlim=(None, 1.02))
    right.grid(axis="x", alpha=0.3)
    return figure


def turned(weight: np.ndarray, start: np.ndarray, end: np.ndarray, boundary: float) -> Axes:
    """A feature in a plane before and after an attack, and the angles that count.

    weight: (K, 2), of a head without bias.  start, end: (2,).  boundary: the direction of the nearest one, in radians.
    """
    _, ax = plt.subplots(figsize=(3.8, 3.4), layout="constrained")
    size = 1.25 * float(np.linalg.norm(start))
    grid = np.stack(np.meshgrid(*2 * [np.linspace(-0.15 * size, size, 200)]), 2)
    box = (-0.15 * size, size, -0.15 * size, size)
    ax.imshow((grid @ np.asarray(weight).T).argmax(2), origin="lower", extent=box, cmap="Pastel1")
    for point, name in ((start, "f"), (end, "f, attacked")):
        tip = float(point[0]), float(point[1])
        ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "->"})
        ax.annotate(name, tip, (3, 3), textcoords="offset points")
    first, last = (float(np.arctan2(point[1], point[0])) for point in (start, end))
    for stop, radius, sign in ((last, 0.35 * size, "δ"), (boundary, 0.58 * size, "θ")):
        arc = np.linspace(first, stop, 30)
        ax.plot(radius * np.cos(arc), radius * np.sin(arc), color="black", lw=2)
        ax.annotate(sign, (radius * np.cos(first), radius * np.sin(first)), (2, -12), textcoords="offset points")
    ax.set(xticks=[], yticks=[])
    return ax


def _degrees(log: Interval) -> Interval:
    """Of the logarithm of an angle."""
    mean, low, high = (float(np.degrees(np.exp(one))) for one in (log.mean, log.low, log.high))
    return Interval(mean, low, high, log.n)


@dataclass(frozen=True)
class Way:
    """The way of one feature under attack, in a plane where it starts at 0 and the boundary to its goal is at 1 across.

    image: (C, H, W) in [0, 1], attacked.  reached: the class it is taken for then.  path: (steps + 1, 2).
    inward: (2,), where the origin is, seen from the start.  classes: (H, W), of the points of the box (left,
    right, low, high), the lowest row first.
    """

    image: np.ndarray
    reached: int
    path: np.ndarray
    inward: np.ndarray
    classes: np.ndarray
    box: tuple[float, float, float, float]


def ways_under_attack(walks: Mapping[str, Way], classes: Sequence[str], truth: int) -> Figure:
    """One image on its way under attack: the attacked image, and its feature in a plane, a column for each method.

    walks: method -> Way.  Colours: the class that the plane's points get; dotted: where the feature starts and, at one,
    the boundary to the class that the attack reached.
    """
    shown = sorted({int(one) for way in walks.values() for one in np.unique(way.classes)})
    palette = class_colors(len(classes))
    look = {"figsize": (0.9 + 2 * len(walks), 5.4), "height_ratios": [1, 1.5], "layout": "constrained"}
    figure, axes = plt.subplots(2, len(walks), squeeze=False, **look)
    for (above, below), (method, way) in zip(axes.T, walks.items(), strict=True):
        above.imshow(np.moveaxis(np.asarray(way.image), 0, -1), cmap="gray_r", vmin=0, vmax=1)
        above.set(xticks=[], yticks=[])
        above.spines[:].set_visible(False)
        above.set_title(f"{style(method).label}\n{classes[truth]} → {classes[way.reached]}", fontsize=9)
        options = {"origin": "lower", "extent": way.box, "cmap": palette, "alpha": 0.35, "aspect": "equal"}
        below.imshow(way.classes, vmin=0, vmax=len(classes) - 1, **options)
        below.plot(*way.path.T, color="black", marker=".", ms=4, lw=1)
        below.plot(*way.path[0], "o", color="black", ms=6)
        look = {"arrowstyle": "->", "color": "#D55E00", "lw": 1.8}
        below.annotate("", way.inward / np.linalg.norm(way.inward), (0, 0), arrowprops=look)
        below.axvline(1, color="black", ls=":", lw=0.8)
        below.set(xlim=way.box[:2], ylim=way.box[2:], xlabel="across")
    axes[1, 0].set_ylabel("aside")
    colors = [Patch(color=palette(index), alpha=0.35, label=classes[index]) for index in shown]
    figure.legend(handles=colors, loc="outside lower center", ncols=min(5, len(colors)), frameon=False, fontsize=9)
    return figure
