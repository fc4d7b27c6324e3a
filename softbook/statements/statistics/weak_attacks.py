"""Why a weak attack is kind to soft labels: what it leaves rung by rung, and with louder logits."""

from collections.abc import Sequence

from softbook.statements.origin import exactly
from softbook.studies import louder, records, robustness
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


def runner_up_share(method: str, factor: float = 1) -> Interval:
    """Percent of the wrong probability that the runner-up holds at A, with the logits times a factor."""
    table = louder.recorded("quick-fp32")
    column = f"runner-up, times {factor:g}"
    shares = 100 * table.loc[table["method"] == method, column]
    return t_interval(shares.to_numpy()).of(table, f"{column}, in percent")


def change_when_louder(
    methods: Sequence[str], factor: float, than: float = 1, profile: str = "quick-fp32", radius: float = 4
) -> list[Interval]:
    """Points by which what seven steps leave changes between logits times one factor and times another, by method."""
    table = louder.recorded(profile)
    table = table.loc[table["radius"] == radius]
    return [louder.changed(table, f"times {factor:g}", f"times {than:g}", method) for method in methods]


def change_of_runner_up(methods: Sequence[str]) -> list[Interval]:
    """Points by which the runner-up's share of the wrong probability at A differs from plain training's, by method."""
    table = louder.recorded("quick-fp32")
    share = "runner-up, times 1"
    return [louder.changed(table, share, share, method, "baseline") for method in methods]


def kindness(method: str) -> Interval:
    """Points that seven steps leave of a method's networks at A beyond the best of all attacks."""
    return louder.kindness(louder.recorded("quick-fp32"))[method]


def kindness_beside_plain(methods: Sequence[str], factor: float) -> list[Interval]:
    """That with the logits times a factor, less its mean with plain training as it is, by method."""
    table = louder.recorded("quick-fp32")
    left = louder.kindness(table, factor)
    plain = louder.kindness(table)["baseline"].mean
    return [exactly(left[method].mean - plain, left[method].n) for method in methods]
