"""Draw book/_static/preview.png, the picture that a link to the book is shown with: python tools/make_preview.py

Decision regions of a made-up linear head in two dimensions, cones around its apex, and features that point into them.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch

from softlab import figures

TARGET = Path(__file__).parent.parent / "book" / "_static" / "preview.png"
APEX = torch.tensor([-0.6, -0.4])
EXTENT = 6.0


def main() -> None:
    angles = torch.arange(5) * 2 * torch.pi / 5 + 0.3
    weight = torch.stack([angles.cos(), angles.sin()], 1)
    across = torch.linspace(-EXTENT, EXTENT, 800)
    plane = torch.stack(torch.meshgrid(across, across, indexing="xy"), -1)
    logits = (plane - APEX) @ weight.T

    plt.rcParams["savefig.bbox"] = None
    figure = plt.figure(figsize=(12, 6.3))
    ax = figures.decision_plane(logits.numpy(), EXTENT, figure.add_axes((0, 0, 0.525, 1)), confidence=False)
    generator = np.random.default_rng(0)
    for direction, color in zip(weight, plt.get_cmap("tab10")(range(10)), strict=False):
        features = (APEX + 3.6 * direction).numpy() + 0.55 * generator.normal(size=(60, 2))
        ax.scatter(*features.T, s=36, color=color, linewidth=0)
    ax.scatter(*APEX, s=160, color="white", edgecolor="black", linewidth=2, zorder=3)
    ax.set_axis_off()
    figure.text(0.56, 0.64, "Soft labels and\nthe space of features", fontsize=30, weight="bold", va="center")
    subtitle = "An executable book on what\nlabel smoothing, Mixup, CutMix\nand MaxSup change"
    figure.text(0.56, 0.38, subtitle, fontsize=20, va="center")
    figure.savefig(TARGET, dpi=100)


if __name__ == "__main__":
    main()
