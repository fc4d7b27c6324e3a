"""Robust accuracy over radii and a ladder of attacks: the worst case over all that was tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softlab.attacks.result import AttackResult
from softlab.errors import SoftlabError


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
