"""What an attack returns: the images, whether they fool the model, and how far that can be trusted."""

import warnings
from dataclasses import dataclass

from torch import Tensor

from softlab.lenses.attacks.ascent import UntrustedAttack

TOLERATED = 0.01  # share of zero gradients that is no reason to warn


@dataclass(frozen=True)
class Health:
    """Signs of an attack that failed for the wrong reason.

    largest_perturbation: of a pixel, over all images.  zero_gradients: share of walks whose gradient was exactly zero
    at the first step, None for an attack that does not tell.  nan_count: how often a sample had a gradient or logits
    that are not finite.
    """

    largest_perturbation: float
    zero_gradients: float | None
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


def warn(health: Health) -> None:
    """Warn, in words, of each sign that makes the result untrustworthy."""
    zero = health.zero_gradients or 0
    reasons = []
    if zero > TOLERATED:
        reasons.append(f"{zero:.1%} of the gradients are exactly zero (try loss='margin', or autoattack's square)")
    if health.nan_count:
        reasons.append(f"{health.nan_count} gradients or logits are not finite")
    if reasons:
        warnings.warn(f"this accuracy is not to be trusted: {'; '.join(reasons)}", UntrustedAttack, stacklevel=3)
