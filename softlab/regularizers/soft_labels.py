"""Methods that soften labels, mix images, or pull down a logit: the book's five, and label smoothing's relatives."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.regularizers.base import Regularizer, check_positive, check_share, cross_entropy, parameter, register

SMALL = 0.05  # a beta below which Beta(beta, beta) is drawn by logarithms


def smoothed(targets: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) targets + alpha / K: target distributions (N, K) moved towards uniform."""
    return (1 - alpha) * targets + alpha / targets.shape[1]


def top_logit_excess(logits: Tensor) -> Tensor:
    """max_k z_k - mean_k z_k >= 0, (N,). At a tie the gradient goes to the first maximal index."""
    top = logits.argmax(dim=1, keepdim=True)
    return logits.gather(1, top).squeeze(1) - logits.mean(dim=1)


def maxsup_loss(logits: Tensor, labels: Tensor, alpha: float) -> Tensor:
    """MaxSup (N,): cross-entropy + alpha (max_k z_k - mean_k z_k), alpha in [0, 1]. Zhou et al. 2025 (2502.15798)."""
    check_share("alpha", alpha)
    targets = functional.one_hot(labels, logits.shape[1]).to(logits.dtype)
    return cross_entropy(logits, targets) + alpha * top_logit_excess(logits)


def label_smoothing_terms(logits: Tensor, labels: Tensor, alpha: float = 1.0) -> tuple[Tensor, Tensor]:
    """Split what label smoothing adds to cross-entropy, alpha (z_y - mean_k z_k), into its two parts, each (N,).

    logits: (N, K).  labels: (N,) int64.
    regularization = alpha/K Σ over z_m < z_y of (z_y - z_m) >= 0 pulls the true class down to those below it;
    error amplification = alpha/K Σ over z_n > z_y of (z_y - z_n) <= 0 falls as a wrong class above it rises (the whole
    loss does not: cross-entropy rises by more), and is zero exactly where y is an argmax. Zhou et al. 2025.
    """
    difference = logits.gather(1, labels[:, None]) - logits
    scale = alpha / logits.shape[1]
    return scale * difference.clamp(min=0).sum(1), scale * difference.clamp(max=0).sum(1)


@register("baseline")
@dataclass(frozen=True)
class Baseline(Regularizer):
    """Cross-entropy against one-hot labels, nothing else."""

    version = 1


@register("label_smoothing")
@dataclass(frozen=True)
class LabelSmoothing(Regularizer):
    """Every class gets alpha / K of the target (Szegedy et al. 2016)."""

    version = 1
    alpha: float = parameter(0.1, check_share)

    def transform(self, images, targets, generator):
        return images, smoothed(targets, self.alpha)


@register("label_smoothing_others")
@dataclass(frozen=True)
class LabelSmoothingOthers(Regularizer):
    """Every class but the true one gets epsilon / (K - 1): label smoothing with alpha = epsilon K / (K - 1)."""

    version = 1
    epsilon: float = parameter(0.1, check_share)

    def transform(self, images, targets, generator):
        others = self.epsilon / (targets.shape[1] - 1)
        return images, others + (1 - self.epsilon - others) * targets


@register("online_label_smoothing")
@dataclass(frozen=True)
class OnlineLabelSmoothing(Regularizer):
    """Smooth with the mean prediction of each class where it was right, in the epoch before (Zhang et al. 2021).

    2011.12562. alpha: share of these soft labels in the target. They are uniform in the first epoch, and for a class
    that was never right in the one before.
    """

    version = 1
    alpha: float = parameter(0.5, check_share)

    def prepare(self, model: Any):
        *_, last = (module for module in model.head.modules() if isinstance(module, nn.Linear))
        count = last.out_features
        model.head.register_buffer("soft", torch.full((count, count), 1 / count))
        model.head.register_buffer("sums", torch.zeros(count, count))  # of this epoch's right predictions

    def begin_epoch(self, model: Any):
        head = model.head
        right = head.sums.sum(1, keepdim=True)  # a prediction adds up to 1: how many there were
        head.soft.copy_(torch.where(right > 0, head.sums / right.clamp(min=1e-6), 1 / len(head.sums)))
        head.sums.zero_()

    def loss(self, logits, targets, features, head: Any, progress):
        right = (logits.argmax(1) == targets.argmax(1)).to(targets.dtype)
        seen = (targets * right[:, None]).T @ logits.detach().softmax(1)
        head.sums += seen.to(head.sums.dtype)
        return cross_entropy(logits, (1 - self.alpha) * targets + self.alpha * targets @ head.soft.to(targets.dtype))


