"""Margin over slope: where methods lie relative to plain training, the estimate from it, and where that fails."""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from softlab.comparison.intervals import Interval
from softlab.figures.effects import GREY, _limits, estimate, said
from softlab.figures.style import markers, style

if TYPE_CHECKING:
    import pandas

    from softbook.studies.margins import Place

# Factors of margin over slope that may have a line: ten to each factor of ten, as preferred numbers do.
FACTORS = (0.1, 0.125, 0.16, 0.2, 0.25, 0.32, 0.4, 0.5, 0.63, 0.8, 1, 1.25, 1.6, 2, 2.5, 3.2, 4, 5, 6.3, 8, 10)
WIDTH = 4.6  # inches, of every figure here: panels stand above one another, so that a phone shows their letters
SIDE = 3.6  # inches, of a panel
RATIO = "margin/slope, times plain training’s"  # what the lines are labelled with
BETWEEN = 0.5  # inches that two labels of lines lie apart, at least
NEAR = 0.2  # on either axis, in natural logarithms: of two points this close the right one has its name aside
TEXT = {"textcoords": "offset points", "fontsize": 8}
NOTHING = Interval(0.0, 0.0, 0.0, 1)  # no change: every axis shows it
HALOS = ListedColormap(colormaps["RdBu"](np.linspace(0.15, 0.85, 256)))  # not so dark that a marker is lost on it


def slope_plane(places: "Sequence[Place]", ax: Axes) -> Axes:
    """The plane of margin and slope: a marker a method with its name, plain training at the origin.

    places: of margins.places, a handful.  Along a line the ratio is the same; the solid one is plain training's.
    A halo says what an attack does to accuracy: blue is gained, red lost. Intervals end in arrows where they leave.
    """
    across, up = _square([place.slope for place in places], [place.margin for place in places])
    ax.set(xlim=across, ylim=up, aspect="equal", xlabel="change of log slope", ylabel="change of log margin")
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    _lines_of_equal_ratio(ax)
    _halos(ax, [place for place in places if place.attacked.n])
    look = style("baseline")
    ax.plot(0, 0, color=look.color, marker=look.marker, ms=8, ls="none")
    ax.annotate("plain training", (0, 0), (-10, 0), ha="right", va="center", **TEXT)
    for place in places:
        look = style(place.method)
        both = said(place.slope, "log slope"), said(place.margin, "log margin")
        estimate(ax, place.slope, place.margin, look, f"{look.label}: {'; '.join(both)}", 6.0)
        point = place.slope.mean, place.margin.mean
        crowded = any(
            0 < point[0] - other.slope.mean < NEAR and abs(point[1] - other.margin.mean) < NEAR for other in places
        )
        above = {"xytext": (0, 14), "ha": "center"}
        below = {"xytext": (0, -13), "ha": "center", "va": "top"}
        aside = {"xytext": (12, 6), "ha": "left"}
        # On the side of the line on which the marker is, so that no name is written across it.
        where = aside if crowded else above if point[1] > point[0] else below
        ax.annotate(style(place.method).label, point, **where, **TEXT)
    ax.set_title(RATIO, fontsize=8, pad=17)
    return ax


def _halos(ax: Axes, places: "Sequence[Place]") -> None:
    """A disc behind each method: what it changes under attack, in points; the darkest is ten points, or the most."""
    changes = [place.attacked.mean for place in places]
    widest = max([10.0, *map(abs, changes)])
    across = [place.slope.mean for place in places]
    up = [place.margin.mean for place in places]
    look = {"s": 330, "cmap": HALOS, "edgecolors": "#BDBDBD", "linewidths": 0.6, "zorder": 1}
    ax.scatter(across, up, c=changes, norm=Normalize(-widest, widest), **look)


def on_the_plane(networks: Sequence[Mapping], text: str, seed: float, power: float) -> Figure:
    """One network among those of its scene, moved along its line by a temperature of 2 to the `power`.

    networks: {text, scene, method, seeds: {name: (change of log slope, of log margin, of accuracy under attack)}}, as
    the explorable of Robustness has them.  text: of the one that is moved.  seed: its place among `seeds`.
    """
    figure, ax = plt.subplots(figsize=(WIDTH, WIDTH), layout="constrained")
    own = next(network for network in networks if network["text"] == text)
    scene = [network for network in networks if network["scene"] == own["scene"]]
    places = {}
    for network in scene:
        seeds = list(network["seeds"].values())
        places[network["text"]] = seeds[min(int(seed), len(seeds) - 1)]
    slope, margin, attacked = places[text]
    shift = power * math.log(2)
    every = [Interval(place[axis], place[axis], place[axis], 1) for place in places.values() for axis in (0, 1)]
    moved = [Interval(value - shift, value - shift, value - shift, 1) for value in (slope, margin)]
    limits, _ = _square([*every, *moved], [*every, *moved])
    ax.set(xlim=limits, ylim=limits, aspect="equal", xlabel="change of log slope", ylabel="change of log margin")
    _lines_of_equal_ratio(ax)
    look = style("baseline")
    ax.plot(0, 0, color=look.color, marker=look.marker, ms=8, ls="none")
    for network in scene:
        look = style(network["method"])
        chosen = network is own
        across, up, _ = places[network["text"]]
        ax.plot(across, up, color=look.color, marker=look.marker, ms=7, ls="none", alpha=0.45)
        if chosen:
            ax.plot([slope, slope - shift], [margin, margin - shift], color=look.color, lw=1)
            ax.plot(slope - shift, margin - shift, color=look.color, marker=look.marker, ms=11, ls="none")
    ax.set_title(f"{text}: × {math.exp(margin - slope):.2f}, {attacked:+.1f} points under attack", fontsize=9, pad=19)
    named = markers(dict.fromkeys(["baseline", *(network["method"] for network in scene)]))
    ax.legend(handles=named, loc="upper left", fontsize=7.5, framealpha=0.8)
    return figure


