"""Attacks on images in [0, 1] through a network that owns its normalisation, and what makes their numbers untrue.

Every attack works on a copy of the model: in evaluation mode, float32, without autocast, its parameters without
gradients. So the model that was given is the same afterwards, whatever happens. An image returned is inside the ball
around the original and inside the box, and `success` is what the copy says of that very image. Without a generator
the draws are those of one seeded with 0.

An attack finds an upper bound on robustness only. Where it has failed for a reason that has nothing to do with
robustness, such as gradients that vanish in float32, it says so with a warning, UntrustedAttack.
"""

import contextlib
import copy
import dataclasses
import io
import itertools
import logging
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.errors import SoftlabError, unknown
from softlab.geometry.checks import check_features, check_labels

BATCH = 250  # images at once: bounds the memory, and stays near a CPU's cache
NORMS = ("linf", "l2")
LOSSES = {
    "ce": lambda logits, labels: functional.cross_entropy(logits, labels, reduction="none"),
    "margin": lambda logits, labels: _best_other(logits, labels) - logits.gather(1, labels[:, None])[:, 0],
}
AUTOATTACKS = ("apgd-ce", "apgd-t", "fab-t", "square")
TOLERATED = 0.01  # share of samples with a zero gradient, or lost by a stronger attack, that is no reason to warn


class UntrustedAttack(UserWarning):
    """The robust accuracy that an attack found is likely too high, or means nothing."""


@dataclass(frozen=True)
class Health:
    """Signs of an attack that failed for the wrong reason.

    largest_perturbation: over all images, in the attack's norm.  zero_gradients: share of the attacked samples whose
    gradient was exactly zero at the first step, None for an attack that does not tell.  stronger_did_worse: share of
    all samples that the weaker attack fooled and this one did not, None if there is none.  nan_count: how often a
    sample had a gradient or logits that are not finite.
    """

    largest_perturbation: float
    zero_gradients: float | None
    stronger_did_worse: float | None
    nan_count: int


@dataclass(frozen=True)
class AttackResult:
    """Attacked images (N, C, H, W) float32 in [0, 1]; success (N,) bool, whether the model gets them wrong; Health."""

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