@register("zipf_label_smoothing")
@dataclass(frozen=True)
class ZipfLabelSmoothing(Regularizer):
    """Cross-entropy + strength · KL(Zipf's law ‖ prediction), both of the wrong classes only (Liang et al. 2022).

    2207.12980, the version that ranks classes by their logits: the r-th largest wrong one gets a share in proportion to
    1/r. It treats right and wrong predictions alike; their denser ranking votes over positions.
    """

    version = 1
    strength: float = parameter(0.1, check_positive)

    def loss(self, logits, targets, features, head, progress):
        true = targets > 0
        wrong = logits.masked_fill(true, -math.inf)
        rank = wrong.detach().argsort(dim=1, descending=True, stable=True).argsort(dim=1) + 1
        law = (1 / rank).masked_fill(true, 0)
        law = law / law.sum(1, keepdim=True)
        log_probs = wrong.log_softmax(1).masked_fill(true, 0)
        return cross_entropy(logits, targets) + self.strength * (torch.special.xlogy(law, law) - law * log_probs).sum(1)


@register("mixup")
@dataclass(frozen=True)
class Mixup(Regularizer):
    """Convex mixtures of two images and of their labels, λ ~ Beta(beta, beta) (Zhang et al. 2018)."""

    version = 1
    beta: float = parameter(1.0, check_positive)

    def transform(self, images, targets, generator):
        return _mixed("MixUp", self.beta, images, targets, generator)


@register("cutmix")
@dataclass(frozen=True)
class CutMix(Regularizer):
    """A rectangle of another image, labels mixed by area, λ ~ Beta(beta, beta) (Yun et al. 2019)."""

    version = 1
    beta: float = parameter(1.0, check_positive)

    def transform(self, images, targets, generator):
        return _mixed("CutMix", self.beta, images, targets, generator)


@register("maxsup")
@dataclass(frozen=True)
class MaxSup(Regularizer):
    """Suppress the largest logit instead of the true one (Zhou et al. 2025, 2502.15798).

    alpha: strength in [0, 1]; alpha_end: its value at the end of training if it grows linearly (None: constant).
    """

    version = 1
    alpha: float = parameter(0.1, check_share)
    alpha_end: float | None = parameter(None, check_share)

    def alpha_at(self, progress):
        """The strength when this share of training is over."""
        end = self.alpha if self.alpha_end is None else self.alpha_end
        return self.alpha + progress * (end - self.alpha)

    def loss(self, logits, targets, features, head, progress):
        return cross_entropy(logits, targets) + self.alpha_at(progress) * top_logit_excess(logits)


@register("regularization_only")
@dataclass(frozen=True)
class RegularizationOnly(Regularizer):
    """Cross-entropy and the part of label smoothing's term that pulls the true class down (Zhou et al. 2025).

    Adds alpha/K Σ over z_m < z_y of (z_y - z_m): where the true class leads this is label smoothing; classes ahead of
    it are left alone.
    """

    version = 1
    alpha: float = parameter(0.1, check_share)

    def loss(self, logits, targets, features, head, progress):
        regularization, _ = label_smoothing_terms(logits, targets.argmax(1), self.alpha)
        return cross_entropy(logits, targets) + regularization


@register("amplification_only")
@dataclass(frozen=True)
class AmplificationOnly(Regularizer):
    """Cross-entropy and the part of label smoothing's term that acts on errors alone (Zhou et al. 2025).

    Adds -alpha/K Σ over z_n > z_y of (z_n - z_y). The loss stays above zero: that is at most alpha (max_n z_n - z_y),
    which cross-entropy exceeds.
    """

    version = 1
    alpha: float = parameter(0.1, check_share)

    def loss(self, logits, targets, features, head, progress):
        _, amplification = label_smoothing_terms(logits, targets.argmax(1), self.alpha)
        return cross_entropy(logits, targets) + amplification


def _mixed(name: str, beta: float, images: Tensor, targets: Tensor, generator: torch.Generator):
    """torchvision's MixUp or CutMix, which draw from torch's global generator: lend them a copy of ours."""
    from torchvision.transforms import v2  # here, as it takes longer to import than torch

    transform = getattr(v2, name)
    seed = int(torch.randint(2**62, (), generator=generator))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        mixing = transform(alpha=float(beta), num_classes=targets.shape[1])
        if beta < SMALL:
            mixing._dist = _SmallBeta(beta)
        return mixing(images, targets)


class _SmallBeta:
    """Beta(beta, beta) for a beta so small that torch's own draws underflow, and share images evenly.

    λ = G / (G + H) of two gamma variates. The logarithm of one is that of a variate of beta + 1, plus log(U) / beta.
    """

    def __init__(self, beta: float):
        self.beta = beta

    def sample(self, shape: tuple[int, ...] = ()) -> Tensor:
        larger = torch.distributions.Gamma(self.beta + 1.0, 1.0).sample((2, *shape)).double().log()
        logarithms = larger + torch.rand(2, *shape, dtype=torch.float64).log() / self.beta
        return (logarithms[0] - logarithms[1]).sigmoid()
