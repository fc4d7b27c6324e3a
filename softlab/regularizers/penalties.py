"""Methods that each act on one thing: penalties on lengths, logits, angles and confidence, and a fixed scale."""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn
from torch.nn.utils import parametrize

from softlab.errors import SoftlabError
from softlab.regularizers.base import Regularizer, check_positive, check_share, cross_entropy, parameter, register
from softlab.regularizers.noise import SignNoise


class ActsOnRows(Regularizer):
    """A method that acts on the rows of the head; SoftlabError where the head is not linear."""

    def prepare(self, model: Any) -> None:
        if not isinstance(model.head, nn.Linear):
            raise SoftlabError("this method takes a network with a linear head: it acts on the head's rows")


@register("feature_penalty")
@dataclass(frozen=True)
class FeaturePenalty(Regularizer):
    """Cross-entropy + strength · ‖f‖²: shortens features, and leaves the head free to make up for it."""

    version = 1
    strength: float = parameter(0.01, check_positive)

    def loss(self, logits, targets, features, head, progress):
        return cross_entropy(logits, targets) + self.strength * features.square().sum(1)


@register("logit_penalty")
@dataclass(frozen=True)
class LogitPenalty(Regularizer):
    """Cross-entropy + strength · ‖z - z̄‖²: bounds the logits themselves (Dauphin & Cubuk 2021)."""

    version = 1
    strength: float = parameter(0.01, check_positive)

    def loss(self, logits, targets, features, head, progress):
        offset = logits - logits.mean(1, keepdim=True)
        return cross_entropy(logits, targets) + self.strength * offset.square().sum(1)


@register("confidence_penalty")
@dataclass(frozen=True)
class ConfidencePenalty(Regularizer):
    """Cross-entropy - strength · entropy of the prediction (Pereyra et al. 2017)."""

    version = 1
    strength: float = parameter(0.1, check_positive)

    def loss(self, logits, targets, features, head, progress):
        log_probs = logits.log_softmax(1)
        return cross_entropy(logits, targets) + self.strength * (log_probs.exp() * log_probs).sum(1)


@register("scale_penalty")
@dataclass(frozen=True)
class ScalePenalty(ActsOnRows):
    """Cross-entropy + strength · (‖W_c f‖ - s)² where the logits are longer than s: a penalty on length.

    s = √(1 - 1/K) log(1 + K (1 - alpha)/alpha) is the scale at which label smoothing with this alpha is content.
    The penalty pulls W_c f along itself, but by way of features and weights, which turn: directions change too.
    """

    version = 1
    alpha: float = parameter(0.1, check_share, check_positive)
    strength: float = parameter(1.0, check_positive)

    def loss(self, logits, targets, features, head, progress):
        classes = logits.shape[1]
        most = math.sqrt(1 - 1 / classes) * math.log1p(classes * (1 - self.alpha) / self.alpha)
        scale = (features @ (head.weight - head.weight.mean(0)).T).norm(dim=1)
        return cross_entropy(logits, targets) + self.strength * (scale - most).clamp(min=0).square()


@register("fixed_scale")
@dataclass(frozen=True)
class FixedScale(ActsOnRows):
    """Logits = scale · cos(f, w_k): features and rows of the head have a constant length, and only directions learn."""

    version = 1
    scale: float = parameter(4.0, check_positive)

    def prepare(self, model: Any):
        if not isinstance(model.body, nn.Sequential):
            raise SoftlabError("fixed_scale takes a ResNet: it sets the length of features before the head")
        super().prepare(model)
        head = nn.Linear(model.head.in_features, model.head.out_features, bias=False)
        head.weight = model.head.weight
        model.body.append(_OfLength(self.scale))
        model.head = parametrize.register_parametrization(head, "weight", _OfLength(1.0))


class _OfLength(nn.Module):
    """Rescales every row (N, D) to the same length."""

    def __init__(self, length: float):
        super().__init__()
        self.length = length

    def forward(self, rows: Tensor) -> Tensor:
        return self.length * functional.normalize(rows, dim=1)


@register("cosine_penalty")
@dataclass(frozen=True)
class CosinePenalty(Regularizer):
    """Cross-entropy + strength · (1 - cos(z - z̄, corner of the class)): turns what softmax sees, at any length."""

    version = 1
    strength: float = parameter(1.0, check_positive)

    def loss(self, logits, targets, features, head, progress):
        offset, corner = (rows - rows.mean(1, keepdim=True) for rows in (logits, targets))
        return cross_entropy(logits, targets) + self.strength * (1 - functional.cosine_similarity(offset, corner))


@register("unseen_penalty")
@dataclass(frozen=True)
class UnseenPenalty(ActsOnRows):
    """Cross-entropy + strength · ‖the part of f that softmax does not see‖²: it cannot change a prediction directly."""

    version = 1
    strength: float = parameter(0.01, check_positive)

    def loss(self, logits, targets, features, head, progress):
        rows = head.weight.detach()
        basis, _ = torch.linalg.qr((rows[1:] - rows[0]).T)  # of what softmax sees, (D, K - 1)
        unseen = features - features @ basis @ basis.T
        return cross_entropy(logits, targets) + self.strength * unseen.square().sum(1)


@register("steady")
@dataclass(frozen=True)
class Steady(ScalePenalty):
    """The penalty on length, on images of which every pixel is moved by ± epsilon at random: a feature should not turn.

    The book's own attempt (chapter 8): bounded logits, as calibration asks for, and less turning under small changes.
    """

    version = 1
    alpha: float = 0.01
    epsilon: float = 0.05
    transform = SignNoise.transform
