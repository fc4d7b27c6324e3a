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

from softlab.comparison.intervals import Interval
from softlab.figures.style import class_colors, markers, style

Curves = Mapping[str, Mapping[str, Sequence[float]]]  # of what -> method -> numbers


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
            line = [(batch * steps / size, cells[images, steps]) for images, steps in sorted(cells) if images == size]
            ax.plot([passes for passes, _ in line], [interval.mean for _, interval in line], color=color, lw=1)
            for passes, interval in line:
                half = interval.half_width
                ax.errorbar(passes, interval.mean, half, color=color, marker="o", ms=5, lw=0.8, ls="none")
        ax.axhline(0, color="black", lw=0.8)
        ax.set(xscale="log")
        ax.set_title(style(method).label, fontsize=10)
        ax.grid(alpha=0.3)
    axes[0, 0].set_ylabel(label)
    figure.supxlabel("passes over the data", fontsize=10)
    lines = [Line2D([], [], color=color, marker="o", label=f"{size:,}") for size, color in colors.items()]
    figure.legend(handles=lines, title="training images", loc="outside upper center", ncols=len(sizes), frameon=False)
    return figure


def over_radii(panels: Curves, radii: Sequence[float], label: str, columns: int = 3) -> Figure:
    """A line for each method against the radius of an attack, a panel for each setting, with the same axes.

    panels: setting -> method -> a number at each radius.  radii: in 255ths.
    """
    lines = -(-len(panels) // columns)
    look = {"sharex": True, "sharey": True, "squeeze": False, "layout": "constrained"}
    figure, axes = plt.subplots(lines, columns, figsize=(8.6, 2.0 * lines + 0.8), **look)
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, by_method) in zip(axes.flat, panels.items(), strict=False):
        for method, values in by_method.items():
            ax.plot(radii, values, style(method).marker, ls="-", lw=1.2, ms=5, color=style(method).color)
        ax.set_title(title, fontsize=10)
        ax.set_xscale("log", base=2)
        ax.set_xticks(radii, [f"{radius:g}/255" for radius in radii], fontsize=9)
        ax.grid(alpha=0.3)
    figure.supylabel(label, fontsize=10)
    methods = list(dict.fromkeys(method for by_method in panels.values() for method in by_method))
    figure.legend(handles=markers(methods), loc="outside upper center", ncols=len(methods), frameon=False)
    return figure


def led_astray(lines: Mapping[str, Sequence[tuple[float, float]]], own: int) -> Axes:
    """What a weak attack alone leaves, against the runner-up's share of the wrong probability: a line for each method.

    lines: method -> (share, left), both in %, from quiet logits to loud ones.  own: the position of the network's own
    pair, which gets a large marker.
    """
    _, ax = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    for method, pairs in lines.items():
        look = style(method)
        ax.plot(*zip(*pairs, strict=True), look.marker, ls="-", lw=1.2, ms=5, mfc="white", color=look.color)
        ax.plot(*pairs[own], look.marker, ms=9, color=look.color)
    ax.set(xlabel="runner-up's share of the wrong probability (%)", ylabel="left by seven steps only (%)")
    ax.set_ylim(bottom=0)
    ax.legend(handles=markers([*lines]), frameon=False)
    ax.grid(alpha=0.3)
    return ax


def attack_steps(walks: Sequence[int], rising: Curves, beside: Curves) -> Figure:
    """Accuracy under attack against its steps, a line a method and loss; beside it two attacks, a dot a network.

    rising: loss -> method -> accuracy (%) after each number of steps; the first loss dotted.  beside: attack -> method
    -> accuracy (%) of each network; the first attack with open markers. Both panels have one scale.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), width_ratios=[1.2, 1], layout="constrained")
    for by_method, dash in zip(rising.values(), (":", "-"), strict=True):
        for method, values in by_method.items():
            look = style(method)
            left.plot(walks, values, ls=dash, color=look.color, marker=look.marker, ms=4)
    lists = [values for panel in (rising, beside) for by_method in panel.values() for values in by_method.values()]
    top = 5 + max(share for values in lists for share in values)
    left.set(xscale="log", ylim=(0, top), xlabel="steps of PGD", ylabel="accuracy under attack (%)")
    left.set_xticks(walks, [str(count) for count in walks])
    left.set_xticks([], minor=True)
    lines = [Line2D([], [], color="#7F7F7F", ls=dash, label=loss) for loss, dash in zip(rising, ":-", strict=True)]
    left.legend(handles=[*markers(next(iter(rising.values()))), *lines], frameon=False, fontsize=8, ncols=2)
    methods = list(dict.fromkeys(method for by_method in beside.values() for method in by_method))
    for number, (by_method, fill) in enumerate(zip(beside.values(), ("none", "full"), strict=True)):
        for row, method in enumerate(methods):
            look = {"color": style(method).color, "marker": style(method).marker, "fillstyle": fill, "ls": "none"}
            networks = by_method[method]
            right.plot(networks, [row + 0.3 * (number - 0.5)] * len(networks), ms=7, **look)
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


@dataclass(frozen=True)
class Way:
    """One feature's path under attack, in a plane where it starts at 0 and the boundary to its goal is at x = 1.

    image: (C, H, W) in [0, 1], attacked.  reached: the class that it ends in.  path: (steps + 1, 2).
    inward: (2,), where the origin is, seen from the start.  classes: (H, W), of the points of the box (left, right,
    low, high), the lowest row first.
    """

    image: np.ndarray
    reached: int
    path: np.ndarray
    inward: np.ndarray
    classes: np.ndarray
    box: tuple[float, float, float, float]


def ways_under_attack(walks: Mapping[str, Way], classes: Sequence[str], truth: int) -> Figure:
    """One image under attack: the attacked image, and the path of its feature in a plane, a column for each method.

    walks: method -> Way.  Colours: the class that the plane's points get; dotted: where the feature starts and, at one,
    the boundary to the class that the attack reached.
    """
    shown = sorted({int(label) for way in walks.values() for label in np.unique(way.classes)})
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
