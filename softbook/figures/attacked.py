"""What attacks do: over sizes of data and lengths of training, step by step, and in the space of features."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from softlab.comparison.intervals import Interval
from softlab.figures.style import markers, style

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
