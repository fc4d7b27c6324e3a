"""A property of the space of features set by hand: how well features are aligned, and how long the logits are.

Park et al. 2024 (2410.03999) read calibration off lengths and robustness off the cosine between a feature and the
centre of its class, the point of least loss within reach. These methods pull on both, with hard labels: towards that
centre, or, as controls, towards other directions that a class can have. Directions are those of the epoch before, so
nothing pulls in the first one.

That cosine is a product: of the share of a feature that the head reads, and of the cosine between the part that it
reads and the centre. `held` holds the two apart, and the length of the logits beside them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.errors import SoftlabError
from softlab.regularizers.base import (
    check_part,
    check_positive,
    check_share,
    cross_entropy,
    get,
    parameter,
    register,
)
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
class KnowsClasses(ActsOnRows):
    """A method that knows where the features of each class were in the epoch before.

    alpha, cutmix: labels are smoothed, images mixed by CutMix with this beta, beforehand (0: not). A mixture counts as
    the class with the larger share.
    """

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


@dataclass(frozen=True)
class Toward(KnowsClasses):
    """Cross-entropy + strength · |cosine − c| + hold · |log_length − l|, with the means over a batch c and l.

    c: of the cosine between a feature and the direction of its class.  l: of log ‖z − z̄‖. Both terms pull from either
    side: with cosine = 1 the first is strength · (1 − c), which has only one.
    log_length: None leaves the length alone.
    """

    strength: float = parameter(0.3, check_weight)
    cosine: float = parameter(1.0, check_cosine)
    log_length: float | None = parameter(None, check_log_length)
    hold: float = parameter(0.3, check_weight)

    def loss(self, logits, targets, features, head: Any, progress):
        labels = targets.argmax(1)
        remember(head, features.detach(), labels)
        aligned = functional.cosine_similarity(features - head.origin, head.directions[labels]).mean()
        pull = self.strength * (self.cosine - aligned).abs()
        if self.log_length is not None:
            pull = pull + self.hold * (self.log_length - mean_log_length(logits)).abs()
        return cross_entropy(logits, targets) + pull


def mean_log_length(logits: Tensor) -> Tensor:
    """Mean over a batch of log ‖z − z̄‖, a number. logits: (N, K)."""
    offset = logits - logits.mean(1, keepdim=True)
    return offset.norm(dim=1).clamp(min=1e-6).log().mean()


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


class AimsAtCenters(KnowsClasses):
    """Directions are the classes' centres, each in a ball whose radius is the mean length of the class's features."""

    def aims(self, weight, bias, sums, lengths, counts):
        from softlab.lenses.geometry.centers import class_centers  # here, as geometry imports scipy

        overall = lengths.sum() / counts.sum()
        radius = torch.where(counts > 0, lengths / counts.clamp(min=1), overall)
        offset = weight.new_zeros(len(weight)) if bias is None else bias
        centers, _ = class_centers(weight, offset, radius, nonnegative=False, tolerance=1e-4)
        return centers.to(weight), torch.zeros_like(weight[0])


@register("toward_center")
@dataclass(frozen=True)
class TowardCenter(AimsAtCenters, Toward):
    """Towards the centre of the class as Park et al. define it: the point of least loss in a ball, solved each epoch.

    The ball's radius is the mean length of the class's features (softlab.lenses.geometry.centers).
    """

    version = 1


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


def check_shares(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from 0 to 1, or a list of two or more."""
    _check_each(check_share, name, value)


