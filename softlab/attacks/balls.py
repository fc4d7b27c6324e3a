"""Balls of images: perturbations of bounded size, "linf" or "l2", that keep every pixel in [0, 1].

Radii are (N,), one for each image; images, points and offsets (N, C, H, W).
"""

import torch
from torch import Tensor

NORMS = ("linf", "l2")
TINY = 1e-30  # in place of 0 in a denominator


def size(offset: Tensor, norm: str) -> Tensor:
    """Length (N,) of each perturbation."""
    return offset.abs().amax((1, 2, 3)) if norm == "linf" else offset.flatten(1).norm(dim=1)


def dual_size(gradient: Tensor, norm: str) -> Tensor:
    """How much (N,) a linear function with this gradient rises along a perturbation of length 1, at most."""
    return gradient.flatten(1).norm(p=1 if norm == "linf" else 2, dim=1)


def steepest(gradient: Tensor, norm: str) -> Tensor:
    """The perturbation of length 1 along which a linear function with this gradient rises most (zero: zero)."""
    if norm == "linf":
        return gradient.sign()
    gradient = gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp(min=TINY)  # squares could underflow
    return gradient / across(size(gradient, norm)).clamp(min=TINY)


def project(points: Tensor, images: Tensor, radii: Tensor, norm: str) -> Tensor:
    """The nearest point that lies both in the ball around the image and in the box."""
    offset, radii = points - images, across(radii)
    if norm == "linf":
        return (images + offset.clamp(-radii, radii)).clamp(0, 1)
    # It is the image plus scale · offset, cut at the box. What is cut leaves radius to the other pixels: starting from
    # the scale that needs no cut, each turn spends what is left, and more pixels reach the box, until none is new.
    length, room = offset.abs(), torch.where(offset > 0, 1 - images, images)
    scale = (radii / across(size(offset, norm)).clamp(min=TINY)).clamp(max=1)
    for _ in range(20):  # three or four are needed
        free = scale * length < room
        spent, rest = (room**2 * ~free).sum((1, 2, 3), True), (length**2 * free).sum((1, 2, 3), True)
        wider = ((radii**2 - spent).clamp(min=0) / rest.clamp(min=TINY)).sqrt().clamp(max=1)
        if (wider <= scale * (1 + 1e-6)).all():
            break
        scale = torch.maximum(scale, wider)
    return (images + scale * offset).clamp(0, 1)


def random_offset(shape: tuple[int, ...], norm: str, generator: torch.Generator) -> Tensor:
    """Perturbations (N, C, H, W) drawn uniformly from the ball of radius 1."""
    if norm == "linf":
        return 2 * torch.rand(shape, generator=generator) - 1
    offset = steepest(torch.randn(shape, generator=generator), norm)
    return offset * across(torch.rand(shape[0], generator=generator)) ** (1 / offset[0].numel())


def across(values: Tensor) -> Tensor:
    """One number for each image, to be multiplied with images: (N,) -> (N, 1, 1, 1)."""
    return values[:, None, None, None]
