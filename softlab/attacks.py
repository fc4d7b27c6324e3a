"""Attacks on images in [0, 1] through a network that owns its normalisation, and what makes their numbers untrue.

Every attack works on a copy of the model: in evaluation mode, float32, without autocast, its parameters without
gradients. So the model that was given stays as it is, whatever happens. An image returned is inside the ball around
the original and inside the box, and `success` is what the copy says of that very image. Draws come from a generator
on the CPU (None: one seeded with 0).

An attack finds an upper bound on robustness only. Where it fails for a reason that has nothing to do with
robustness, such as gradients that vanish in float32, it says so with a warning, UntrustedAttack.
"""

import collections
import logging
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab import ascent, balls
from softlab.ascent import Subject, UntrustedAttack, prepare
from softlab.errors import SoftlabError, unknown
from softlab.geometry.checks import check_features, check_labels

TOLERATED = 0.01  # share of zero gradients, or of samples lost by the stronger attack, that is no reason to warn
AUTOATTACKS = ("apgd-ce", "apgd-t", "fab-t", "square")


@dataclass(frozen=True)
class Health:
    """Signs of an attack that failed for the wrong reason.

    largest_perturbation: over all images, in the attack's norm.  zero_gradients: share of walks whose gradient was
    exactly zero at the first step, None for an attack that does not tell.  stronger_did_worse: share of all samples
    that the weaker attack fooled and this one did not, None if there is no weaker one.  nan_count: how often a sample
    had a gradient or logits that are not finite.
    """

    largest_perturbation: float
    zero_gradients: float | None
    stronger_did_worse: float | None
    nan_count: int


@dataclass(frozen=True)
class AttackResult:
    """Attacked images (N, C, H, W) float32 in [0, 1]; success (N,) bool: does the model get them wrong?"""

    images: Tensor
    success: Tensor
    health: Health

    @property
    def accuracy(self) -> float:
        """Share of samples that are still right, in [0, 1]."""
        return 1 - self.success.float().mean().item()


@dataclass(frozen=True)
class RobustnessCurve:
    """survived (A, E, N) bool: is sample n right under attacks 0..a of the ladder at all radii up to epsilons[e]?"""

    attacks: tuple[str, ...]
    epsilons: tuple[float, ...]
    survived: Tensor

    @property
    def accuracy(self) -> Tensor:
        """Robust accuracy (A, E) in [0, 1]: falls along the ladder and with epsilon."""
        return self.survived.float().mean(2)


def fgsm(model: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor, norm: str = "linf") -> AttackResult:
    """One step of full length along the gradient of cross-entropy (Goodfellow et al. 2015). Arguments: see pgd."""
    return pgd(model, images, labels, epsilon, norm, step=epsilon, steps=1, random_start=False)


def pgd(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float | Tensor,
    norm: str = "linf",
    *,
    step: float | Tensor | None = None,
    steps: int = 20,
    restarts: int = 1,
    random_start: bool = True,
    loss: str = "ce",
    generator: torch.Generator | None = None,
    early_stop: bool = True,
    weaker: AttackResult | None = None,
) -> AttackResult:
    """Projected gradient ascent on the loss, from a random point of the ball (Madry et al. 2018).

    images: (N, C, H, W) float in [0, 1].  labels: (N,) int64.  epsilon: radius, or radii (N,), >= 0.
    norm: "linf" (steps along the sign of the gradient) or "l2" (along the gradient, normalised).
    step: length of a step, or lengths (N,) (None: 2.5 epsilon/steps).  loss: "ce", or "margin": the largest other
    logit minus the label's, which no scaling of the logits changes.
    early_stop: a sample that is wrong from the start keeps its image, one that is fooled on the way keeps the image
    that did it, and both leave the batch. False: every sample walks all steps and only the last point counts, which
    is for measuring displacement and weaker as an attack.
    restarts: walks, each for the samples not fooled yet. With the margin, the first aims at whichever class is ahead,
    the next at the class that looks nearest, then the second nearest (after Gowal et al. 2019).
    weaker: result of a weaker attack on the same images, to compare with.
    Raises SoftlabError for input out of range, an unknown norm or loss, or a model without a gradient.
    """
    subject = prepare(model, images, labels, epsilon, norm, targets=restarts - 1 if loss == "margin" else 0)
    if weaker is not None and weaker.success.shape != labels.shape:
        raise SoftlabError(f"the weaker attack was on {len(weaker.success)} images, this one is on {len(images)}")
    options = {"norm": norm, "steps": steps, "loss": loss, "random_start": random_start, "early_stop": early_stop}
    result = _search(subject, generator, restarts=restarts, step=step, weaker=weaker, **options)
    _warn(result.health)
    return result


