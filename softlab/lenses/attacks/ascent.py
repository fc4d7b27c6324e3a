"""What attacks share: a copy of the model and the samples to attack it with, its gradients, and the walk uphill."""

import dataclasses
import functools
import math
import warnings
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.checks import are_probabilities, check_labels, check_pixels, check_radii
from softlab.errors import SoftlabError
from softlab.lenses import answers
from softlab.representation import at_once, device_of, frozen_copy, gradient_by, layout
from softlab.returned import logits_in

BATCH = 250  # images at once, at most: stays near a CPU's cache
CANDIDATES = 10  # classes among which the nearest are looked for
GREY = 0.5  # a radius at which every pixel can become 0.5, whatever the image
TINY = 1e-30  # in place of 0 in a denominator


def cross_entropy(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """Summed over the samples; targets are ignored."""
    return functional.cross_entropy(logits, labels, reduction="sum")


def largest_other(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest logit of another class than the label's: (N, K), (N,) -> (N,)."""
    return logits.scatter(1, labels[:, None], -math.inf).amax(1)


def margin(logits: Tensor, labels: Tensor, targets: Tensor) -> Tensor:
    """The target's logit minus the label's, summed over the samples; target -1: the largest other logit."""
    other = largest_other(logits, labels)
    aimed = logits.gather(1, targets.clamp(min=0)[:, None])[:, 0]
    return (torch.where(targets < 0, other, aimed) - logits.gather(1, labels[:, None])[:, 0]).sum()


LOSSES = {"ce": cross_entropy, "margin": margin}


class UntrustedAttack(UserWarning):
    """The robust accuracy that an attack found is likely too high, or means nothing."""


@dataclass(frozen=True)
class Subject:
    """A copy of a model, and samples that are fit to attack it with.

    model: in evaluation mode, float32, its parameters without gradients.  images: (N, C, H, W) float32.
    labels, radii: (N,).  logits: (N, K), before any attack.  targets: (N, A), what one walk after the other aims at:
    any other class, -1, then some of the others, nearest first.
    """

    model: nn.Module
    images: Tensor
    labels: Tensor
    radii: Tensor
    logits: Tensor
    targets: Tensor

    def part(self, rows: Tensor) -> "Subject":
        """Some of the samples."""
        parts = (values[rows] for values in (self.images, self.labels, self.radii, self.logits, self.targets))
        return Subject(self.model, *parts)


def prepare(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor, targets: int = 0) -> Subject:
    """The subject of an attack, with `targets` other classes to aim at.

    Raises SoftlabError for whatever is out of range, see attacks.pgd, and if the model's answer to an image depends on
    the others in its batch.  Warns if it gives other logits when it is asked again, or probabilities.
    """
    images = check_pixels(as_pixels(images)).detach().float()
    labels = labels.to(images.device)
    radii = per_sample("epsilon", epsilon, images)
    model = frozen_copy(model).to(memory_format=layout(model))
    logits = all_logits(model, images)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise SoftlabError(f"the model must give logits (N, K) of at least two classes, not {tuple(logits.shape)}")
    check_labels(labels, logits, logits.shape[1])
    if answers.are_drawn(lambda some: all_logits(model, some), images[:BATCH], logits[:BATCH]):
        warnings.warn(answers.RANDOM, UntrustedAttack, 3)
    if are_probabilities(logits):
        warnings.warn("the model gives probabilities: as logits they lead an attack astray", UntrustedAttack, 3)
    subject = Subject(model, images, labels, radii, logits, torch.full_like(labels, -1)[:, None])
    nearest = [_nearest(subject, targets)] if targets > 0 else []
    return dataclasses.replace(subject, targets=torch.cat([subject.targets, *nearest], 1))


def _nearest(subject: Subject, count: int) -> Tensor:
    """Other classes (N, count or fewer), nearest first as they would be if the logits were linear in the pixels."""
    device = device_of(subject.model)
    own = subject.labels[:, None]
    others, likely = subject.logits.scatter(1, own, -math.inf).topk(min(CANDIDATES, subject.logits.shape[1] - 1))
    distances = (subject.logits.gather(1, own) - others).nan_to_num()
    for rows in torch.arange(len(own), device=own.device).split(at_once(subject.images, BATCH)):
        points = subject.images[rows].to(device).requires_grad_()
        with torch.enable_grad(), torch.autocast(device.type, enabled=False):
            logits = logits_of(subject.model, points)
            labels = subject.labels[rows].to(device)
            for column, targets in enumerate(likely[rows].to(device).unbind(1)):
                aimed = functools.partial(margin, logits, labels, targets)
                gradient = gradient_by(points, aimed, again=True)
                speed = gradient.flatten(1).norm(p=1, dim=1)  # at most, along a perturbation of size 1
                distances[rows, column] /= speed.clamp(min=TINY).to(own.device)
    return likely.gather(1, distances.argsort(1))[:, :count]


def per_sample(name: str, value: float | Tensor, images: Tensor) -> Tensor:
    """One number from 0 to 1 for each image, (N,), from a number or from as many."""
    values = torch.as_tensor(value, dtype=torch.float32, device=images.device)
    if values.shape not in ((), images.shape[:1]):
        raise SoftlabError(f"{name} must be a number or ({len(images)},), not {tuple(values.shape)}")
    values = values.expand(len(images))
    check_radii(values, name)
    return values


def warn_of_radius(radii: Tensor) -> None:
    """Say so where the radii (N,) are no small perturbation any more."""
    if radii.max() >= GREY:
        said = f"at a radius of {radii.max():g} any image can turn grey: if 255ths were meant, divide by 255"
        warnings.warn(said, UntrustedAttack, 3)


def walk(
    subject: Subject,
    points: Tensor,
    targets: Tensor,
    lengths: Tensor,
    steps: int,
    loss: str,
    early_stop: bool,
    *,
    counts,
) -> tuple[Tensor, Tensor]:
    """Where one batch is `steps` steps of these lengths (N,) after `points`, and whether the model gets that wrong.

    targets: (N,), the class that each sample is to become, -1 for any (the margin heeds it).  early_stop: a sample
    stays at the first point that the model gets wrong. Adds to counts, a Counter: "all" walks, those with a "zero"
    gradient at the first step, and how often a gradient or logits were not finite, "nan".
    Raises SoftlabError if the model gives no gradient.
    """
    model = subject.model
    home = points.device
    device = device_of(subject.model)
    state = (points, subject.images, subject.labels, targets, subject.radii, lengths)
    points, images, labels, targets, radii, lengths = (values.to(device) for values in state)
    found = images.clone()
    success = torch.zeros_like(labels).bool()
    rows = torch.arange(len(labels), device=device)
    counts["all"] += len(rows)
    for number in range(steps):
        gradient, logits = gradient_at(model, loss, points, labels, targets)
        counts["nan"] += not_finite(gradient, logits)
        if number == 0:
            counts["zero"] += int((gradient == 0).flatten(1).all(1).sum())
        fooled = logits.argmax(1) != labels
        if early_stop and fooled.any():
            found[rows[fooled]], success[rows[fooled]] = points[fooled], True
            state = (rows, points, images, labels, targets, radii, lengths, gradient)
            rows, points, images, labels, targets, radii, lengths, gradient = (values[~fooled] for values in state)
            if len(rows) == 0:
                return found.to(home), success.to(home)
        ahead = across(lengths) * gradient.nan_to_num(0, 0, 0).sign()
        points = project(points + ahead, images, radii)
    logits = all_logits(model, points)
    counts["nan"] += not_finite(logits)
    found[rows], success[rows] = points, logits.argmax(1) != labels
    return found.to(home), success.to(home)


def project(points: Tensor, images: Tensor, radii: Tensor) -> Tensor:
    """The nearest points that lie within the radii (N,) of the images in every pixel, and inside the box."""
    offset = points - images
    radii = across(radii)
    return (images + offset.clamp(-radii, radii)).clamp(0, 1)


def sizes(offset: Tensor) -> Tensor:
    """The largest change of a pixel (N,) in each perturbation (N, C, H, W)."""
    return offset.abs().amax((1, 2, 3))


def across(values: Tensor) -> Tensor:
    """One number for each image, to be multiplied with images: (N,) -> (N, 1, 1, 1)."""
    return values[:, None, None, None]


def gradient_at(model: nn.Module, loss: str, points: Tensor, labels: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Gradient of the loss with respect to each image, and the logits."""
    with torch.enable_grad(), torch.autocast(points.device.type, enabled=False):  # it would reach the way back too
        points = points.detach().requires_grad_()
        answers = []

        def value() -> Tensor:
            logits = logits_of(model, points)
            if not logits.requires_grad:
                said = "the model gives no gradient with respect to its images"
                raise SoftlabError(f"{said}; autoattack's square needs none")
            answers.append(logits.detach())
            return LOSSES[loss](logits, labels, targets)

        gradient = gradient_by(points, value)
    return gradient, answers[0]


def not_finite(*values: Tensor) -> int:
    """How many samples have anything infinite or NaN among their values, each (N, ...)."""
    sums = torch.stack([each.flatten(1).sum(1) for each in values])  # one pass: what is not finite stays so in a sum
    return int((~sums.isfinite().all(0)).sum())


def logits_of(model: nn.Module, points: Tensor) -> Tensor:
    with torch.autocast(points.device.type, enabled=False):
        return logits_in(model(points.contiguous(memory_format=layout(model)))).float()


@torch.no_grad()
def all_logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, K), batch by batch, where the images are."""
    parts = images.split(at_once(images, BATCH))
    device = device_of(model)
    return torch.cat([logits_of(model, part.to(device)).to(images.device) for part in parts])