def _square(across: Sequence[Interval], up: Sequence[Interval]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits that give both axes the same span; each keeps its middle."""
    limits = [_limits([*values, NOTHING], times=0.25) for values in (across, up)]
    half = 1.05 * max(high - low for low, high in limits) / 2
    (left, right), (below, above) = ((sum(ends) / 2 - half, sum(ends) / 2 + half) for ends in limits)
    return (left, right), (below, above)


def _lines_of_equal_ratio(ax: Axes) -> None:
    """Diagonals, each with its factor where it leaves the axes: above them, or to their right."""
    left, right = ax.get_xlim()
    below, above = ax.get_ylim()
    inch = (right - left) / SIDE
    step = next((step for step in (1, 2, 3, 4, 6) if step * math.log(10) / 10 > BETWEEN * inch), 10)
    for place, factor in enumerate(FACTORS):
        rise = math.log(factor)
        if (place - FACTORS.index(1)) % step or not below - right < rise < above - left:
            continue
        if factor == 1:
            ax.axline((0, rise), slope=1, zorder=0, color="black", ls="-", lw=1)
        else:
            ax.axline((0, rise), slope=1, zorder=0, color=GREY, ls="--", lw=0.8)
        at_top = above - rise <= right
        spot = (above - rise, above) if at_top else (right, right + rise)
        if min(spot[0] - left, spot[1] - below) < 0.2 * inch or (not at_top and above - spot[1] < 0.15 * inch):
            continue  # no room for a label in a corner
        shift = (0, 3) if at_top else (3, 0)
        across = "center" if at_top else "left"
        up = "bottom" if at_top else "center"
        ax.annotate(f"× {factor:g}", spot, shift, textcoords="offset points", fontsize=8.5, ha=across, va=up)


def estimates_by_radius(panels: "Mapping[str, pandas.DataFrame]") -> Figure:
    """What one gradient estimates against what attacks leave, in percent, at several radii: a colour a radius.

    panels: what a setting is called -> units as of margins.every_estimate, a point each.
    """
    radii = list(dict.fromkeys(radius for units in panels.values() for radius in units["radius"]))
    colors = dict(zip(radii, colormaps["viridis"](np.linspace(0, 0.85, len(radii))), strict=True))
    rows = math.ceil(len(panels) / 2)
    size = (WIDTH, rows * WIDTH / 2 + 0.6)
    figure, axes = plt.subplots(rows, 2, figsize=size, sharex=True, sharey=True, squeeze=False, layout="constrained")
    for ax in axes.flat[len(panels) :]:
        ax.remove()
    for ax, (title, units) in zip(axes.flat, panels.items(), strict=False):
        ax.axline((0, 0), slope=1, color="black", lw=1, zorder=0)
        for radius, rows in units.groupby("radius", sort=False):
            ax.plot(rows["estimate"], rows["attacked"], "o", ms=3.5, alpha=0.8, color=colors[str(radius)])
        ax.set(xlim=(-2, 100), ylim=(-2, 100), aspect="equal")
        ax.set_title(title, fontsize=9)
        ax.grid(alpha=0.3)
    figure.supxlabel("estimate (%)", fontsize=10)
    figure.supylabel("under attack (%)", fontsize=10)
    marks = [Line2D([], [], color=color, marker="o", ls="none") for color in colors.values()]
    figure.legend(marks, [*colors], title="radius", loc="outside upper center", ncols=len(colors), frameon=False)
    return figure


def bends(panels: "Mapping[str, pandas.DataFrame]") -> Figure:
    """What an attack leaves of the lead at each radius (solid), and what one gradient predicts (dashed).

    panels: setting -> table as from softbook.studies.bending.recorded, of the methods to draw.
    """
    height = len(panels) * 2.6 + 0.5
    figure, axes = plt.subplots(
        len(panels), 1, figsize=(WIDTH, height), squeeze=False, sharex=True, layout="constrained"
    )
    for ax, (title, table) in zip(axes.flat, panels.items(), strict=True):
        for method, rows in table.groupby("method", sort=False):
            look = style(str(method))
            means: Any = rows.groupby("radius")[["attacked", "straight"]].mean()
            radii = [0.0, *means.index]
            ax.plot(radii, [100, *(100 * means["attacked"])], color=look.color, lw=2, label=look.label)
            ax.plot(radii, [100, *(100 * means["straight"])], color=look.color, lw=1.2, ls="--")
        ax.axhline(0, color="black", lw=0.8)
        ax.set(ylabel="lead that is left (%)")
        ax.set_title(title, fontsize=10)
        ax.grid(alpha=0.3)
    axes[-1, 0].set_xlabel("radius of the attack (255ths)")
    axes[0, 0].legend(frameon=False, fontsize=8.5)
    kinds = [Line2D([], [], color="#7F7F7F", ls=look) for look in ("-", "--")]
    figure.legend(kinds, ["under attack", "by the first gradient"], loc="outside upper center", ncols=2, frameon=False)
    return figure
