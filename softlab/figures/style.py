"""How a method looks and is called in the whole book."""

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, ListedColormap
from matplotlib.lines import Line2D


@dataclass(frozen=True)
class Style:
    """The look and the label of a method, throughout the book."""

    label: str
    color: str
    marker: str


# Okabe and Ito's colours, which people with colour-blindness tell apart.
STYLES = {
    "baseline": Style("plain training", "#000000", "o"),
    "label_smoothing": Style("label smoothing", "#0072B2", "s"),
    "mixup": Style("Mixup", "#E69F00", "^"),
    "cutmix": Style("CutMix", "#009E73", "D"),
    "maxsup": Style("MaxSup", "#CC79A7", "v"),
}
# The book's other methods, in the colours and markers that are left. The place decides: as the numbers of the two have
# no common divisor, their product is how many methods can be told apart (76).
OTHERS = ("weight_decay", "dropout", "feature_penalty", "logit_penalty", "scale_penalty", "cosine_penalty", "steady")
OTHERS += ("fixed_scale", "unseen_penalty", "confidence_penalty", "regularization_only", "amplification_only", "focal")
OTHERS += ("early_stopping", "label_smoothing_others", "online_label_smoothing", "zipf_label_smoothing")
OTHERS += ("gradient_penalty", "adversarial_training")
OTHERS += ("cutmix_images", "cutmix_labels", "mixup_images", "mixup_labels")
OTHERS += ("toward_center", "toward_row", "toward_mean", "toward_centred_mean", "toward_random")
OTHERS += ("label_relaxation", "margin_smoothing", "acls", "logit_norm", "dual_focal", "uniform_noise")
OTHERS += ("gaussian_noise", "sign_noise", "regmixup", "mixup_or_cutmix", "feature_mixup", "held")
OTHERS += ("own_head", "hard_head", "smoothed_head")  # of a body, which may have been trained by any method
# What the pages call a method whose name in code says it in other words.
LABELS = {
    "feature_penalty": "penalty on features",
    "logit_penalty": "penalty on logits",
    "scale_penalty": "penalty on length",
    "cosine_penalty": "penalty that turns",
    "gaussian_noise": "noise",
    "cutmix_images": "CutMix’s images",
    "cutmix_labels": "CutMix’s labels",
    "mixup_images": "Mixup’s images",
    "mixup_labels": "Mixup’s labels",
    "toward_center": "pull",
    "toward_row": "pull to the row",
    "toward_mean": "pull to the mean",
    "toward_centred_mean": "pull to the centred mean",
    "toward_random": "pull to a random direction",
}
COLORS = ("#D55E00", "#56B4E9", "#7F7F7F", "#8C564B")
MARKERS = (*"PX*ph<>8", "$U$", "$C$", "$R$", "$E$", "$F$", *"dH", "$O$", "$Z$", "$G$", "$A$")


def style(method: str) -> Style:
    """The style of a method; a method unknown to the book gets a spare style, always the same for its name."""
    place = OTHERS.index(method) if method in OTHERS else sum(method.encode())
    color = COLORS[place % len(COLORS)]
    marker = MARKERS[place % len(MARKERS)]
    return STYLES.get(method, Style(LABELS.get(method, method.replace("_", " ")), color, marker))


def lift_letter(ax: Axes, x: float, y: float, look: Style, size: float) -> None:
    """Put a marker that is a letter on a white disc, as a line or a halo would hide it. size: of the marker."""
    if look.marker.startswith("$"):
        ax.plot(x, y, "o", color="white", ms=1.7 * size, zorder=2.5)
        ax.plot(x, y, color=look.color, marker=look.marker, ms=1.2 * size, zorder=2.6)


def class_colors(count: int) -> Colormap:
    """A colour for each class; beyond ten they come from a spectrum."""
    few = ListedColormap(colormaps["tab10"](range(10))[:count])
    return few if count <= 10 else colormaps["nipy_spectral"].resampled(count)


def markers(methods: Iterable[str]) -> list[Line2D]:
    """Markers for a legend, one for each method."""
    looks = [style(method) for method in methods]
    return [Line2D([], [], ls="none", color=look.color, marker=look.marker, label=look.label) for look in looks]


def label_lines(label: str, width: int = 17) -> list[str]:
    """A label, in lines that fit beside a row or above a small panel."""
    return textwrap.wrap(label.replace(" training images", " images"), width)