def smallest_epsilon(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    upper: float,
    norm: str = "linf",
    *,
    tolerance: float = 1e-4,
    steps: int = 20,
    restarts: int = 4,
    loss: str = "margin",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Size (N,) of the smallest perturbation found for each sample, by bisection with PGD between 0 and `upper`.

    0 where the sample is wrong already, inf where the attack of size `upper` fails. Otherwise there was an adversarial
    image at exactly this distance, and an attack failed at a radius at most `tolerance` below (or none was tried).
    tolerance: > 0, in units of the image; each halving costs one more attack.  restarts: with one, values were 3 % too
    large on average without and 9 % with label smoothing, with four 1 % at most.  Other arguments, errors: see pgd.
    """
    if not 0 < tolerance < math.inf:
        raise SoftlabError(f"tolerance must be above 0 and finite, not {tolerance}")
    subject = prepare(model, images, labels, upper, norm, targets=restarts - 1 if loss == "margin" else 0)
    generator = generator or torch.Generator().manual_seed(0)

    def attack(subject: Subject) -> tuple[AttackResult, Tensor]:
        # Twice pgd's usual length: at the same cost it comes closer, for l2 from 4 % above the smallest known to 1 %.
        options = {"step": 5 * subject.radii / steps, "steps": steps, "restarts": restarts, "loss": loss}
        result = _search(subject, generator, norm=norm, **options)
        # What was found can lie well inside the ball, as a walk stops when it has won.
        return result, balls.size(result.images - subject.images, norm).masked_fill(~result.success, math.inf)

    first, high = attack(subject)
    low = torch.zeros_like(high)
    for _ in range(math.ceil(math.log2(max(upper / tolerance, 1)))):
        rows = ((high - low > tolerance) & high.isfinite()).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        middle = (low[rows] + high[rows]) / 2
        result, size = attack(subject.part(rows, middle))
        low[rows] = torch.where(result.success, low[rows], middle)
        high[rows] = torch.minimum(high[rows], size)
    _warn(first.health)
    return high


def transfer(
    source: nn.Module,
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float | Tensor,
    norm: str = "linf",
    *,
    steps: int = 20,
    loss: str = "margin",
    generator: torch.Generator | None = None,
) -> AttackResult:
    """PGD on `source`, all steps, counted on `model`; a sample that `model` gets wrong already keeps its image.

    It needs no gradient of `model`, so hiding them is no protection. Arguments and errors: see pgd.
    """
    options = {"norm": norm, "steps": steps, "restarts": 1, "loss": loss, "early_stop": False}
    made = _search(prepare(source, images, labels, epsilon, norm), generator, **options)
    subject = prepare(model, images, labels, epsilon, norm)
    found = torch.where(balls.across(subject.right), made.images, subject.images)
    return _verified(subject, found, norm, made.health)


def autoattack(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilon: float,
    norm: str = "linf",
    *,
    attacks: Sequence[str] = AUTOATTACKS,
    seed: int = 0,
) -> AttackResult:
    """AutoAttack (Croce & Hein 2020), its authors' code, on as many target classes as there are (9 at most).

    attacks: of AUTOATTACKS, in this order; ("square",) alone needs no gradients.  Other arguments: see pgd.
    A sample that survives keeps its image. What AutoAttack has to say against the model becomes a warning.
    Raises SoftlabError if pyautoattack is not installed, or for "apgd-t" with fewer than four classes.
    """
    for name in set(attacks) - set(AUTOATTACKS):
        raise unknown("attack", name, AUTOATTACKS)
    if torch.as_tensor(epsilon).ndim > 0:
        raise SoftlabError("autoattack takes one epsilon for all samples")
    try:
        from pyautoattack import AutoAttack
    except ImportError:
        raise SoftlabError("autoattack needs the package pyautoattack: pip install softlab-book[attacks]") from None
    subject = prepare(model, images, labels, epsilon, norm)
    classes = subject.logits.shape[1]
    if "apgd-t" in attacks and classes < 4:
        raise SoftlabError(f"apgd-t compares four classes, but this model has {classes}: leave it out of attacks")
    gpus, device = [torch.cuda.current_device()] if torch.cuda.is_available() else [], ascent.device_of(subject.model)
    logger, messages, trace = logging.getLogger("auto-attack"), [], sys.gettrace()

    def overhear(record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            messages.append(f"AutoAttack: {record.getMessage()}")
        return False

    options = {"norm": norm.capitalize(), "eps": float(epsilon), "seed": seed, "device": device, "version": "custom"}
    runner = AutoAttack(lambda points: ascent.logits_of(subject.model, points), attacks=list(attacks), **options)
    runner.apgd.n_restarts = runner.fab.n_restarts = 1  # as in its version "standard"
    runner.apgd_targeted.n_target_classes = runner.fab.n_target_classes = min(9, classes - 1)
    logger.addFilter(overhear)
    try:
        with torch.random.fork_rng(devices=gpus), torch.autocast(device.type, enabled=False):
            found, _ = runner.run_standard_evaluation(subject.images, subject.labels, batch_size=ascent.BATCH)
    finally:
        logger.removeFilter(overhear)
        sys.settrace(trace)  # its check for dynamic models ends all tracing, a debugger's too
    for message in messages:
        warnings.warn(message, UntrustedAttack, stacklevel=2)
    inside = balls.project(found, subject.images, subject.radii, norm)
    return _verified(subject, inside, norm, Health(0.0, None, None, 0))


def robustness_curve(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilons: Sequence[float],
    attacks: Mapping[str, Callable[[nn.Module, Tensor, Tensor, float, torch.Generator], AttackResult]],
    generator: torch.Generator | None = None,
) -> RobustnessCurve:
    """Robust accuracy against each radius, and against each attack together with the weaker ones before it.

    epsilons: ascending.  attacks: name -> function(model, images, labels, epsilon, generator), weakest first.
    A sample fooled by an earlier attack, or by this one at a smaller radius, counts as fooled and is spared.
    Raises SoftlabError if there is no attack or no radius, or if the radii do not ascend.
    """
    epsilons = tuple(float(epsilon) for epsilon in epsilons)
    if not attacks or not epsilons or list(epsilons) != sorted(set(epsilons)):
        raise SoftlabError(f"a curve needs attacks and ascending epsilons, not {len(attacks)} attacks and {epsilons}")
    generator = generator or torch.Generator().manual_seed(0)
    survived = torch.ones(len(attacks), len(epsilons), len(images), dtype=torch.bool)
    for column, epsilon in enumerate(epsilons):
        for row, attack in enumerate(attacks.values()):
            left = survived[: row + 1, : column + 1].all(0).all(0).nonzero().squeeze(1)
            survived[row, column] = False
            if len(left):
                chosen = left.to(images.device)
                success = attack(model, images[chosen], labels[chosen], epsilon, generator).success
                survived[row, column, left] = ~success.cpu()
    return RobustnessCurve(tuple(attacks), epsilons, survived)


def gradient_shares(logits: Tensor, labels: Tensor) -> tuple[float, float]:
    """Shares of samples whose gradient of cross-entropy, softmax - onehot, float32 loses: zero and misdirected.

    logits: (N, K).  labels: (N,) int64.  zero: every entry is exactly 0, so an attack stands still.  misdirected: the
    label's entry p_y - 1 is exactly 0 and another is not, so an attack no longer pushes the label down.
    """
    check_features(logits)
    check_labels(labels, logits, logits.shape[1])
    gradient = logits.float().log_softmax(1).exp() - functional.one_hot(labels, logits.shape[1])
    zero, still = (gradient == 0).all(1), gradient.gather(1, labels[:, None])[:, 0] == 0
    return zero.float().mean().item(), (still & ~zero).float().mean().item()


def _search(
    subject, generator, *, norm, steps, restarts, loss, step=None, random_start=True, early_stop=True, weaker=None
) -> AttackResult:
    """Walks from `restarts` starts, for all samples to attack that no walk before has fooled."""
    if loss not in ascent.LOSSES:
        raise unknown("loss", loss, ascent.LOSSES)
    if steps < 1 or restarts < 1:
        raise SoftlabError(f"an attack needs at least one step and one restart, not {steps} and {restarts}")
    lengths = 2.5 * subject.radii / steps if step is None else ascent.per_sample("step", step, subject.images)
    generator = generator or torch.Generator().manual_seed(0)
    found, success = subject.images.clone(), ~subject.right & early_stop
    counts = collections.Counter(nan=ascent.not_finite(subject.logits))
    for restart in range(restarts):  # outside the batches, so that one restart more leaves the first ones as they are
        for rows in (~success).nonzero().squeeze(1).split(ascent.BATCH):
            if len(rows) == 0:
                break
            part = subject.part(rows)
            start = balls.random_point(part.images, part.radii, norm, generator) if random_start else part.images
            targets, options = part.targets[:, restart % part.targets.shape[1]], (steps, norm, loss, early_stop)
            found[rows], success[rows] = ascent.walk(part, start, targets, lengths[rows], *options, counts)
    largest, zero = balls.size(found - subject.images, norm).max().item(), counts["zero"] / max(counts["all"], 1)
    worse = None if weaker is None else (weaker.success.to(success.device) & ~success).float().mean().item()
    return AttackResult(found, success, Health(largest, zero, worse, counts["nan"]))


def _verified(subject: Subject, found: Tensor, norm: str, health: Health) -> AttackResult:
    """The result that the model itself confirms."""
    logits, largest = ascent.all_logits(subject.model, found), balls.size(found - subject.images, norm).max().item()
    health = Health(largest, health.zero_gradients, None, health.nan_count + ascent.not_finite(subject.logits, logits))
    _warn(health)
    return AttackResult(found, logits.argmax(1) != subject.labels, health)


def _warn(health: Health) -> None:
    """Say in words which of the signs make the result untrue."""
    zero, worse, reasons = health.zero_gradients or 0, health.stronger_did_worse or 0, []
    if zero > TOLERATED:
        reasons.append(f"{zero:.1%} of the gradients are exactly zero (try loss='margin', or autoattack's square)")
    if worse > TOLERATED:
        reasons.append(f"a weaker attack fooled {worse:.1%} of the samples that this one did not")
    if health.nan_count:
        reasons.append(f"{health.nan_count} gradients or logits are not finite")
    if reasons:
        warnings.warn(f"this accuracy is not to be trusted: {'; '.join(reasons)}", UntrustedAttack, stacklevel=3)