class GradientShares(NamedTuple):
    """Shares of samples, in [0, 1], whose cross-entropy gradient has been lost to rounding."""

    zero: float
    misdirected: float


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
    logit minus the label's, which no scaling of the logits changes.  generator: on the CPU.
    early_stop: a sample that is wrong from the start keeps its image, and one that is fooled on the way keeps the
    image that did it; both leave the batch. False: every sample walks all steps, and only the last point counts,
    which is what a measurement of displacement needs and a weaker attack. Restarts are for samples not fooled yet.
    weaker: result of a weaker attack on the same images, to compare with.
    Raises SoftlabError for input out of range, an unknown norm or loss, or a model without a gradient.
    """
    model, images, labels, radius, logits = _checked(model, images, labels, epsilon, norm)
    if loss not in LOSSES:
        raise unknown("loss", loss, LOSSES)
    if steps < 1 or restarts < 1:
        raise SoftlabError(f"an attack needs at least one step and one restart, not {steps} and {restarts}")
    if weaker is not None and weaker.success.shape != labels.shape:
        raise SoftlabError(f"the weaker attack was on {len(weaker.success)} images, this one is on {len(images)}")
    lengths = 2.5 * radius / steps if step is None else _per_sample("step", step, images)
    walk = _Walk(norm, steps, restarts, random_start, loss, early_stop)
    done = (logits.argmax(1) != labels) & early_stop
    result = _search(model, images, labels, radius, lengths, walk, _or_seeded(generator), done)
    if weaker is not None:
        worse = (weaker.success.to(images.device) & ~result.success).float().mean().item()
        result = dataclasses.replace(result, health=dataclasses.replace(result.health, stronger_did_worse=worse))
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
    restarts: int = 1,
    loss: str = "margin",
    generator: torch.Generator | None = None,
) -> Tensor:
    """Size (N,) of the smallest perturbation found for each sample, by bisection with PGD between 0 and `upper`.

    0 where the sample is wrong already, inf where an attack of size `upper` fails. Otherwise there was an adversarial
    image at exactly this distance, and an attack failed at a radius less than `tolerance` below (or none was tried
    in between). tolerance: > 0, in units of the image; each halving costs one more attack.
    Other arguments and errors: see pgd.
    """
    first = pgd(model, images, labels, upper, norm, steps=steps, restarts=restarts, loss=loss, generator=generator)
    if not 0 < tolerance < math.inf:
        raise SoftlabError(f"tolerance must be above 0 and finite, not {tolerance}")
    model, images, labels, radius, _ = _checked(model, images, labels, upper, norm)
    walk, generator = _Walk(norm, steps, restarts, True, loss, True), _or_seeded(generator)
    low, high = torch.zeros_like(radius), _size(first.images - images, norm).masked_fill(~first.success, math.inf)
    for _ in range(math.ceil(math.log2(max(upper / tolerance, 1)))):
        rows = ((high - low > tolerance) & high.isfinite()).nonzero().squeeze(1)
        if len(rows) == 0:
            break
        middle, done = (low[rows] + high[rows]) / 2, torch.zeros_like(rows, dtype=torch.bool)
        found = _search(model, images[rows], labels[rows], middle, 2.5 * middle / steps, walk, generator, done)
        size = _size(found.images - images[rows], norm)  # can be well inside the ball: the walk stops when it has won
        high[rows] = torch.where(found.success, size, high[rows])
        low[rows] = torch.where(found.success, low[rows], middle)
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

    It needs no gradient of `model`, so one that hides its gradients is not protected. Arguments: see pgd.
    """
    model, images, labels, _, logits = _checked(model, images, labels, epsilon, norm)
    made = pgd(source, images, labels, epsilon, norm, steps=steps, loss=loss, generator=generator, early_stop=False)
    right = (logits.argmax(1) == labels)[:, None, None, None]
    return _verified(model, images, labels, torch.where(right, made.images, images), norm, made.health)


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
    """AutoAttack (Croce & Hein 2020), their own code, in as many target classes as there are.

    attacks: some of AUTOATTACKS, in this order; ("square",) alone needs no gradients.  images, labels, norm: see pgd.
    A sample that survives keeps its image. What AutoAttack has to say about the model becomes a warning.
    Raises SoftlabError if pyautoattack is not installed, or for "apgd-t" with fewer than four classes.
    """
    model, images, labels, radius, logits = _checked(model, images, labels, epsilon, norm)
    if radius.unique().numel() > 1:
        raise SoftlabError("autoattack takes one epsilon for all samples")
    for name in attacks:
        if name not in AUTOATTACKS:
            raise unknown("attack", name, AUTOATTACKS)
    classes, epsilon = logits.shape[1], float(radius[0])
    if "apgd-t" in attacks and classes < 4:
        raise SoftlabError(f"apgd-t compares four classes, but this model has {classes}: leave it out of attacks")
    try:
        from pyautoattack import AutoAttack
    except ImportError:
        raise SoftlabError("autoattack needs the package pyautoattack: pip install softlab-book[attacks]") from None
    found = images
    if epsilon > 0:
        gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
        with torch.random.fork_rng(devices=gpus), _overheard() as messages:
            runner = AutoAttack(
                lambda points: _logits(model, points),
                attacks=list(attacks),
                version="custom",
                norm=norm.capitalize(),
                eps=epsilon,
                seed=seed,
                device=_device(model),
            )
            runner.apgd.n_restarts = runner.fab.n_restarts = 1  # as in its version "standard"
            runner.apgd_targeted.n_target_classes = runner.fab.n_target_classes = min(9, classes - 1)
            found, _ = runner.run_standard_evaluation(images, labels, batch_size=BATCH)
        for message in messages:
            warnings.warn(f"AutoAttack: {message}", UntrustedAttack, stacklevel=2)
    inside = _project(found, images, radius[:, None, None, None], norm)
    return _verified(model, images, labels, inside, norm, Health(0.0, None, None, 0))


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
        raise SoftlabError(f"a curve needs an attack and ascending epsilons, not {len(attacks)} attacks and {epsilons}")
    generator = _or_seeded(generator)
    survived = torch.ones(len(attacks), len(epsilons), len(images), dtype=torch.bool)
    for column, epsilon in enumerate(epsilons):
        for row, attack in enumerate(attacks.values()):
            left = survived[: row + 1, : column + 1].all(0).all(0).nonzero().squeeze(1)
            survived[row, column] = False
            if len(left):
                chosen = left.to(images.device)
                result = attack(model, images[chosen], labels[chosen], epsilon, generator)
                survived[row, column, left] = ~result.success.cpu()
    return RobustnessCurve(tuple(attacks), epsilons, survived)


