"""A property of the space of features set by hand: how well features are aligned, and how long the logits are.

Park et al. 2024 (2410.03999) read calibration off lengths and robustness off the cosine between a feature and the
centre of its class, the point of least loss within reach. These methods pull on both, with hard labels: towards that
centre, or, as controls, towards other directions that a class can have. Directions are those of the epoch before, so
nothing pulls in the first one.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.errors import SoftlabError
from softlab.regularizers.base import check_positive, check_share, cross_entropy, get, parameter, register
from softlab.regularizers.penalties import ActsOnRows


def check_weight(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is zero or a finite number above it."""
    if value != 0 or isinstance(value, bool):
        check_positive(name, value)


def check_cosine(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from -1 to 1."""
    _check_between(name, value, -1, 1)


def check_log_length(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from -10 to 10."""
    _check_between(name, value, -10, 10)


def _check_between(name: str, value: object, low: float, high: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise SoftlabError(f"{name} must be a number from {low} to {high}, not {value!r}")


@dataclass(frozen=True)
class Toward(ActsOnRows):
    """Cross-entropy + strength · |cosine − c| + hold · |log_length − l|, with the means over a batch c and l.

    c: of the cosine between a feature and the direction of its class.  l: of log ‖z − z̄‖. Both terms pull from either
    side: with cosine = 1 the first is strength · (1 − c), which has only one.
    log_length: None leaves the length alone.
    alpha, cutmix: labels are smoothed, images mixed by CutMix with this beta, beforehand (0: not). A mixture counts as
    the class with the larger share.
    """

    strength: float = parameter(0.3, check_weight)
    cosine: float = parameter(1.0, check_cosine)
    log_length: float | None = parameter(None, check_log_length)
    hold: float = parameter(0.3, check_weight)
    alpha: float = parameter(0.0, check_share)
    cutmix: float = parameter(0.0, check_weight)

    def prepare(self, model: Any) -> None:
        super().prepare(model)
        head = model.head
        for name in ("directions", "sums"):  # of features: by class, and summed over this epoch
            head.register_buffer(name, torch.zeros_like(head.weight.detach()))
        head.register_buffer("origin", torch.zeros(head.in_features))  # where directions begin
        for name in ("lengths", "counts"):  # of this epoch's features, by class
            head.register_buffer(name, torch.zeros(head.out_features))

    def begin_epoch(self, model: Any) -> None:
        head = model.head
        if head.counts.sum() > 0:
            weight, sums, lengths, counts = (
                part.detach().cpu() for part in (head.weight, head.sums, head.lengths, head.counts)
            )
            bias = None if head.bias is None else head.bias.detach().cpu()
            directions, origin = self.aims(weight, bias, sums, lengths, counts)
            head.directions.copy_(directions)
            head.origin.copy_(origin)
        for sums in (head.sums, head.lengths, head.counts):
            sums.zero_()

    def aims(
        self, weight: Tensor, bias: Tensor | None, sums: Tensor, lengths: Tensor, counts: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Where each class's features are pulled, (K, D), and from where directions are measured, (D,).

        weight: (K, D), bias: (K,), of the head.  sums: (K, D), of an epoch's features.  lengths: (K,), of their norms.
        counts: (K,), how many there were.
        """
        raise NotImplementedError

    def transform(self, images, targets, generator):
        if self.cutmix:
            images, targets = get("cutmix", beta=self.cutmix).transform(images, targets, generator)
        if self.alpha:
            images, targets = get("label_smoothing", alpha=self.alpha).transform(images, targets, generator)
        return images, targets

    def loss(self, logits, targets, features, head: Any, progress):
        labels = targets.argmax(1)
        remember(head, features.detach(), labels)
        aligned = functional.cosine_similarity(features - head.origin, head.directions[labels]).mean()
        pull = self.strength * (self.cosine - aligned).abs()
        if self.log_length is not None:
            offset = logits - logits.mean(1, keepdim=True)
            length = offset.norm(dim=1).clamp(min=1e-6).log().mean()
            pull = pull + self.hold * (self.log_length - length).abs()
        return cross_entropy(logits, targets) + pull


@torch.no_grad()
def remember(head: Any, features: Tensor, labels: Tensor) -> None:
    """Add a batch's features (N, D) of these labels (N,) to the sums of the epoch."""
    members = functional.one_hot(labels, len(head.counts)).float()
    head.sums += members.T @ features
    head.lengths += members.T @ features.norm(dim=1)
    head.counts += members.sum(0)


def class_means(sums: Tensor, counts: Tensor) -> Tensor:
    """Mean feature of each class, (K, D); zero, which pulls nothing, for a class that was not seen."""
    return sums / counts.clamp(min=1)[:, None]


@register("toward_center")
@dataclass(frozen=True)
class TowardCenter(Toward):
    """Towards the centre of the class as Park et al. define it: the point of least loss in a ball, solved each epoch.

    The ball's radius is the mean length of the class's features (softlab.lenses.geometry.centers).
    """

    version = 1

    def aims(self, weight, bias, sums, lengths, counts):
        from softlab.lenses.geometry.centers import class_centers  # here, as geometry imports scipy

        overall = lengths.sum() / counts.sum()
        radius = torch.where(counts > 0, lengths / counts.clamp(min=1), overall)
        offset = weight.new_zeros(len(weight)) if bias is None else bias
        centers, _ = class_centers(weight, offset, radius, nonnegative=False, tolerance=1e-4)
        return centers.to(weight), torch.zeros_like(weight[0])


@register("toward_row")
@dataclass(frozen=True)
class TowardRow(Toward):
    """A control: towards the head's row of the class."""

    version = 1

    def aims(self, weight, bias, sums, lengths, counts):
        return weight, torch.zeros_like(weight[0])


@register("toward_mean")
@dataclass(frozen=True)
class TowardMean(Toward):
    """A control: towards the mean feature of the class."""

    version = 1

    def aims(self, weight, bias, sums, lengths, counts):
        return class_means(sums, counts), torch.zeros_like(weight[0])


@register("toward_centred_mean")
@dataclass(frozen=True)
class TowardCentredMean(Toward):
    """A control: as toward_mean, both the feature and the class's mean less the mean of all classes."""

    version = 1

    def aims(self, weight, bias, sums, lengths, counts):
        means = class_means(sums, counts)
        origin = means[counts > 0].mean(0)
        return torch.where(counts[:, None] > 0, means - origin, 0.0), origin


@register("toward_random")
@dataclass(frozen=True)
class TowardRandom(Toward):
    """A control: towards a direction of each class that was drawn before training and stays the same."""

    version = 1

    def prepare(self, model: Any) -> None:
        super().prepare(model)
        torch.nn.init.normal_(model.head.directions, std=1 / math.sqrt(model.head.in_features))

    def begin_epoch(self, model: Any) -> None:
        """Nothing is solved again."""
