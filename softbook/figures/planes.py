"""The plane of three logits, and what a loss does to them there; features of three classes on a plane."""

import math
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from torch import Tensor

from softlab.figures.networks import decision_plane
from softlab.figures.style import style

# Two directions in which three logits can move while their sum stays 0: all that softmax sees.
PLANE = torch.tensor([[1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
PLANE = PLANE / PLANE.norm(dim=1, keepdim=True)
REACH = 4.0  # of the plane, in logits
CLASSES = ("boot", "bag", "coat")  # that three logits are of


def plane_points(size: int, share: float = 1.0) -> Tensor:
    """Points (size², 2) of the plane, or the inner share of it, row by row from below.

    `points @ PLANE` are their logits (size², 3).
    """
    side = share * torch.linspace(-REACH, REACH, size)
    return torch.cartesian_prod(side, side).flip(1)


def force_field(points: Tensor, forces: Tensor, scale: float = 1.0, ax: Axes | None = None) -> Axes:
    """Arrows on the regions of the largest logit of three classes, called as in CLASSES.

    points: (N, 2) of the plane.  forces: (N, 3) on the three logits.  scale: forces of this size are as long as one
    logit.
    """
    ax = ax or plt.subplots(figsize=(3, 3), layout="constrained")[1]
    regions = (plane_points(200) @ PLANE).reshape(200, 200, 3)
    decision_plane(np.asarray(regions), REACH, ax, confidence=False)
    look = {"angles": "xy", "scale_units": "xy", "scale": scale, "width": 0.008}
    ax.quiver(*points.T, *(forces @ PLANE.T).T, pivot="mid", **look)
    for name, (x, y) in zip(CLASSES, (3.0 * PLANE.T / (2 / 3) ** 0.5).tolist(), strict=True):
        box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        ax.text(x, y, name, weight="bold", ha="center", va="center", bbox=box)
    ax.set(xticks=[], yticks=[])
    return ax


def shrunk_along_ray(
    weight: Tensor, bias: Tensor, apex: Tensor, features: Mapping[str, Tensor], by: float, ax: Axes | None = None
) -> Axes:
    """Regions in a plane of two features, and a ray from the origin on which features become `by` times shorter.

    weight: (K, 2).  bias: (K,).  apex: (2,), a star; the origin is a cross.  features: method -> (2,), all on one ray;
    filled before, open after; they should point upwards, where there is most room.
    """
    ax = ax or plt.subplots(figsize=(4, 4), layout="constrained")[1]
    reach = 1.15 * max(float(feature.norm()) for feature in features.values())
    side = torch.linspace(-reach, reach, 300)
    across, up = torch.meshgrid(side, side, indexing="xy")
    logits = torch.stack([across, up], dim=-1) @ weight.T + bias
    decision_plane(np.asarray(logits), reach, ax, confidence=False)
    longest = max(features.values(), key=lambda feature: float(feature.norm()))
    ax.plot(*zip((0.0, 0.0), longest.tolist(), strict=True), color="black", linewidth=0.9, linestyle=":")
    for method, feature in features.items():
        look = {"color": style(method).color, "marker": style(method).marker, "ms": 9, "ls": "none", "mew": 1.6}
        ax.plot(*feature.tolist(), label=style(method).label, **look)
        ax.plot(*(feature / by).tolist(), fillstyle="none", **look)
    ax.plot(0, 0, "k+", ms=13, mew=1.6)
    ax.annotate("origin", (0, 0), (8, -4), textcoords="offset points", fontsize=9)
    ax.plot(*apex.tolist(), "k*", ms=13)
    ax.annotate("apex", (float(apex[0]), float(apex[1])), (-9, -4), textcoords="offset points", fontsize=9, ha="right")
    ax.set(xticks=[], yticks=[], ylim=(-0.45 * reach, 1.04 * reach))
    ax.spines[:].set_visible(False)
    return ax


def needles(to_border: Mapping[str, float], ax: Axes | None = None, turned: Mapping[str, float] | None = None) -> Axes:
    """Directions of the logits of an image of a boot, on the compass of three classes.

    to_border: method -> angle between the logits and the border to bag, in degrees; 60 is the direction of boot. An arc
    for each, its size in the legend; on the other side of the needle, to boot, is what is left of 60 degrees.
    turned: method -> by how many degrees an attack turns that needle towards bag; then the arcs show this, up to a thin
    needle where the attack ends.
    """
    ax = ax or plt.subplots(figsize=(4, 4), layout="constrained")[1]
    side = torch.linspace(-1.2, 1.2, 400)
    across, up = torch.meshgrid(side, side, indexing="xy")
    corners = dict(zip(CLASSES, (90.0, -30.0, 210.0), strict=True))  # degrees; borders lie half-way between two
    norths = torch.deg2rad(torch.tensor([*corners.values()]))
    logits = across[..., None] * norths.cos() + up[..., None] * norths.sin()
    decision_plane(np.asarray(logits), 1.2, ax, confidence=False)
    ax.images[0].set_clip_path(Circle((0, 0), 1, transform=ax.transData))
    for name, angle in corners.items():
        at = np.deg2rad(angle)
        out = 1.1 if name == "boot" else 0.7  # the others have room for their names, without needles
        ax.text(out * np.cos(at), out * np.sin(at), name, weight="bold", ha="center", va="center")
        ax.plot(
            [0, (out - 0.15) * np.cos(at)], [0, (out - 0.15) * np.sin(at)], color="black", linewidth=0.7, linestyle=":"
        )
    border = corners["boot"] - 60
    for place, (method, angle) in enumerate(to_border.items()):
        look = style(method)
        at = np.deg2rad(border + angle)
        end = border if turned is None else border + angle - turned[method]
        tip = np.cos(at), np.sin(at)
        said = f"{angle:.0f}°" if turned is None else f"turned by {turned[method]:.0f}°"
        ax.annotate("", tip, (0, 0), arrowprops={"arrowstyle": "-|>", "color": look.color, "lw": 2, "shrinkB": 0})
        ax.plot(0.95 * tip[0], 0.95 * tip[1], color=look.color, marker=look.marker, label=f"{look.label}, {said}")
        arc = np.deg2rad(np.linspace(end, border + angle, 40))
        radius = 0.62 - 0.2 * place if turned is None else 0.8 - 0.2 * place
        ax.plot(radius * np.cos(arc), radius * np.sin(arc), color=look.color, linewidth=2.5)
        if turned is not None:
            ax.plot([0, np.cos(arc[0])], [0, np.sin(arc[0])], color=look.color, linewidth=1.1, linestyle="--")
            end_at = 0.95 * np.array([np.cos(arc[0]), np.sin(arc[0])])
            ax.plot(*end_at, color=look.color, marker=look.marker, fillstyle="none", ls="none")
    ax.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.2), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def minus_gradient(loss: Callable[[Tensor], Tensor], points: Tensor) -> Tensor:
    """Forces (N, 3) of a loss of logits (N, 3), at points (N, 2) of the plane."""
    logits = (points @ PLANE).requires_grad_()
    return -torch.autograd.grad(loss(logits).sum(), logits)[0]


def projections(
    parts: Mapping[str, Mapping[str, tuple[Tensor, Tensor]]], classes: Mapping[int, str], methods: Sequence[str]
) -> Figure:
    """Points of some classes, a row for each part and a column for each method, all on the same axes.

    parts: name -> method -> points (N, 2) and labels (N,).  classes: label -> name.
    """
    size = {"figsize": (8.4, 2.9 * len(parts)), "sharex": True, "sharey": True, "squeeze": False}
    figure, axes = plt.subplots(len(parts), len(methods), layout="constrained", **size)
    for line, (kind, by_method) in zip(axes, parts.items(), strict=True):
        for ax, method in zip(line, methods, strict=True):
            points, labels = by_method[method]
            for label, name in classes.items():
                look = {"s": 9, "alpha": 0.7, "color": f"C{label}", "label": name}
                ax.scatter(*points[labels == label].T, **look)
            ax.set_aspect("equal", adjustable="box")
        line[0].set_ylabel(kind)
    for ax, method in zip(axes[0], methods, strict=True):
        ax.set_title(style(method).label)
    handles = axes[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(classes), frameon=False)
    return figure


def feature_in_two_views(
    networks: Sequence[Mapping], text: str, read: float = 1, unread: float = 1, turn: float = 0
) -> Figure:
    """A feature of a boot from the side, and the part of it that the head reads from above, among three classes.

    networks: {text, share, cosine}: the share of a feature that the head reads, and the cosine of that part with the
    class's centre, on record.  text: of the one that is shown.  read, unread: by how much its two parts are multiplied.
    turn: by how many degrees more the read part is turned away from its centre.
    """
    own = next(network for network in networks if network["text"] == text)
    across = read * own["share"]
    up = unread * math.sqrt(1 - own["share"] ** 2)
    share = across / math.hypot(across, up)
    angle = math.acos(own["cosine"]) + math.radians(turn)
    figure, (beside, above) = plt.subplots(1, 2, figsize=(7, 3.6), layout="constrained")
    arrow = {"arrowprops": {"arrowstyle": "-|>", "lw": 2, "shrinkB": 0}}
    beside.annotate("", (across, up), (0, 0), **arrow)
    beside.plot([0, across], [0, 0], color="black", lw=4)
    beside.plot([across, across], [0, up], color="black", lw=1, ls=":")
    beside.set(xlim=(0, 1.2), ylim=(-0.03, 1.2), aspect="equal", xlabel="read by the head", ylabel="not read")
    beside.set_title(f"s = {share:.2f}")
    for place, name in enumerate(CLASSES):
        north = place * 2 * math.pi / 3
        above.plot([0, math.sin(north)], [0, math.cos(north)], color="black", lw=0.7)
        border = north + math.pi / 3
        above.plot([0, 1.2 * math.sin(border)], [0, 1.2 * math.cos(border)], color="black", lw=0.7, ls=":")
        above.text(1.1 * math.sin(north), 1.1 * math.cos(north), name, weight="bold", ha="center", va="center")
    above.annotate("", (across * math.sin(angle), across * math.cos(angle)), (0, 0), **arrow)
    above.set(xlim=(-1.2, 1.2), ylim=(-1.2, 1.2), aspect="equal", xticks=[], yticks=[])
    above.set_title(f"v = {math.cos(angle):.2f}, Park’s cosine s · v = {share * math.cos(angle):.2f}")
    return figure
