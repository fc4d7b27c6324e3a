"""Robust accuracy over radii and a ladder of attacks: the worst case over all that was tried."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from softlab.checks import takes_arrays
from softlab.errors import SoftlabError
from softlab.lenses.attacks.gradient import Starts, fgsm, pgd
from softlab.lenses.attacks.result import AttackResult

Attack = Callable[[nn.Module, Tensor, Tensor, float, Starts], AttackResult]


def usual_ladder(steps: int) -> dict[str, Attack]:
    """The book's attacks, weakest first: one step, seven on cross-entropy (Park et al.'s), `steps` on the margin.

    The last walks half the steps from three random points: towards any class, then towards the two that look nearest.
    (A fourth walk fooled no image more, of 500 on each of ten networks at 2/255 and 4/255.)
    """
    return {
        "FGSM": lambda model, images, labels, epsilon, _: fgsm(model, images, labels, epsilon),
        "PGD-7": lambda *given: pgd(*given[:4], step=given[3] / 2, steps=7, starts=given[4]),
        "PGD, margin": lambda *given: pgd(
            *given[:4], steps=max(1, steps // 2), restarts=3, loss="margin", starts=given[4]
        ),
    }


@takes_arrays
def robustness_curve(
    model: nn.Module, images: Tensor, labels: Tensor, epsilons: Sequence[float], attacks: Mapping[str, Attack]
) -> Tensor:
    """(A, E, N) bool: is sample n right under attacks 0..a of the ladder at radius epsilons[e]?

    epsilons: ascending.  attacks: name -> function(model, images, labels, epsilon, starts), weakest first.
    A sample fooled by an earlier attack counts as fooled, and is spared the later ones. Nothing is shared between
    radii, so the value at one does not depend on which others are asked for; that it falls with them is to be checked.
    Raises SoftlabError if there is no attack or no radius, or if the radii do not ascend.
    """
    epsilons = tuple(float(epsilon) for epsilon in epsilons)
    if not attacks or not epsilons or list(epsilons) != sorted(set(epsilons)):
        raise SoftlabError(f"a curve needs attacks and ascending epsilons, not {len(attacks)} attacks and {epsilons}")
    survived = torch.ones(len(attacks), len(epsilons), len(images), dtype=torch.bool)
    for column, epsilon in enumerate(epsilons):
        left = torch.arange(len(images))
        for row, attack in enumerate(attacks.values()):
            if len(left):
                chosen = left.to(images.device)
                starts = Starts().of(left, images)
                fooled = attack(model, images[chosen], labels[chosen], epsilon, starts).success.cpu()
                survived[row:, column, left[fooled]] = False
                left = left[~fooled]
    return survived
