"""Margin over slope: how far an image is from the border of its class, from one gradient and without an attack.

Within the small balls that attacks search, the gap z₁ - z₂ between the two largest logits is almost linear in the
pixels. Then an attack of size ε, which moves every pixel by ε at most and stays inside the box [0, 1], takes ε g_ε off
the gap, where the slope g_ε = (1/ε) Σᵢ |∂ᵢ(z₁ - z₂)| · min(ε, roomᵢ). The class is lost where that exceeds the margin.
The first-order distance to the border is old: Moosavi-Dezfooli et al. 2016 (DeepFool), Hein & Andriushchenko 2017,
Elsayed et al. 2018; Jiang et al. 2019 use it to predict generalization, Shafahi et al. 2019 to explain robustness.

Nothing here depends on the scale of the logits: a temperature moves margin and slope alike, and their ratio not at all.
"""

import warnings

import torch
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.checks import are_probabilities, check_features, check_pixels, check_radii
from softlab.errors import SoftlabError
from softlab.lenses.geometry import centered_logits
from softlab.representation import at_once, device_of, frozen_copy, gradient_by, layout
from softlab.returned import logits_in

BATCH = 250  # images whose gradient is taken at once


def margin(logits: Tensor) -> Tensor:
    """The largest logit minus the second largest, (N,), >= 0. logits: (N, K), at least two classes."""
    _check_logits(logits, 2)
    first, second = logits.topk(2, dim=1).values.T
    return first - second


def length(logits: Tensor) -> Tensor:
    """‖z - z̄‖, (N,): the length of what softmax sees of the logits (N, K)."""
    _check_logits(logits, 2)
    return centered_logits(logits).norm(dim=1)


def gap_to_third(logits: Tensor) -> Tensor:
    """The largest logit minus the third largest, (N,). logits: (N, K), at least three classes."""
    _check_logits(logits, 3)
    top = logits.topk(3, dim=1).values
    return top[:, 0] - top[:, 2]


def spread_between_images(logits: Tensor) -> float:
    """Root mean square distance of centred logits from their mean over images. logits: (N, K)."""
    centered = centered_logits(logits)
    return float((centered - centered.mean(0)).square().sum(1).mean().sqrt())


def margin_gradient(model: nn.Module, images: Tensor) -> Tensor:
    """The derivative of z₁ - z₂ by each pixel, (N, C, H, W), float32 on the CPU: one backward pass.

    model: gives logits (N, K); a copy in evaluation mode is asked.  images: (N, C, H, W), uint8 or float in [0, 1].
    Which two classes lead is decided at the image itself.
    Raises SoftlabError where no gradient flows from the logits to the pixels.
    """
    frozen = frozen_copy(model)
    device = device_of(model)
    found = []
    for batch in images.split(at_once(images, BATCH)):
        pixels = check_pixels(as_pixels(batch.to(device))).contiguous(memory_format=layout(model)).requires_grad_()

        def gap(pixels: Tensor = pixels) -> Tensor:
            logits = logits_in(frozen(pixels)).float()
            if not logits.requires_grad:
                raise SoftlabError("no gradient of the logits reaches the pixels: the slope cannot be measured")
            if are_probabilities(logits.detach()):
                said = "the model gives probabilities: their margin and slope are not those of logits"
                warnings.warn(said, stacklevel=4)
            return margin(logits).sum()

        with torch.enable_grad():
            gradient = gradient_by(pixels, gap)
        found.append(gradient.float().cpu())
    return torch.cat(found)


def room(gradient: Tensor, images: Tensor) -> Tensor:
    """How far each pixel can go against the gradient before it leaves [0, 1]. Both (N, C, H, W); images as float.

    What shrinks the gap lowers a pixel whose derivative is positive, and raises one whose derivative is negative.
    """
    return torch.where(gradient > 0, images, 1 - images)