def gradient_shares(logits: Tensor, labels: Tensor) -> GradientShares:
    """How often float32 loses the gradient of cross-entropy with respect to the logits, softmax - onehot.

    logits: (N, K).  labels: (N,) int64.  zero: every entry is exactly 0, so an attack stands still.  misdirected: the
    label's entry p_y - 1 is exactly 0 and another is not, so an attack no longer pushes the label down.
    """
    check_features(logits)
    check_labels(labels, logits, logits.shape[1])
    gradient = logits.float().log_softmax(1).exp() - functional.one_hot(labels, logits.shape[1])
    zero = (gradient == 0).all(1)
    misdirected = (gradient.gather(1, labels[:, None])[:, 0] == 0) & ~zero
    return GradientShares(zero.float().mean().item(), misdirected.float().mean().item())


class _Walk(NamedTuple):
    norm: str
    steps: int
    restarts: int
    random_start: bool
    loss: str
    early_stop: bool


def _search(model, images, labels, radius, lengths, walk: _Walk, generator, done) -> AttackResult:
    """Walks from new starts for all samples that are not `done` (N,) and that no walk before has fooled."""
    found, success, zero, bad = images.clone(), done.clone(), 0, 0
    attacked = max(int((~done).sum()), 1)
    for restart in range(walk.restarts):  # outside the batches, so that one restart more leaves the first ones alone
        for rows in (~success).nonzero().squeeze(1).split(BATCH):
            given = (images[rows], labels[rows], radius[rows], lengths[rows])
            found[rows], success[rows], zeros, bads = _walk(model, *given, walk, generator)
            zero, bad = zero + (zeros if restart == 0 else 0), bad + bads
    health = Health(_size(found - images, walk.norm).max().item(), zero / attacked, None, bad)
    return AttackResult(found, success, health)


def _walk(model, images, labels, radius, lengths, walk: _Walk, generator) -> tuple[Tensor, Tensor, int, int]:
    """Points and success of one batch, and how many first gradients were zero and how many values not finite."""
    device, home, start = _device(model), images.device, images.to(_device(model))
    radius, lengths = (values[:, None, None, None].to(device) for values in (radius, lengths))
    labels, zero, bad = labels.to(device), 0, 0
    point = _random_start(start, radius, walk.norm, generator) if walk.random_start else start
    rows, found, success = torch.arange(len(start), device=device), start.clone(), torch.zeros_like(labels).bool()
    for number in range(walk.steps):
        gradient, logits = _gradient(model, point, labels, walk.loss)
        broken = ~(gradient.flatten(1).isfinite().all(1) & logits.isfinite().all(1))
        bad += int(broken.sum())
        zero += int((gradient == 0).flatten(1).all(1).sum()) if number == 0 else 0
        gradient = gradient.nan_to_num(0, 0, 0)
        fooled = logits.argmax(1) != labels
        if walk.early_stop and fooled.any():
            found[rows[fooled]], success[rows[fooled]] = point[fooled], True
            state = (rows, point, start, labels, radius, lengths, gradient)
            rows, point, start, labels, radius, lengths, gradient = (values[~fooled] for values in state)
            if len(rows) == 0:
                return found.to(home), success.to(home), zero, bad
        point = _project(point + lengths * _direction(gradient, walk.norm), start, radius, walk.norm)
    logits = _logits(model, point)
    found[rows], success[rows] = point, logits.argmax(1) != labels
    return found.to(home), success.to(home), zero, bad + int((~logits.isfinite().all(1)).sum())


