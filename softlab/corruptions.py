"""Images made worse in the ways of Hendrycks and Dietterich (2019), at five severities, as they are needed.

The constants are those of CIFAR-10-C, which is for images about as small as ours.
"""

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from softlab.batches import as_pixels
from softlab.errors import SoftlabError, unknown

SEVERITIES = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation, of pixels in [0, 1]
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # standard deviation, in pixels
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor of the difference to the mean
    "jpeg": (80, 65, 58, 50, 40),  # quality, in percent
}


def corrupt(images: Tensor, kind: str, severity: int, generator: torch.Generator | None = None) -> Tensor:
    """The same images, corrupted: (N, C, H, W) float in [0, 1], C = 1 or 3.

    images: uint8, or float in [0, 1].  kind: a key of SEVERITIES.  severity: 1 to 5.  generator: for noise.
    """
    if kind not in SEVERITIES:
        raise unknown("corruption", kind, SEVERITIES)
    if severity not in range(1, 6):
        raise SoftlabError(f"severity must be 1, 2, 3, 4 or 5, not {severity!r}")
    amount = SEVERITIES[kind][severity - 1]
    if kind == "jpeg":
        return as_pixels(functional.jpeg(functional.to_dtype(images, torch.uint8, scale=True), amount))
    pixels = as_pixels(images)
    if kind == "noise":
        return (pixels + amount * torch.randn(pixels.shape, generator=generator)).clamp(0, 1)
    if kind == "blur":
        return functional.gaussian_blur(pixels, kernel_size=[2 * round(4 * amount) + 1] * 2, sigma=[amount] * 2)
    mean = pixels.mean((2, 3), keepdim=True)
    return ((pixels - mean) * amount + mean).clamp(0, 1)