def slope(gradient: Tensor, images: Tensor, epsilon: float) -> Tensor:
    """g_ε, (N,): what an attack of size epsilon takes off the gap for each unit of epsilon, to first order.

    gradient: of margin_gradient.  images: (N, C, H, W), uint8 or float in [0, 1].  epsilon: above 0, up to 1.
    """
    if not 0 < epsilon <= 1:
        raise SoftlabError(f"epsilon must be above 0 and at most 1, not {epsilon}")
    found = []
    for rows in torch.arange(len(images)).split(at_once(images, BATCH)):  # large images would fill the memory
        reach = room(gradient[rows], as_pixels(images[rows])).clamp(max=epsilon)
        found.append((gradient[rows].abs() * reach).flatten(1).sum(1) / epsilon)
    return torch.cat(found)


def first_order_radius(gap: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
    """The smallest ε at which ε g_ε reaches the margin, (N,); 1 where even the whole box does not suffice.

    gap: (N,), of margin.  gradient, images: as in slope.  ε g_ε grows along straight pieces that end where a pixel
    reaches the edge of the box; so the exact place is found among the sorted rooms, not by search.
    """
    found = []
    for rows in torch.arange(len(images)).split(at_once(images, BATCH)):
        weights = gradient[rows].abs().flatten(1).double()
        rooms = room(gradient[rows], as_pixels(images[rows])).flatten(1).double()
        found.append(_smallest_reach(gap[rows].double(), weights, rooms))
    return torch.cat(found)


def _smallest_reach(gap: Tensor, weights: Tensor, rooms: Tensor) -> Tensor:
    """The smallest ε in [0, 1] with Σᵢ weightᵢ min(ε, roomᵢ) >= gap, (N,). gap: (N,); weights, rooms: (N, P)."""
    rooms, order = rooms.sort(dim=1)
    weights = weights.gather(1, order)
    spent = (weights * rooms).cumsum(1)  # by pixels that are at the edge
    moving = weights.sum(1, keepdim=True) - weights.cumsum(1)  # the slope that the others still have
    taken = spent + moving * rooms  # off the gap at ε = each room
    at_edge = (taken < gap[:, None]).sum(1)  # how many pixels have reached the edge by then
    last = (at_edge - 1).clamp(min=0)[:, None]
    gone = torch.where(at_edge > 0, spent.gather(1, last)[:, 0], 0.0)
    rate = torch.where(at_edge > 0, moving.gather(1, last)[:, 0], weights.sum(1))
    reach = torch.where(at_edge == weights.shape[1], 1.0, (gap - gone) / rate)
    return reach.nan_to_num(0.0).clamp(0, 1)  # NaN: no margin and no slope


def estimate(radius: Tensor, correct: Tensor, epsilon: float) -> float:
    """Ê(ε): the share of images that are right and farther than epsilon from the border, to first order.

    radius: (N,), of first_order_radius.  correct: (N,) bool. The label enters by `correct` alone: which class an attack
    reaches is not asked.  epsilon: from 0 to 1.
    """
    check_radii(torch.tensor(epsilon))
    return float((correct & (radius > epsilon)).float().mean())


def noise_response(model: nn.Module, images: Tensor, epsilon: float, generator: torch.Generator) -> Tensor:
    """How far ± epsilon of random noise moves the logits, as a share of their length, (N,).

    images: (N, C, H, W), uint8 or float in [0, 1]. Each pixel moves up or down by epsilon at random, and stays in
    [0, 1].  epsilon: from 0 to 1.
    """
    check_radii(torch.tensor(epsilon))
    frozen = frozen_copy(model)
    device = device_of(model)
    found = []
    for batch in images.split(at_once(images, BATCH)):
        pixels = check_pixels(as_pixels(batch))
        signs = torch.randint(0, 2, pixels.shape, generator=generator) * 2 - 1
        noisy = (pixels + epsilon * signs).clamp(0, 1)
        with torch.no_grad():
            pair = [frozen(x.to(device).contiguous(memory_format=layout(model))) for x in (pixels, noisy)]
        clean, moved = (centered_logits(logits_in(logits).float().cpu()) for logits in pair)
        found.append((moved - clean).norm(dim=1) / clean.norm(dim=1))
    return torch.cat(found)


def _check_logits(logits: Tensor, classes: int) -> None:
    check_features(logits)
    if logits.shape[1] < classes:
        raise SoftlabError(f"this takes logits of at least {classes} classes, not {logits.shape[1]}")