def _gradient(model, point: Tensor, labels: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """Gradient of the loss with respect to each image, and the logits."""
    with torch.enable_grad():
        point = point.detach().requires_grad_()
        logits = _logits(model, point)
        if not logits.requires_grad:
            raise SoftlabError("the model gives no gradient with respect to its images: try attacks=('square',)")
        (gradient,) = torch.autograd.grad(LOSSES[loss](logits, labels).sum(), point)
    return gradient, logits.detach()


def _best_other(logits: Tensor, labels: Tensor) -> Tensor:
    """The largest logit (N,) of a class that is not the label."""
    return logits.scatter(1, labels[:, None], -math.inf).amax(1)


def _direction(gradient: Tensor, norm: str) -> Tensor:
    if norm == "linf":
        return gradient.sign()
    gradient = gradient / gradient.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-45)  # squares could underflow
    return gradient / _size(gradient, norm)[:, None, None, None].clamp(min=1e-45)


def _random_start(images: Tensor, radius: Tensor, norm: str, generator: torch.Generator) -> Tensor:
    """A point drawn from the ball, uniformly, then moved into the box."""
    if norm == "linf":
        noise = 2 * torch.rand(images.shape, generator=generator) - 1
    else:
        noise = _direction(torch.randn(images.shape, generator=generator), norm)
        noise *= torch.rand(len(images), 1, 1, 1, generator=generator) ** (1 / images[0].numel())
    return _project(images + radius * noise.to(images.device), images, radius, norm)


def _project(point: Tensor, images: Tensor, radius: Tensor, norm: str) -> Tensor:
    """The nearest point that lies in the ball around the image and in the box. radius: (N, 1, 1, 1)."""
    offset = point - images
    if norm == "linf":
        return (images + offset.clamp(-radius, radius)).clamp(0, 1)
    # It is the image plus scale · offset, cut at the box. What is cut leaves radius to the other pixels: starting from
    # the scale that needs no cut, each turn spends what is left, and more pixels reach the box, until none is new.
    size, room = offset.abs(), torch.where(offset > 0, 1 - images, images)
    scale = (radius / _size(offset, norm)[:, None, None, None].clamp(min=1e-30)).clamp(max=1)
    for _ in range(20):
        free = scale * size < room
        spent, rest = (room**2 * ~free).sum((1, 2, 3), True), (size**2 * free).sum((1, 2, 3), True)
        wider = ((radius**2 - spent).clamp(min=0) / rest.clamp(min=1e-30)).sqrt().clamp(max=1)
        if (wider <= scale * (1 + 1e-6)).all():
            break
        scale = torch.maximum(scale, wider)
    return (images + scale * offset).clamp(0, 1)


def _size(offset: Tensor, norm: str) -> Tensor:
    """Length (N,) of each perturbation."""
    return offset.abs().amax((1, 2, 3)) if norm == "linf" else offset.flatten(1).norm(dim=1)


