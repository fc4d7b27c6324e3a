"""Sentences that pages share: what changed, by whether that is better, and what could not be computed."""

from collections.abc import Iterable, Mapping

from softlab.numbers.quantities import QUANTITIES

SIDES = {1: "Better", -1: "Worse", 0: "Changed", None: "Open, it may be chance"}


def by_side(changes: Mapping[str, tuple[int, str]]) -> list[str]:
    """`Better: accuracy (points) +1.2 ± 0.4; …`, and so on for whatever side there is something of.

    changes: quantity -> the side of its interval (+1, -1, or 0 where that contains zero), and how the change is told.
    """
    sides: dict[str, list[str]] = {name: [] for name in SIDES.values()}
    for name, (side, told) in changes.items():
        sides[SIDES[side * QUANTITIES[name].better if side else None]].append(told)
    return [f"{side}: {'; '.join(some)}." for side, some in sides.items() if some]


def not_computed(problems: Iterable[tuple[str, str]]) -> list[str]:
    """A sentence for each lens that could not be applied, once. problems: (lens, and of which network; why)."""
    return list(dict.fromkeys(f"Not computed ({lens}): {why}." for lens, why in problems))
