"""From one number per seed to a verdict: intervals over seeds, paired with the baseline, and rules for reading them.

Rules (they are the book's, and hold everywhere in it): a claim about several methods is *supported* if the 95 %
interval of the paired difference lies on the claimed side for every one of them, *contradicted* if it lies on the
other side for every one, *undecided* if an interval contains zero and none contradicts, and *mixed* in all other cases:
methods disagree, or some contradict while others are open. One seed never gives a verdict.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import stats

from softlab.errors import SoftlabError

SCHEMA = 1  # of the file that Ledger.save writes


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

    def as_dict(self) -> dict:
        """Plain values for JSON; an infinite bound is None."""
        low, high = (bound if math.isfinite(bound) else None for bound in (self.low, self.high))
        return {"mean": self.mean, "low": low, "high": high, "n": self.n}

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
    half = float(stats.t.ppf((1 + level) / 2, n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(values: Sequence[float], baseline: Sequence[float], level: float = 0.95) -> Interval:
    """Interval of the difference values - baseline, seed by seed: what the seeds have in common cancels.

    values, baseline: (n,), the same seeds in the same order.
    """
    if len(values) != len(baseline):
        raise SoftlabError(f"paired values must be of the same seeds, not {len(values)} and {len(baseline)}")
    return t_interval(np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float), level)


def _need_baseline(values: Mapping) -> None:
    if "baseline" not in values:
        raise SoftlabError(f"the methods {', '.join(values)} cannot be compared: there is no baseline among them")


def means(values: Mapping[str, Sequence[float] | Mapping[int, float]]) -> dict[str, Interval]:
    """Mean and interval over seeds of every method. values: method -> one number per seed, or {seed: number}."""
    return {
        method: t_interval(list(numbers.values()) if isinstance(numbers, Mapping) else numbers)
        for method, numbers in values.items()
    }


def verdict(differences: Mapping[str, Interval], side: int = 1) -> str:
    """What the intervals of all methods named by a claim say about it (rules: see this module).

    differences: method -> interval of its difference to the baseline.  side: +1 if the claim is a rise, -1 a fall.
    """
    if not differences or side not in (1, -1):
        raise SoftlabError(f"a verdict needs at least one interval and side 1 or -1, not {len(differences)} and {side}")
    return _agreement(differences, lambda interval: side * interval.side())


def equivalence(differences: Mapping[str, Interval], margin: float) -> str:
    """The verdict on a claim of "no difference beyond ± margin", by the same rules.

    An interval inside the margin speaks for the claim, one outside it against, one across its border leaves it open.
    """
    if not differences or margin <= 0:
        raise SoftlabError(f"an equivalence needs at least one interval and a margin above 0, not {margin}")

    def side(interval: Interval) -> int:
        inside = -margin < interval.low and interval.high < margin
        outside = interval.low > margin or interval.high < -margin
        return int(inside) - int(outside)

    return _agreement(differences, side)


def exceedance(differences: Mapping[str, Interval], margin: float) -> str:
    """The verdict on a claim of an effect larger than `margin` > 0, by the same rules.

    An interval above the margin speaks for the claim, one inside ± margin or below against it; others leave it open.
    """
    if not differences or margin <= 0:
        raise SoftlabError(f"an exceedance needs at least one interval and a margin above 0, not {margin}")
    return _agreement(differences, lambda interval: int(interval.low > margin) - int(interval.high < margin))


def _agreement(differences: Mapping[str, Interval], side: Callable[[Interval], int]) -> str:
    """The verdict where `side` is +1 for an interval that speaks for the claim, -1 against, 0 for one that is open."""
    if any(interval.n < 2 for interval in differences.values()):
        return "no verdict"
    sides = {side(interval) for interval in differences.values()}
    if sides == {1}:
        return "supported"
    if sides == {-1}:
        return "contradicted"
    return "mixed" if -1 in sides else "undecided"


@dataclass(frozen=True)
class Evidence:
    """One number for one network: what a claim's statistic is there. `variant`: which version of the statistic."""

    claim: str
    method: str
    seed: int
    value: float
    variant: str = ""


@dataclass(frozen=True)
class Judgement:
    """What the evidence says about a claim: the interval per method that was judged, and the verdict."""

    claim: str
    variant: str
    verdict: str
    intervals: Mapping[str, Interval]


@dataclass
class Ledger:
    """A chapter's evidence and its verdicts; `save` leaves them beside the executed notebook."""

    chapter: str
    profile: str
    evidence: list[Evidence] = field(default_factory=list)
    judgements: list[Judgement] = field(default_factory=list)

    def judge(
        self,
        claim: str,
        values: Mapping[str, Mapping[int, float]],
        side: int = 1,
        variant: str = "",
        margin: float | None = None,
        against: Mapping[str, Mapping[int, float]] | float | None = None,
        methods: Sequence[str] | None = None,
        beyond: float | None = None,
    ) -> Judgement:
        """Record a statistic per method and seed, and judge it by its paired differences.

        values: method -> {seed: value}.  side: +1 for a claimed rise, -1 for a fall.  margin: a claim of no difference
        beyond ± margin instead.  beyond: a claim of a rise by more than this instead.  against: what each method is
        compared with, values or one number (None: `baseline` of values); only the seeds that both have count.
        methods: those that the claim names (None: all); others are recorded, not judged.
        """
        if against is None:
            _need_baseline(values)
            against = {name: values["baseline"] for name in values if name != "baseline"}
        elif not isinstance(against, Mapping):
            against = {name: dict.fromkeys(by_seed, against) for name, by_seed in values.items()}
        self.evidence += [
            Evidence(claim, method, seed, float(value), variant)
            for method, by_seed in values.items()
            for seed, value in by_seed.items()
        ]
        intervals = {}
        for method, other in against.items():
            seeds = [seed for seed in values[method] if seed in other]
            intervals[method] = paired_interval([values[method][s] for s in seeds], [other[s] for s in seeds])
        judged = {name: one for name, one in intervals.items() if methods is None or name in methods}
        if beyond is not None:
            found = exceedance(judged, beyond)
        else:
            found = verdict(judged, side) if margin is None else equivalence(judged, margin)
        judgement = Judgement(claim, variant, found, intervals)
        self.judgements.append(judgement)
        return judgement

    def save(self, path: str | Path | None = None) -> Path:
        """Write everything as JSON: to `path`, else to SOFTLAB_RESULTS, else to CHAPTER.results.json in this folder."""
        from softlab.files import write_json
        from softlab.provenance import commit

        path = Path(path or os.environ.get("SOFTLAB_RESULTS") or f"{self.chapter}.results.json")
        verdicts = [
            {
                "claim": one.claim,
                "variant": one.variant,
                "verdict": one.verdict,
                "differences": {method: interval.as_dict() for method, interval in one.intervals.items()},
            }
            for one in self.judgements
        ]
        record = {"schema": SCHEMA, "chapter": self.chapter, "profile": self.profile, "commit": commit()}
        write_json(path, record | {"verdicts": verdicts, "evidence": [vars(one) for one in self.evidence]})
        return path
