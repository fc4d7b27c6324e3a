"""Images made worse in the ways of Hendrycks and Dietterich (2019), at five severities, as they are needed.

The constants are those of CIFAR-10-C, which is for images about as small as ours.
"""

import io

import torch
from PIL import Image
from torch import Tensor

from softlab.batches import as_pixels
from softlab.checks import check_pixels
from softlab.errors import SoftlabError, check_known, is_whole

SEVERITIES = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation, of pixels in [0, 1]
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # standard deviation, in pixels
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor of the difference to the mean
    "jpeg": (80, 65, 58, 50, 40),  # quality, in percent
}


def corrupt(images: Tensor, kind: str, severity: int, generator: torch.Generator | None = None) -> Tensor:
    """The same images, corrupted: (N, C, H, W) float in [0, 1].

    images: uint8, or float in [0, 1].  kind: a key of SEVERITIES.  severity: 1 to 5.  generator: for noise.
    Raises SoftlabError for anything else; the first image that is out of range is named.
    """
    check_known("corruption", kind, SEVERITIES)
    if not is_whole(severity) or severity not in range(1, 6):
        raise SoftlabError(f"severity must be 1, 2, 3, 4 or 5, not {severity!r}")
    amount = SEVERITIES[kind][severity - 1]
    pixels = check_pixels(as_pixels(images))
    if kind == "jpeg":
        if pixels.shape[1] not in (1, 3):
            raise SoftlabError(f"images must be (N, C, H, W), C = 1 or 3 for jpeg, not {tuple(images.shape)}")
        return torch.stack([_jpeg(image, amount) for image in pixels])
    if kind == "noise":
        return (pixels + amount * torch.randn(pixels.shape, generator=generator)).clamp(0, 1)
    if kind == "blur":
        from torchvision.transforms.v2 import functional  # here, as it takes longer to import than torch

        reach = round(4 * amount)  # an image is mirrored at its border, and has nothing beyond its other end
        size = [2 * min(reach, side - 1) + 1 for side in (pixels.shape[3], pixels.shape[2])]
        return functional.gaussian_blur(pixels, kernel_size=size, sigma=[amount] * 2)
    mean = pixels.mean((2, 3), keepdim=True)
    return ((pixels - mean) * amount + mean).clamp(0, 1)


def _jpeg(image: Tensor, quality: int) -> Tensor:
    """An image (C, H, W) in [0, 1], compressed and read again."""
    from torchvision.transforms.v2 import functional

    array = (255 * image).round().to(torch.uint8).movedim(0, -1).cpu().numpy()
    buffer = io.BytesIO()
    Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array).save(buffer, "jpeg", quality=quality)
    return functional.pil_to_tensor(Image.open(buffer)).to(image) / 255
