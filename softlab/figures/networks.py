"""What one network does: its regions, its reliability, its training."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from softlab.comparison.intervals import Values
from softlab.figures.style import class_colors, style

if TYPE_CHECKING:
    from softlab.lenses.calibration import Reliability


def decision_plane(logits: np.ndarray, extent: float, ax: Axes | None = None, confidence: bool = True) -> Axes:
    """Regions of a plane by predicted class (colours), and contours of the largest probability.

    logits: (H, W, K) on [-extent, extent]², row 0 the lowest (geometry.plane_logits).
    """
    ax = ax or plt.subplots(figsize=(4.2, 4.2), layout="constrained")[1]
    logits = np.asarray(logits)
    shown = class_colors(logits.shape[-1])
    box = (-extent, extent, -extent, extent)
    ax.imshow(logits.argmax(-1), origin="lower", extent=box, cmap=shown, vmin=0, vmax=logits.shape[-1] - 1, alpha=0.35)
    if confidence:
        top = logits.max(-1, keepdims=True)
        largest = 1 / np.exp(logits - top).sum(-1)
        lines = ax.contour(largest, [0.5, 0.9, 0.99], origin="lower", extent=box, colors="black", linewidths=0.7)
        ax.clabel(lines, fontsize=7)
    ax.set(xlim=(-extent, extent), ylim=(-extent, extent))
    return ax


def reliability(curve: "Reliability", method: str, ax: Axes | None = None) -> Axes:
    """Accuracy against confidence, bin by bin, over grey bars for the share of samples in each; diagonal: calibrated.

    curve: calibration.Reliability.  Bins without samples are not drawn.
    """
    ax = ax or plt.subplots(figsize=(3, 3), layout="constrained")[1]
    some = (curve.count > 0).numpy()
    look = style(method)
    x = curve.confidence.numpy()[some]
    y = curve.accuracy.numpy()[some]
    low, high = (one.numpy()[some] for one in curve.accuracy_interval())
    width = 1 / len(some)
    share = (curve.count / curve.count.sum()).numpy()
    ax.bar((np.arange(len(some)) + 0.5) * width, share, width, color="#D9D9D9", edgecolor="white", linewidth=0.5)
    ax.plot([0, 1], [0, 1], color="black", linewidth=0.8)
    ax.errorbar(x, y, yerr=[y - low, high - y], color=look.color, marker=look.marker, ms=4, linewidth=1, capsize=2)
    ax.set(title=look.label, xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    return ax


def reliabilities(curves: "Mapping[str, Reliability]") -> Figure:
    """`reliability` side by side, with its error above. curves: method -> calibration.Reliability."""
    size = (2.1 * len(curves), 2.9)
    figure, axes = plt.subplots(1, len(curves), figsize=size, sharey=True, squeeze=False, layout="constrained")
    for ax, (method, curve) in zip(axes[0], curves.items(), strict=True):
        reliability(curve, method, ax)
        ax.set(title=f"{style(method).label}\nECE {100 * curve.error:.1f} %", ylabel="")
    axes[0, 0].set_ylabel("share right")
    return figure


def dots(x: Values, y: Values, labels: Sequence[str], ax: Axes | None = None) -> Axes:
    """One dot for each network: x against y. x, y: method -> {seed: value}.  labels: of x and of y."""
    ax = ax or plt.subplots(figsize=(4, 3.4), layout="constrained")[1]
    for method in [name for name in x if name in y]:
        both = [seed for seed in x[method] if seed in y[method]]
        look = style(method)
        across, up = ([side[method][seed] for seed in both] for side in (x, y))
        ax.scatter(across, up, 30, look.color, marker=look.marker, alpha=0.8, label=look.label)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    ax.grid(alpha=0.3)
    return ax
