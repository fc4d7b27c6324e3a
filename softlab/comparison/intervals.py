"""From one number per seed to an interval and a p value."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import special  # not stats, which takes half a second to import

from softlab.errors import SoftlabError

if TYPE_CHECKING:
    import pandas

Values = Mapping[str, Mapping[int, float]]  # {method: {seed: value}}
Intervals = Mapping[str, "Interval"]  # by method


class Number(str):
    """A number as it is written, and a note on what it is; empty if its origin is not known."""

    note: str

    def __new__(cls, text: str, note: str = ""):
        number = super().__new__(cls, text)
        number.note = note
        return number

    def removeprefix(self, prefix: str, /) -> "Number":
        return Number(super().removeprefix(prefix), self.note)


@dataclass(frozen=True)
class Origin:
    """What an interval is about: a quantity of a table; how to remake that; over how many images besides seeds.

    counts: what there are n of.
    """

    what: str
    table: str
    command: str
    images: int = 0
    counts: str = "seeds"


@dataclass(frozen=True)
class Interval:
    """A mean over n seeds and its 95 % confidence interval; with one seed the interval is infinite (none: see OPEN).

    degrees: of freedom of the t distribution behind it (None: n - 1).
    """

    mean: float
    low: float
    high: float
    n: int
    degrees: float | None = None
    origin: Origin | None = field(default=None, compare=False)

    @property
    def half_width(self) -> float:
        return self.high - self.mean

    def side(self) -> int:
        """+1 if the whole interval is above zero, -1 if below, 0 if it contains zero."""
        return int(self.low > 0) - int(self.high < 0)

    def scaled(self, factor: float) -> "Interval":
        """The interval in other units, for instance percent; a negative factor turns it around."""
        low, high = sorted((self.low * factor, self.high * factor))
        return replace(self, mean=self.mean * factor, low=low, high=high)

    def of(self, table, what: str, images: int = 0, counts: str = "seeds") -> "Interval":
        """The same interval with its origin. table: from records.py; of any other nothing is known."""
        return replace(self, origin=Origin(what, **table.attrs, images=images, counts=counts) if table.attrs else None)

    def text(self, digits: int = 1, sign: bool = False) -> Number:
        """`mean ± half width`; just the mean where n = 1, a dash where there is none."""
        if self.n == 0:
            return Number("–")
        mean = f"{self.mean:{'+' if sign else ''}z.{digits}f}"  # z: no negative zero
        return Number(mean if self.n == 1 else f"{mean} ± {self.half_width:.{digits}f}", self._note(digits))

    def _note(self, digits: int) -> str:
        """Lines that say what it is, over what, and how to remake it; empty if its origin is not known."""
        if self.origin is None:
            return ""
        said = "no interval, one seed"
        if self.n > 1:
            low, high = (f"{end:z.{digits}f}" for end in (self.low, self.high))
            said = f"95 % interval {low} to {high}, {self.n} {self.origin.counts}"
        said += f" and {self.origin.images:,} images" if self.origin.images else ""
        again = f"\nagain: {self.origin.command}" if self.origin.command else ""
        return f"{self.origin.what}: {said}\n{self.origin.table}{again}"

    def p_value(self, null: float = 0.0) -> float:
        """Two-sided p of Student's t test of mean = null, from the interval; NaN with one seed."""
        if self.half_width == 0:
            return float(self.mean == null)
        degrees = self.n - 1 if self.degrees is None else self.degrees
        standard_error = self.half_width / t_quantile(degrees)
        return float(2 * special.stdtr(degrees, -abs(self.mean - null) / standard_error))


OPEN = Interval(math.nan, -math.inf, math.inf, 0)  # where no seed has a finite value: it excludes nothing


@functools.lru_cache(maxsize=10_000)
def t_quantile(degrees: float) -> float:
    """The 97.5 % quantile of Student's t distribution."""
    return float(special.stdtrit(degrees, 0.975))


def t_interval(values: Sequence[float] | np.ndarray) -> Interval:
    """Mean and Student's 95 % interval over seeds.

    values: (n,), one per seed.  Raises SoftlabError if there is none or one is not finite.
    """
    numbers = np.asarray(values, dtype=float)
    if numbers.ndim != 1 or len(numbers) == 0 or not np.isfinite(numbers).all():
        raise SoftlabError(f"an interval needs one finite value per seed, not {list(values)}")
    mean = float(numbers.mean())
    n = len(numbers)
    if n == 1:
        return Interval(mean, -math.inf, math.inf, 1)
    half = float(t_quantile(n - 1) * numbers.std(ddof=1) / math.sqrt(n))
    return Interval(mean, mean - half, mean + half, n)


