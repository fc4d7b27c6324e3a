"""The one knob of the book: how a method changes targets, images or loss. Everything else stays the same.

A method is a class with up to three functions, each neutral if left out (see `Regularizer`). Register your own with

    @regularizers.register("mine")
    @dataclass(frozen=True)
    class Mine(regularizers.Regularizer):
        strength: float = 0.1
        def loss(self, logits, targets, features, head, progress): ...
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torchvision.transforms import v2

from softlab.errors import SoftlabError, unknown
from softlab.experiment import NAME


@dataclass(frozen=True)
class Regularizer:
    """A method; this one changes nothing. Its dataclass fields are the method's parameters."""

    def prepare(self, model: nn.Module) -> None:
        """Change the new model in place, before its optimizer is made."""

    def transform(self, images: Tensor, targets: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Images (N, C, H, W) in [0, 1] and target distributions (N, K) to train on, from images and one-hot targets.

        Every random draw comes from `generator` (on the CPU), so that it does not depend on the device.
        """
        return images, targets

    def loss(self, logits: Tensor, targets: Tensor, features: Tensor, head: nn.Linear, progress: float) -> Tensor:
        """Loss of each sample (N,), from logits (N, K), the targets of `transform` (N, K) and features (N, D).

        progress: from 0 at the first step to nearly 1 at the last.
        """
        return cross_entropy(logits, targets)


REGISTRY: dict[str, type[Regularizer]] = {}


def register(name: str) -> Callable[[type[Regularizer]], type[Regularizer]]:
    """Class decorator: make a method known under `name` (small letters, digits, _). Again: replaces it."""
    if not NAME.fullmatch(name):
        raise SoftlabError(f"{name!r} cannot name a method: small letters, digits and _ only, a letter first")

    def keep(method: type[Regularizer]) -> type[Regularizer]:
        if not (isinstance(method, type) and issubclass(method, Regularizer) and dataclasses.is_dataclass(method)):
            raise SoftlabError(f"method {name!r} must be a dataclass derived from softlab.regularizers.Regularizer")
        REGISTRY[name] = method
        return method

    return keep


def get(name: str, **parameters) -> Regularizer:
    """The method of that name with these parameters.

    Raises SoftlabError for an unknown name or parameter (with the nearest valid one) or a value out of range.
    """
    if name not in REGISTRY:
        raise unknown("method", name, REGISTRY)
    method = REGISTRY[name]
    allowed = [field.name for field in dataclasses.fields(method)]
    for parameter in parameters:
        if parameter not in allowed:
            if not allowed:
                raise SoftlabError(f"method {name!r} has no parameters, but {parameter!r} was given")
            raise unknown(f"parameter of {name}", parameter, allowed)
    try:
        return method(**parameters)
    except TypeError as error:
        raise SoftlabError(f"method {name!r}: {error}") from None


def check_batch(name: str, step: int, images: Tensor, targets: Tensor, one_hot: Tensor) -> None:
    """Raise SoftlabError unless what method `name` made of a batch are images and as many target distributions."""
    if not isinstance(targets, Tensor) or targets.shape != one_hot.shape or not targets.is_floating_point():
        raise SoftlabError(f"method {name!r}, step {step}: targets must be {_shape(one_hot)}, not {_shape(targets)}")
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != len(targets):
        raise SoftlabError(f"method {name!r}, step {step}: images must be (N, C, H, W), not {_shape(images)}")


def check_loss(name: str, step: int, loss: Tensor, logits: Tensor) -> None:
    """Raise SoftlabError unless method `name` returned one number per sample that gradients can flow from."""
    if not isinstance(loss, Tensor) or loss.shape != logits.shape[:1]:
        hint = " (training takes the mean)" if isinstance(loss, Tensor) and loss.ndim == 0 else ""
        wanted = f"one number for each sample, ({len(logits)},)"
        raise SoftlabError(f"method {name!r}, step {step}: the loss must be {wanted}, not {_shape(loss)}{hint}")
    if not loss.requires_grad:
        raise SoftlabError(f"method {name!r}, step {step}: no gradient flows from its loss to logits or features")


def _shape(value: object) -> str:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    return f"{tuple(value.shape) if value.ndim else 'a single number'} of {str(value.dtype).removeprefix('torch.')}"


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy (N,) of logits (N, K) against target distributions (N, K)."""
    return functional.cross_entropy(logits, targets, reduction="none")


def smoothed(targets: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) targets + alpha / K: target distributions (N, K) moved towards uniform."""
    return (1 - alpha) * targets + alpha / targets.shape[1]


def top_logit_excess(logits: Tensor) -> Tensor:
    """max_k z_k - mean_k z_k >= 0, (N,). At a tie the gradient goes to the first maximal index."""
    top = logits.argmax(dim=1, keepdim=True)
    return logits.gather(1, top).squeeze(1) - logits.mean(dim=1)


def label_smoothing_loss(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """Cross-entropy (N,) of logits (N, K) against one-hot labels (N,) smoothed by alpha in [0, 1]."""
    _check_share("alpha", alpha)
    return cross_entropy(logits, smoothed(_one_hot(labels, logits), alpha))


def maxsup_loss(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """MaxSup (N,): cross-entropy + alpha (max_k z_k - mean_k z_k), alpha in [0, 1]. Zhou et al. 2025 (2502.15798)."""
    _check_share("alpha", alpha)
    return cross_entropy(logits, _one_hot(labels, logits)) + alpha * top_logit_excess(logits)


def label_smoothing_terms(logits: Tensor, labels: Tensor, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """Split what label smoothing adds to cross-entropy, alpha (z_y - mean_k z_k), into its two parts, each (N,).

    logits: (N, K).  labels: (N,) int64.
    regularization = alpha/K Σ over z_m < z_y of (z_y - z_m) >= 0 pulls the true class down to those below it;
    error amplification = alpha/K Σ over z_n > z_y of (z_y - z_n) <= 0 rewards a wrong class above it, and is zero
    exactly where y is an argmax. Zhou et al. 2025 (2502.15798).
    """
    difference = logits.gather(1, labels[:, None]) - logits
    scale = alpha / logits.shape[1]
    return scale * difference.clamp(min=0).sum(1), scale * difference.clamp(max=0).sum(1)


@register("baseline")
@dataclass(frozen=True)
class Baseline(Regularizer):
    """Cross-entropy against one-hot labels, nothing else."""


@register("label_smoothing")
@dataclass(frozen=True)
class LabelSmoothing(Regularizer):
    """Every class gets alpha / K of the target (Szegedy et al. 2016)."""

    alpha: float = 0.1

    def __post_init__(self):
        _check_share("alpha", self.alpha)

    def transform(self, images, targets, generator):
        return images, smoothed(targets, self.alpha)


@register("mixup")
@dataclass(frozen=True)
class Mixup(Regularizer):
    """Convex mixtures of two images and of their labels, λ ~ Beta(beta, beta) (Zhang et al. 2018)."""

    beta: float = 1.0

    def __post_init__(self):
        _check_positive("beta", self.beta)

    def transform(self, images, targets, generator):
        return _mixed(v2.MixUp, self.beta, images, targets, generator)


@register("cutmix")
@dataclass(frozen=True)
class CutMix(Regularizer):
    """A rectangle of another image, labels mixed by area, λ ~ Beta(beta, beta) (Yun et al. 2019)."""

    beta: float = 1.0

    def __post_init__(self):
        _check_positive("beta", self.beta)

    def transform(self, images, targets, generator):
        return _mixed(v2.CutMix, self.beta, images, targets, generator)


@register("maxsup")
@dataclass(frozen=True)
class MaxSup(Regularizer):
    """Suppress the largest logit instead of the true one (Zhou et al. 2025, 2502.15798).

    alpha: strength in [0, 1]; alpha_end: its value at the end of training if it grows linearly (None: constant).
    """

    alpha: float = 0.1
    alpha_end: float | None = None

    def __post_init__(self):
        _check_share("alpha", self.alpha)
        if self.alpha_end is not None:
            _check_share("alpha_end", self.alpha_end)

    def loss(self, logits, targets, features, head, progress):
        end = self.alpha if self.alpha_end is None else self.alpha_end
        alpha = self.alpha + progress * (end - self.alpha)
        return cross_entropy(logits, targets) + alpha * top_logit_excess(logits)


@register("regularization_only")
@dataclass(frozen=True)
class RegularizationOnly(Regularizer):
    """Cross-entropy + the part of label smoothing that pulls the true class down to those below it."""

    alpha: float = 0.1

    def __post_init__(self):
        _check_share("alpha", self.alpha)

    def loss(self, logits, targets, features, head, progress):
        pull, _ = label_smoothing_terms(logits, targets.argmax(1), self.alpha)
        return cross_entropy(logits, targets) + pull


@register("amplification_only")
@dataclass(frozen=True)
class AmplificationOnly(Regularizer):
    """Cross-entropy + the part of label smoothing that rewards wrong classes above the true one."""

    alpha: float = 0.1

    def __post_init__(self):
        _check_share("alpha", self.alpha)

    def loss(self, logits, targets, features, head, progress):
        _, reward = label_smoothing_terms(logits, targets.argmax(1), self.alpha)
        return cross_entropy(logits, targets) + reward


@register("feature_penalty")
@dataclass(frozen=True)
class FeaturePenalty(Regularizer):
    """Cross-entropy + strength · ‖f‖²: shortens features, and leaves the head free to make up for it."""

    strength: float = 0.01

    def __post_init__(self):
        _check_positive("strength", self.strength)

    def loss(self, logits, targets, features, head, progress):
        return cross_entropy(logits, targets) + self.strength * features.square().sum(1)


@register("logit_penalty")
@dataclass(frozen=True)
class LogitPenalty(Regularizer):
    """Cross-entropy + strength · ‖z - z̄‖²: bounds the logits themselves (Dauphin & Cubuk 2021)."""

    strength: float = 0.01

    def __post_init__(self):
        _check_positive("strength", self.strength)

    def loss(self, logits, targets, features, head, progress):
        offset = logits - logits.mean(1, keepdim=True)
        return cross_entropy(logits, targets) + self.strength * offset.square().sum(1)


@register("confidence_penalty")
@dataclass(frozen=True)
class ConfidencePenalty(Regularizer):
    """Cross-entropy - strength · entropy of the prediction (Pereyra et al. 2017)."""

    strength: float = 0.1

    def __post_init__(self):
        _check_positive("strength", self.strength)

    def loss(self, logits, targets, features, head, progress):
        log_probs = logits.log_softmax(1)
        return cross_entropy(logits, targets) + self.strength * (log_probs.exp() * log_probs).sum(1)


def _mixed(transform, beta: float, images: Tensor, targets: Tensor, generator: torch.Generator):
    """torchvision's MixUp or CutMix, which draw from torch's global generator: lend them a copy of ours."""
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return transform(alpha=beta, num_classes=targets.shape[1])(images, targets)


def _one_hot(labels: Tensor, logits: Tensor) -> Tensor:
    return functional.one_hot(labels, logits.shape[1]).to(logits.dtype)


def _check_share(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise SoftlabError(f"{name} must be a number from 0 to 1, not {value!r}")


def _check_positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not (value > 0 and math.isfinite(value)):
        raise SoftlabError(f"{name} must be a number above 0, not {value!r}")