def _checked(model, images, labels, epsilon, norm) -> tuple[nn.Module, Tensor, Tensor, Tensor, Tensor]:
    """A copy of the model to attack; images in float32, labels, radii (N,); and the logits (N, K) without attack."""
    if norm not in NORMS:
        raise unknown("norm", norm, NORMS)
    if images.ndim != 4 or len(images) == 0:
        raise SoftlabError(f"images must be (N, C, H, W) with N > 0, not {tuple(images.shape)}")
    if not images.is_floating_point():
        raise SoftlabError(f"images must be floats in [0, 1], not {images.dtype}: divide by 255")
    outside = ~((images >= 0) & (images <= 1)).flatten(1).all(1)  # NaN is outside too
    if outside.any():
        first = int(outside.nonzero()[0])
        low, high = images[first].min().item(), images[first].max().item()
        raise SoftlabError(f"pixels must be in [0, 1], but those of image {first} reach from {low:g} to {high:g}")
    images, radius = images.detach().float(), _per_sample("epsilon", epsilon, images)
    model = copy.deepcopy(model).float().eval().requires_grad_(False).to(memory_format=torch.channels_last)
    logits = _all_logits(model, images)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise SoftlabError(f"the model must give logits (N, K) of at least two classes, not {tuple(logits.shape)}")
    labels = labels.to(images.device)
    check_labels(labels, logits, logits.shape[1])
    again = _all_logits(model, images[:10])
    if not torch.allclose(again, logits[:10], rtol=1e-3, atol=1e-3 * logits.abs().max().item()):
        warnings.warn("the model gives other logits when asked again: one attack is not enough", UntrustedAttack, 3)
    return model, images, labels, radius, logits


def _per_sample(name: str, value: float | Tensor, images: Tensor) -> Tensor:
    """One number >= 0 for each image, (N,), from a number or from as many."""
    values = torch.as_tensor(value, dtype=torch.float32, device=images.device)
    if values.shape not in ((), images.shape[:1]):
        raise SoftlabError(f"{name} must be a number or ({len(images)},), not {tuple(values.shape)}")
    values = values.expand(len(images))
    wrong = ~((values >= 0) & values.isfinite())
    if wrong.any():
        first = int(wrong.nonzero()[0])
        raise SoftlabError(f"{name} must be finite and 0 or more, not {values[first].item():g} (sample {first})")
    return values


def _verified(model, images, labels, found, norm, health: Health) -> AttackResult:
    """The result that the model itself confirms."""
    logits = _all_logits(model, found)
    bad = health.nan_count + int((~logits.isfinite().all(1)).sum())
    health = dataclasses.replace(health, largest_perturbation=_size(found - images, norm).max().item(), nan_count=bad)
    _warn(health)
    return AttackResult(found, logits.argmax(1) != labels, health)


def _warn(health: Health) -> None:
    """Say in words which of the signs make the result untrue."""
    reasons = []
    if (health.zero_gradients or 0) > TOLERATED:
        reasons.append(f"{health.zero_gradients:.1%} of the gradients are exactly zero (try loss='margin')")
    if (health.stronger_did_worse or 0) > TOLERATED:
        reasons.append(f"a weaker attack fooled {health.stronger_did_worse:.1%} of the samples that this one did not")
    if health.nan_count:
        reasons.append(f"{health.nan_count} gradients or logits are not finite")
    if reasons:
        warnings.warn(f"this accuracy is not to be trusted: {'; '.join(reasons)}", UntrustedAttack, stacklevel=3)


def _logits(model: nn.Module, points: Tensor) -> Tensor:
    with torch.autocast(points.device.type, enabled=False):
        return model(points.contiguous(memory_format=torch.channels_last)).float()


@torch.no_grad()
def _all_logits(model: nn.Module, images: Tensor) -> Tensor:
    """Logits (N, K), batch by batch, where the images are."""
    return torch.cat([_logits(model, part.to(_device(model))).to(images.device) for part in images.split(BATCH)])


def _device(model: nn.Module) -> torch.device:
    held = next(itertools.chain(model.parameters(), model.buffers()), None)
    return torch.device("cpu") if held is None else held.device


def _or_seeded(generator: torch.Generator | None) -> torch.Generator:
    return torch.Generator().manual_seed(0) if generator is None else generator


@contextlib.contextmanager
def _overheard():
    """Collect what AutoAttack logs as a warning instead of showing it; it prints nothing, and tracing goes on."""
    messages, logger, trace = [], logging.getLogger("auto-attack"), sys.gettrace()
    handler, propagate = logging.Handler(logging.WARNING), logger.propagate
    handler.emit = lambda record: messages.append(record.getMessage())
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield messages
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
        sys.settrace(trace)  # its check for dynamic models ends all tracing, a debugger's too