def check_cosines(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from -1 to 1, or a list of two or more."""
    _check_each(check_cosine, name, value)


def check_log_lengths(name: str, value: object) -> None:
    """Raise SoftlabError unless a parameter is a number from -10 to 10, or a list of two or more."""
    _check_each(check_log_length, name, value)


def _check_each(check: Callable[[str, object], None], name: str, value: object) -> None:
    if isinstance(value, (list, tuple)) and len(value) < 2:
        raise SoftlabError(f"{name} must be a number, or a list of two or more, not {value!r}")
    for entry in value if isinstance(value, (list, tuple)) else [value]:
        check(name, entry)


@register("held")
@dataclass(frozen=True)
class Held(AimsAtCenters):
    """Holds the shape that the head reads, from both sides: strength · (beyond(v) + beyond(s)) + hold · beyond(l).

    Means over a batch: v, the visible cosine, between the part Qf of a feature that the head reads and the centre of
    its class, which lies in the same space; s, the read share, ‖Qf‖ / ‖f‖; l, the log length, log ‖z − z̄‖. For one
    image v · s is Park's cosine. Centre and row space are solved anew each epoch, and nothing is held in the first.
    beyond(x) = max(|x − its target| − its slack, 0): within the slack nothing pulls, so that a network which has this
    shape by itself is hardly touched.
    visible_cosine, read_share, log_length: the targets. A list is of equal steps from the start of training to its end,
    with straight lines between them; None leaves that one alone.
    slack: of v and s.  slack_length: of l.
    running: a control, in place of targets: each is held to its own running mean, of this memory (0: to the targets).
    """

    version = 1
    strength: float = parameter(1.0, check_weight)
    hold: float = parameter(1.0, check_weight)
    visible_cosine: float | Sequence[float] | None = parameter(None, check_cosines)
    read_share: float | Sequence[float] | None = parameter(None, check_shares)
    log_length: float | Sequence[float] | None = parameter(None, check_log_lengths)
    slack: float = parameter(0.02, check_weight)
    slack_length: float = parameter(0.05, check_weight)
    running: float = parameter(0.0, check_part)

    def __post_init__(self):
        super().__post_init__()
        if self.running and any(target is not None for target in self.targets):
            raise SoftlabError("held takes targets, or running, which holds to running means: not both")

    @property
    def targets(self) -> tuple[float | Sequence[float] | None, ...]:
        return self.visible_cosine, self.read_share, self.log_length

    def prepare(self, model: Any) -> None:
        super().prepare(model)
        head = model.head
        rank = min(head.out_features - 1, head.in_features)
        head.register_buffer("basis", torch.zeros(rank, head.in_features))  # of what the head reads, in rows
        head.register_buffer("means", torch.full((3,), torch.nan))  # running, of v, s and l; none in the first epoch
        head.register_buffer("solved", torch.zeros(()))  # 1 from the second epoch on

    def begin_epoch(self, model: Any) -> None:
        from softlab.lenses.geometry.head import row_space  # here, as geometry imports scipy

        head = model.head
        if head.counts.sum() > 0:
            read = row_space(head.weight.detach().cpu())
            missing = len(head.basis) - len(read)  # where the rows of the head span less
            head.basis.copy_(functional.pad(read, (0, 0, 0, missing)))
            head.solved.fill_(1.0)
        super().begin_epoch(model)

    def loss(self, logits, targets, features, head: Any, progress):
        labels = targets.argmax(1)
        remember(head, features.detach(), labels)
        shape = shape_of(features, logits, head.directions[labels], head.basis)
        aims = self._running_means(head, shape.detach()) if self.running else self._on_paths(shape.detach(), progress)
        slacks = shape.new_tensor([self.slack, self.slack, self.slack_length])
        strengths = shape.new_tensor([self.strength, self.strength, self.hold])
        beyond = ((shape - aims).abs() - slacks).clamp(min=0)
        return cross_entropy(logits, targets) + head.solved * (strengths * beyond).sum()

    def _on_paths(self, shape: Tensor, progress: float) -> Tensor:
        """The targets at this moment, (3,); what has none is its own, and so is never beyond it."""
        own = zip(shape, self.targets, strict=True)
        return torch.stack([value if path is None else value.new_tensor(at(path, progress)) for value, path in own])

    def _running_means(self, head: Any, shape: Tensor) -> Tensor:
        """The running means before this batch, (3,), which then joins them; before the first, the batch's own."""
        before = torch.where(head.means.isnan(), shape, head.means)
        after = self.running * before + (1 - self.running) * shape
        head.means.copy_(torch.where(head.solved > 0, after, torch.nan))
        return before


def shape_of(features: Tensor, logits: Tensor, centers: Tensor, basis: Tensor) -> Tensor:
    """Means over a batch of v, s and l (see Held), (3,).

    features: (N, D).  logits: (N, K).  centers: (N, D), of each image's class.  basis: (r, D), orthonormal rows that
    span what the head reads.
    """
    read = features @ basis.T @ basis
    cosine = functional.cosine_similarity(read, centers).mean()
    share = (read.norm(dim=1) / features.norm(dim=1).clamp(min=1e-6)).mean()
    return torch.stack([cosine, share, mean_log_length(logits)])


def at(path: float | Sequence[float], progress: float) -> float:
    """Where a path is at `progress` in [0, 1): a number, or entries at equal steps with straight lines between them."""
    if not isinstance(path, Sequence):
        return path
    place = progress * (len(path) - 1)
    before = min(int(place), len(path) - 2)
    return path[before] + (place - before) * (path[before + 1] - path[before])
