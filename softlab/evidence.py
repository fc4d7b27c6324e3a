"""From one number per seed to a verdict: intervals over seeds, paired with the baseline, and rules for reading them.

Rules (they are the book's, and hold everywhere in it): a claim about several methods is *supported* if the 95 %
interval of the paired difference lies on the claimed side for every one of them, *contradicted* if it lies on the
other side for every one, *mixed* if methods disagree, *undecided* if an interval contains zero and none contradicts.
One seed never gives a verdict.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from softlab.errors import SoftlabError

VERDICTS = ("supported", "contradicted", "mixed", "undecided", "no verdict")


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds and its confidence interval; with one seed the interval is infinite."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def half_width(self) -> float:
        return self.high - self.mean

    def side(self) -> int:
        """+1 if the whole interval is above zero, -1 if below, 0 if it contains zero."""
        return int(self.low > 0) - int(self.high < 0)

    def scaled(self, factor: float) -> "Interval":
        """The interval in other units, for instance percent: factor > 0."""
        return Interval(self.mean * factor, self.low * factor, self.high * factor, self.n)

    def text(self, digits: int = 1, sign: bool = False) -> str:
        """`mean ± half width`; just the mean where n = 1."""
        mean = f"{self.mean:{'+' if sign else ''}.{digits}f}"
        return mean if self.n == 1 else f"{mean} ± {self.half_width:.{digits}f}"


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and Student's t interval over seeds.

    values: (n,), one per seed.  Raises SoftlabError if there is none or one is not finite.
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise SoftlabError(f"an interval needs one finite value per seed, not {list(values)}")
    mean, n = float(numbers.mean()), len(numbers)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = stats.t.ppf((1 + level) / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n)
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(values: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> Interval:
    """Interval of the difference values - baseline, seed by seed: what the seeds have in common cancels.

    values, baseline: (n,), the same seeds in the same order.
    """
    if len(values) != len(baseline):
        raise SoftlabError(f"paired values must be of the same seeds, not {len(values)} and {len(baseline)}")
    return t_interval(np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float), level)


def means(values: Mapping[str, Sequence[float]]) -> dict[str, Interval]:
    """Mean and interval over seeds of every method. values: method -> one number per seed."""
    return {method: t_interval(numbers) for method, numbers in values.items()}


def against_baseline(values: Mapping[str, Sequence[float]]) -> dict[str, Interval]:
    """Paired interval of every other method to `baseline`. values: method -> one number per seed, seeds in order."""
    return {
        method: paired_interval(numbers, values["baseline"])
        for method, numbers in values.items()
        if method != "baseline"
    }


def verdict(differences: Mapping[str, Interval], side: int = 1) -> str:
    """What the intervals of all methods named by a claim say about it (rules: see this module).

    differences: method -> interval of its difference to the baseline.  side: +1 if the claim is a rise, -1 a fall.
    """
    if not differences or side not in (1, -1):
        raise SoftlabError(f"a verdict needs at least one interval and side 1 or -1, not {len(differences)} and {side}")
    if any(interval.n < 2 for interval in differences.values()):
        return "no verdict"
    sides = {side * interval.side() for interval in differences.values()}
    if sides == {1}:
        return "supported"
    if sides == {-1}:
        return "contradicted"
    return "mixed" if -1 in sides else "undecided"
