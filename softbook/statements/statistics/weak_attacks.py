"""Why a weak attack is kind to soft labels: what it leaves rung by rung."""

from collections.abc import Sequence

from softbook.studies import records, robustness
from softlab.comparison.effects import outcomes
from softlab.comparison.intervals import Interval, t_interval


def left_by_weak_attack(profile: str, methods: Sequence[str], radius: float) -> list[Interval]:
    """Percent of the images that seven steps up the cross-entropy leave and a better attack does not, by method."""
    left = robustness.left_by_weak_attack(records.by_profile("core")[profile], radius)
    return [left[method] for method in methods]


def change_at_rung(profile: str, method: str, rung: int, radius: float) -> Interval:
    """Points that a method changes in what the ladder leaves up to a rung: 1, seven steps; 2, all of it."""
    survived = outcomes(records.by_profile("core")[profile], "survived")  # (rungs, radii, images)
    at = robustness.RADII.index(radius)
    left = {one: {seed: of[rung, at].mean() for seed, of in survived[one].items()} for one in (method, "baseline")}
    return t_interval([100 * float(left[method][seed] - left["baseline"][seed]) for seed in left[method]])


def share_of_those_right(profile: str, method: str, radius: str) -> Interval:
    """Points that a method changes in the share of attacked, correctly classified images that survive."""
    table = records.by_profile("core")[profile]
    survived = outcomes(table, f"survives {radius}")
    right = outcomes(table, "right")

    def share(of: str, seed: int) -> float:
        survivors = survived[of][seed]
        return 100 * float(survivors.sum() / right[of][seed][: len(survivors)].sum())

    seeds = sorted(set(survived[method]) & set(survived["baseline"]))
    return t_interval([share(method, seed) - share("baseline", seed) for seed in seeds])
