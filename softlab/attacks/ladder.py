"""Robust accuracy over radii and a ladder of attacks: the worst case over all that was tried."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softlab.attacks.gradient import fgsm, pgd
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


Attack = Callable[[nn.Module, Tensor, Tensor, float, torch.Generator], AttackResult]


def usual_ladder(steps: int) -> dict[str, Attack]:
    """The book's attacks, weakest first: one step, seven on cross-entropy (Park et al.'s), `steps` on the margin.

    The last starts from five places, each restart aimed at another of the nearest classes, with half the steps.
    """
    return {
        "FGSM": lambda model, images, labels, epsilon, _: fgsm(model, images, labels, epsilon),
        "PGD-7": lambda *given: pgd(*given[:4], step=given[3] / 2, steps=7, generator=given[4]),
        "PGD, margin": lambda *given: pgd(
            *given[:4], steps=max(1, steps // 2), restarts=4, loss="margin", generator=given[4]
        ),
    }


def robustness_curve(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    epsilons: Sequence[float],
    attacks: Mapping[str, Attack],
    generator: torch.Generator | None = None,
) -> RobustnessCurve:
    """Robust accuracy against each radius, and against each attack together with the weaker ones before it.

    epsilons: ascending.  attacks: name -> function(model, images, labels, epsilon, generator), weakest first.
    A sample fooled by an earlier attack, or by this one at a smaller radius, counts as fooled. Radii are taken from the
    largest down, so that little is attacked in vain: a sample fooled by an earlier attack is spared the later ones, and
    one that survives the whole ladder at a radius counts as surviving the smaller balls inside.
    Raises SoftlabError if there is no attack or no radius, or if the radii do not ascend.
    """
    epsilons = tuple(float(epsilon) for epsilon in epsilons)
    if not attacks or not epsilons or list(epsilons) != sorted(set(epsilons)):
        raise SoftlabError(f"a curve needs attacks and ascending epsilons, not {len(attacks)} attacks and {epsilons}")
    generator = generator or torch.Generator().manual_seed(0)
    survived = torch.zeros(len(attacks), len(epsilons), len(images), dtype=torch.bool)
    open_cases = torch.arange(len(images))
    for column, epsilon in reversed(list(enumerate(epsilons))):
        survived[:, column] = True
        left = open_cases
        for row, attack in enumerate(attacks.values()):
            if len(left):
                chosen = left.to(images.device)
                fooled = attack(model, images[chosen], labels[chosen], epsilon, generator).success.cpu()
                survived[row:, column, left[fooled]] = False
                left = left[~fooled]
        open_cases = (~survived[-1, column]).nonzero().squeeze(1)
    return RobustnessCurve(tuple(attacks), epsilons, survived.cummin(1).values)  # fooled at a smaller radius too
