"""Attacks along the gradient: FGSM and PGD."""

import collections
import dataclasses
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import stream
from softlab.checks import check_features, check_labels, takes_arrays
from softlab.errors import SoftlabError, check_known
from softlab.lenses.attacks import ascent
from softlab.lenses.attacks.ascent import prepare
from softlab.lenses.attacks.result import AttackResult, Health, warn
from softlab.representation import at_once


@dataclass(frozen=True)
class Starts:
    """Where walks begin: drawn from stream(seed, "attack", radius, restart) for all images at once, one row each.

    So an image's start depends neither on which others are attacked with it nor on the radii tried before.
    rows: (N,), on the CPU: places of the images given to an attack among all `count` of them (None: these are all).
    """

    seed: int = 0
    rows: Tensor | None = None
    count: int = 0

    def offsets(self, images: Tensor, radius: float, restart: int) -> Tensor:
        """Perturbations of size 1 at most, one for each of the images (N, C, H, W). radius: any number >= 0."""
        generator = stream(self.seed, "attack", round(radius * 2**32), restart)
        count = len(images) if self.rows is None else self.count
        drawn = 2 * torch.rand((count, *images.shape[1:]), generator=generator) - 1
        return (drawn if self.rows is None else drawn[self.rows.cpu()]).to(images.device)

    def of(self, rows: Tensor, images: Tensor) -> "Starts":
        """The same starts for some of these images (N, C, H, W)."""
        places = torch.arange(len(images)) if self.rows is None else self.rows
        return dataclasses.replace(self, rows=places[rows.cpu()], count=self.count or len(images))


@takes_arrays
def fgsm(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> AttackResult:
    """One step of full length along the gradient of cross-entropy (Goodfellow et al. 2015). Arguments: see pgd."""
    return pgd(model, images, labels, epsilon, step=epsilon, steps=1, random_start=False)


@takes_arrays
def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float | Tensor,
    *,
    step: float | Tensor | None = None,
    steps: int = 20,
    restarts: int = 1,
    random_start: bool = True,
    loss: str = "ce",
    starts: Starts = Starts(),
    early_stop: bool = True,
) -> AttackResult:
    """Projected ascent along the sign of the loss's gradient, from a random point of the ball (Madry et al. 2018).

    images: (N, C, H, W), uint8 or float in [0, 1].  labels: (N,) int64.  epsilon: radius (or radii, (N,)): a pixel may
    move at most, from 0 to 1; from .5 on, where any image can turn grey, with a warning.  step: how far in one step, or
    lengths (N,) (None: 2.5 epsilon/steps).
    loss: "ce", or "margin": the largest other logit minus the label's, which no scaling of the logits changes.
    early_stop: a sample that is wrong from the start keeps its image, one that is fooled on the way keeps the image
    that did it, and both leave the batch. False: every sample walks all steps and only the last point counts, which is
    for measuring displacement and weaker as an attack.
    restarts: walks, each for the samples not fooled yet. With the margin, the first aims at whichever class is ahead,
    the next at the class that looks nearest, then the second nearest (after Gowal et al. 2019).
    starts: which random points, Starts(seed). Radii that differ from image to image share theirs.
    Raises SoftlabError for input out of range, an unknown loss, or a model without a gradient.
    """
    subject = prepare(model, images, labels, epsilon, targets=restarts - 1 if loss == "margin" else 0)
    ascent.warn_of_radius(subject.radii)
    options = {"steps": steps, "loss": loss, "random_start": random_start, "early_stop": early_stop}
    radius = float(epsilon) if torch.as_tensor(epsilon).ndim == 0 else 0.0
    result = _search(subject, starts, radius, restarts=restarts, step=step, **options)
    warn(result.health)
    return result


def gradient_shares(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Shares of samples whose gradient of cross-entropy, softmax - onehot, float32 loses: zero and misdirected.

    logits: (N, K).  labels: (N,) int64.  zero: every entry is exactly 0, so an attack stands still.  misdirected: the
    label's entry p_y - 1 is exactly 0 and another is not, so an attack no longer pushes the label down.
    """
    check_features(logits)
    check_labels(labels, logits, logits.shape[1])
    gradient = logits.float().log_softmax(1).exp() - functional.one_hot(labels, logits.shape[1])
    zero = (gradient == 0).all(1)
    still = gradient.gather(1, labels[:, None])[:, 0] == 0
    return zero.float().mean().item(), (still & ~zero).float().mean().item()


def _search(
    subject, starts, radius, *, steps, restarts, loss, step=None, random_start=True, early_stop=True
) -> AttackResult:
    """Walks from `restarts` starts, for all samples to attack that no walk before has fooled."""
    check_known("loss", loss, ascent.LOSSES)
    if steps < 1 or restarts < 1:
        raise SoftlabError(f"an attack needs at least one step and one restart, not {steps} and {restarts}")
    lengths = 2.5 * subject.radii / steps if step is None else ascent.per_sample("step", step, subject.images)
    found = subject.images.clone()
    success = (subject.logits.argmax(1) != subject.labels) & early_stop
    counts = collections.Counter(nan=ascent.not_finite(subject.logits))
    for restart in range(restarts):
        offsets = starts.offsets(subject.images, radius, restart) if random_start else None
        for rows in (~success).nonzero().squeeze(1).split(at_once(subject.images, ascent.BATCH)):
            if len(rows) == 0:
                break
            part = subject.part(rows)
            start = part.images
            if offsets is not None:
                start = ascent.project(start + ascent.across(part.radii) * offsets[rows], start, part.radii)
            targets = part.targets[:, restart % part.targets.shape[1]]
            options = (steps, loss, early_stop)
            found[rows], success[rows] = ascent.walk(part, start, targets, lengths[rows], *options, counts=counts)
    largest = ascent.sizes(found - subject.images).max().item()
    zero = counts["zero"] / max(counts["all"], 1)
    return AttackResult(found, success, Health(largest, zero, counts["nan"]))