def paired_interval(values: Sequence[float], baseline: Sequence[float]) -> Interval:
    """Interval of the difference values - baseline, seed by seed: what the seeds have in common cancels.

    values, baseline: (n,), the same seeds in the same order.
    """
    if len(values) != len(baseline):
        raise SoftlabError(f"paired values must be of the same seeds, not {len(values)} and {len(baseline)}")
    return t_interval(np.asarray(values, dtype=float) - np.asarray(baseline, dtype=float))


def two_way_interval(values: Sequence[Sequence[float]] | np.ndarray) -> Interval:
    """Mean and 95 % interval if seeds and images are both drawn: it holds for other networks on other images.

    values: (n, N), a number for each of n >= 2 seeds and each of the same N >= 2 images; usually a paired difference.
    Two-way random effects, degrees of freedom after Satterthwaite. If seeds and images vary by less than chance would
    have it, the residual mean square takes the place of all three, in both (else coverage falls).
    Raises SoftlabError if there are fewer, or one is not finite.
    """
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or min(table.shape) < 2 or not np.isfinite(table).all():
        raise SoftlabError(f"an interval over seeds and images needs two of each and finite values, not {table.shape}")
    n, images = table.shape
    mean = float(table.mean())
    by_seed = table.mean(1, keepdims=True)
    by_image = table.mean(0, keepdims=True)
    parts = (by_seed - mean, n - 1, images), (by_image - mean, images - 1, n)
    seeds, pictures = (times * float((part**2).sum()) / free for part, free, times in parts)
    rest = float(((table - by_seed - by_image + mean) ** 2).sum()) / ((n - 1) * (images - 1))
    together = max(seeds + pictures - rest, rest)
    if together == 0:
        return Interval(mean, mean, mean, n)
    spread = seeds**2 / (n - 1) + pictures**2 / (images - 1) + rest**2 / ((n - 1) * (images - 1))
    degrees = together**2 / spread
    half = t_quantile(degrees) * math.sqrt(together / table.size)
    return Interval(mean, mean - half, mean + half, n, degrees)


def jackknife(units: "pandas.DataFrame", column: str, statistic: Callable[["pandas.DataFrame"], float]) -> Interval:
    """A statistic of all units, with the jackknife's 95 % interval over what a column names: each is left out in turn.

    units: of at least two names, of which several rows may be of one, as doses of a method are.
    """
    names = units[column].unique()
    count = len(names)
    without = np.array([statistic(units.loc[units[column] != name]) for name in names])
    error = math.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    mean = statistic(units)
    half = t_quantile(count - 1) * error
    return Interval(mean, mean - half, mean + half, count)


def between(values: Values, method: str, other: str) -> Interval:
    """Interval of one method minus another over the seeds that both have; OPEN if there is none.

    values: method -> {seed: value}.
    """
    own = values.get(method, {})
    theirs = values.get(other, {})
    seeds = [seed for seed in own if seed in theirs]
    return paired_interval([own[seed] for seed in seeds], [theirs[seed] for seed in seeds]) if seeds else OPEN


def means(values: Mapping[str, Sequence[float] | Mapping[int, float]]) -> dict[str, Interval]:
    """Mean and interval over seeds of every method. values: method -> one number per seed, or {seed: number}."""
    return {
        name: t_interval(list(by_seed.values()) if isinstance(by_seed, Mapping) else by_seed)
        for name, by_seed in values.items()
    }


def each(statistic: Callable, *values: Mapping) -> dict[str, dict[int, object]]:
    """Apply statistic to every entry of {method: {seed: value}}, or to the same entry of several such mappings."""
    return {
        method: {seed: statistic(*(mapping[method][seed] for mapping in values)) for seed in by_seed}
        for method, by_seed in values[0].items()
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """p values adjusted for a family of tests (Holm 1979): the chance of any false rejection stays below the level.

    NaN stands for no test: it stays NaN and does not count.
    """
    adjusted = list(map(float, p_values))
    largest = 0.0
    order = sorted((i for i, p in enumerate(adjusted) if not math.isnan(p)), key=adjusted.__getitem__)
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * adjusted[index]))
        adjusted[index] = largest
    return adjusted
