"""Losses that were published for calibration. Each says its formula; p = softmax(z), y the true class."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.regularizers.base import Regularizer, check_part, check_positive, cross_entropy, parameter, register


@register("label_relaxation")
@dataclass(frozen=True)
class LabelRelaxation(Regularizer):
    """No loss where p_y >= 1 - alpha; else KL to the nearest distribution that has 1 - alpha there.

    (1 - alpha) log((1 - alpha)/p_y) + alpha log(alpha/(1 - p_y)): Lienen & Hüllermeier 2021.
    """

    version = 1
    alpha: float = parameter(0.1, check_part, check_positive)

    def loss(self, logits, targets, features, head, progress):
        log_probs = logits.log_softmax(1)
        log_true = (targets * log_probs).sum(1)
        log_rest = log_probs.masked_fill(targets > 0, -math.inf).logsumexp(1)
        loss = (1 - self.alpha) * (math.log(1 - self.alpha) - log_true) + self.alpha * (math.log(self.alpha) - log_rest)
        return loss * (log_true < math.log(1 - self.alpha))


@register("margin_smoothing")
@dataclass(frozen=True)
class MarginSmoothing(Regularizer):
    """Cross-entropy + alpha · mean_k max(0, max_j z_j - z_k - margin): MbLS, Liu et al. 2022, as their code has it."""

    version = 1
    margin: float = parameter(6.0, check_positive)
    alpha: float = parameter(0.1, check_positive)

    def loss(self, logits, targets, features, head, progress):
        distance = logits.amax(1, keepdim=True) - logits
        return cross_entropy(logits, targets) + self.alpha * (distance - self.margin).clamp(min=0).mean(1)


@register("acls")
@dataclass(frozen=True)
class ACLS(Regularizer):
    """Cross-entropy + alpha · (max(0, z_top - m)² + 0.1 · mean over the others of max(0, z_top - z_k - m)²).

    m: the margin. z_top counts as a constant in the second part, so that only the others are pulled, upwards:
    adaptive and conditional label smoothing, Park et al. 2023, with the weights 1 and 0.1 of their code.
    """

    version = 1
    alpha: float = parameter(0.1, check_positive)
    margin: float = parameter(6.0, check_positive)

    def loss(self, logits, targets, features, head, progress):
        top = logits.amax(1)
        far = (top.detach()[:, None] - logits - self.margin).clamp(min=0).square()  # 0 for the top itself
        penalty = (top - self.margin).clamp(min=0).square() + 0.1 * far.sum(1) / (logits.shape[1] - 1)
        return cross_entropy(logits, targets) + self.alpha * penalty


@register("logit_norm")
@dataclass(frozen=True)
class LogitNorm(Regularizer):
    """Cross-entropy of z / (tau ‖z‖): in training the length of the logits says nothing (Wei et al. 2022).

    The network keeps its own logits, of whatever length that leaves them.
    """

    version = 1
    tau: float = parameter(0.04, check_positive)

    def loss(self, logits, targets, features, head, progress):
        return cross_entropy(functional.normalize(logits, dim=1, eps=1e-7) / self.tau, targets)


@register("focal")
@dataclass(frozen=True)
class Focal(Regularizer):
    """-(1 - p_y)^gamma log p_y: samples that are predicted well count for less (Lin et al. 2017)."""

    version = 1
    gamma: float = parameter(2.0, check_positive)

    def loss(self, logits, targets, features, head, progress):
        log_true = (targets * logits.log_softmax(1)).sum(1)
        return -_power(1 - log_true.exp(), self.gamma) * log_true


@register("dual_focal")
@dataclass(frozen=True)
class DualFocal(Regularizer):
    """-(1 - p_y + p_j)^gamma log p_y, p_j the largest probability below p_y, 0 if none is (Tao et al. 2023)."""

    version = 1
    gamma: float = parameter(5.0, check_positive)

    def loss(self, logits, targets, features, head, progress):
        log_probs = logits.log_softmax(1)
        log_true = (targets * log_probs).sum(1)
        true = log_true.exp()
        probs = log_probs.exp()
        second = (probs * (probs < true[:, None])).amax(1)
        return -_power(1 - true + second, self.gamma) * log_true


def _power(base: Tensor, exponent: float) -> Tensor:
    """base ** exponent with a finite gradient where base is 0.

    There the slope is infinite if exponent < 1, and times a loss of 0 it would be NaN; the loss itself has slope 0.
    """
    if exponent < 1:
        base = base.clamp(min=torch.finfo(base.dtype).tiny)
    return base**exponent
