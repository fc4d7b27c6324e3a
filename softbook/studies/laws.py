"""The laws of `laws.yml`: what the book says in one sentence each, what judges it, and what became of it.

laws()["cones"].effect()        # of the record that the law names: an effects.Effect, or None before it is recorded
judged()                        # {law: Judgement} of a group, with Holm's correction over it
elsewhere()                     # the estimate from one gradient in other settings: {setting: margins.Setting}
papers()                        # what the two papers say, each as one number of a network
A law of the chapters is judged by one contrast. One of the group `slope` has several parts, and holds if each has all
of its interval on the declared side: so the chance that it holds by accident is at most the largest p of its parts (an
intersection of tests, Berger 1982).
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pandas

from softbook.studies import another_slope, margins, prediction, records
from softbook.studies.across_settings import comparable
from softbook.studies.catalogue import study_profile
from softbook.studies.robustness import cells_of, effect_apart
from softlab.comparison.effects import Effect, effects, half_way, ways
from softlab.comparison.intervals import OPEN as NONE
from softlab.comparison.intervals import Interval, Number, holm, jackknife, t_interval
from softlab.files import read_yaml
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile


@dataclass(frozen=True)
class Law:
    """A sentence and its contrast; see the head of laws.yml. contrast: empty where it is a plain effect.

    digits: of a contrast that is not in the quantity's units (epochs, a score).  but: where the sentence says too much.
    """

    id: str
    law: str
    chapter: str
    kind: str = "empirical"
    quantity: str = ""
    method: str = ""
    against: str = "baseline"
    study: str = "core"
    profile: str = ""
    side: str = ""
    contrast: str = ""
    where: Mapping[str, float] = field(default_factory=dict)  # of what the study's grid varies: one point
    corners: Sequence[Sequence[int]] = ()  # two cells of robustness.cells_of, images and steps, that are set apart
    variants: tuple[str, ...] | list[str] = ()  # other defensible quantities for the same sentence
    group: str = ""  # of laws that share a correction; empty: those that `judged` is about
    digits: int | None = None
    but: str = ""

    def effect(self) -> Effect | None:
        """The effect that judges the law, from the record; None where it is none, or not recorded yet."""
        if self.kind != "empirical" or (table := records.by_profile(self.study).get(self.profile)) is None:
            return None
        if self.contrast:
            return _CONTRASTS[self.id](self, table)
        for column, value in self.where.items():
            table = table.loc[table[column] == value]
        return effects(table, self.quantity, self.against).get(self.method)

    def text(self, effect: Effect) -> Number:
        """The number that judges, with its sign."""
        return effect.__format__("+") if self.digits is None else effect.interval.text(self.digits, sign=True)

    def judges(self) -> str:
        """What the number is, in words: `the change of NLL with label smoothing`."""
        of = "" if self.digits is not None else f" of {QUANTITIES[self.quantity].changed}"
        against = "" if self.against == "baseline" else f" against {self.against.replace('_', ' ')}"
        method = f" with {self.method.replace('_', ' ')}{against}" if self.method else ""
        return f"{self.contrast or 'the change'}{of}{method}"


def _between_corners(law: Law, _) -> Effect | None:
    """The effect at the first corner minus that at the second."""
    cells = cells_of(law.profile)
    here, there = (cells.get((images, steps)) for images, steps in law.corners)
    if here is None or there is None:
        return None
    return effect_apart(here, there, law.quantity, law.method, law.against)


def _beyond_half(law: Law, table: pandas.DataFrame) -> Effect:
    """Of each seed: what a tenth of the usual dose does, less half of what the usual dose does."""
    values = table.pivot(index="seed", columns="alpha", values=law.quantity)
    values = values.sub(values[0.0], axis=0)
    tenth, usual = (values[dose].to_numpy(float) for dose in (0.01, 0.1))
    return _of_seeds(law, pandas.Series(tenth - usual / 2), table)


def _turned_later(law: Law, _) -> Effect | None:
    """Of each seed: the epoch at which the cosine is half its way, less that at which the log magnitude is."""
    if (along := records.snapshots(law.study).get(law.profile)) is None:
        return None
    length, cosine = (half_way(ways(along, part)[law.method]) for part in ("log magnitude", law.quantity))
    return _of_seeds(law, pandas.Series(cosine) - pandas.Series(length), along)


def _better_than_accuracy(law: Law, table: pandas.DataFrame) -> Effect:
    """Over families: the score of the whole shape, less that of clean accuracy alone."""
    units = prediction.methods(prediction.whole(table))
    names = prediction.declared().properties, ["accuracy"]
    shape, plain = (prediction.left_out(units, one, law.quantity) for one in names)
    return Effect(law.quantity, prediction.gain(shape, plain), "families", ())


def _of_seeds(law: Law, values: pandas.Series, table: pandas.DataFrame) -> Effect:
    return Effect(law.quantity, t_interval(values.dropna().to_numpy()).of(table, law.judges()), "seeds", ())


_CONTRASTS: dict[str, Callable[[Law, pandas.DataFrame], Effect | None]] = {
    "data-or-training": _between_corners,
    "dose": _beyond_half,
    "order": _turned_later,
    "prediction": _better_than_accuracy,
}
PENDING = "pending"
HELD = "as declared"
OPEN = "open"
FAILED = "the opposite of what was declared"
LARGEST_ERROR = 2.5  # points, of the estimate
LARGEST_ELSEWHERE = 3.0  # the same, in other settings
SKILL = 0.8
WITHIN = 2.0  # points, of the share of images that keep their class
ESTIMATED = {"fashion-heldout": "4/255", "cifar10-jpeg-flip": "1/255", "cifar10-papers": "0.4/255"}
STAYS = 0.02  # what stays moves by less, in units of its lens


@dataclass(frozen=True)
class Said:
    """A sentence of a paper about methods; see the head of papers.yml."""

    id: str
    paper: str
    says: str
    quantity: str
    side: str
    chapter: str
    methods: tuple[str, ...] | list[str] = ("label_smoothing", "mixup", "cutmix", "maxsup")
    against: str = "baseline"

    def outcome(self, interval: Interval) -> str:
        """`as it says`, `the opposite` or `open`, from the whole of an effect's interval."""
        if self.side == "stays":
            if interval.low > -STAYS and interval.high < STAYS:
                return "as it says"
            return "the opposite" if interval.low > STAYS or interval.high < -STAYS else "open"
        side = interval.side() * (1 if self.side == "rises" else -1) if interval.n > 1 else 0
        return {1: "as it says", 0: "open", -1: "the opposite"}[side]

    def read(self, tables: Mapping[str, pandas.DataFrame]) -> Iterator[tuple[str, str, Effect]]:
        """(profile, method, effect) of the methods that it is about. tables: as of records.by_profile."""
        for profile, table in comparable(tables, self.quantity).items():
            if self.against in set(table["method"]):
                found = effects(table, self.quantity, self.against)
                yield from ((profile, name, found[name]) for name in self.methods if name in found and found[name].ids)


def readings(
    sentences: Iterable[Said], tables: Mapping[str, pandas.DataFrame]
) -> Iterator[tuple[Said, str, str, Effect]]:
    """(sentence, profile, method, effect) of all that is on record for each of the sentences."""
    for one in sentences:
        yield from ((one, *found) for found in one.read(tables))


@functools.cache
def papers() -> dict[str, Said]:
    """All that papers.yml has, in its order."""
    return {name: Said(name, **entry) for name, entry in read_yaml(Path(__file__).with_name("papers.yml")).items()}


@functools.cache
def laws(group: str = "") -> dict[str, Law]:
    """The laws of one group, in the order of the file. "slope": those of margin over slope."""
    every = {name: Law(name, **entry) for name, entry in read_yaml(Path(__file__).with_name("laws.yml")).items()}
    return {name: law for name, law in every.items() if law.group == group}


@dataclass(frozen=True)
class Part:
    """One thing that has to hold: all of the interval above `than` (side +1) or below it (-1); 0: on one side."""

    what: str
    interval: Interval
    side: int
    than: float = 0.0

    @property
    def outcome(self) -> int:
        """+1 if it holds, -1 if the opposite does, 0 if the interval contains `than`."""
        above = int(self.interval.low > self.than) - int(self.interval.high < self.than)
        return abs(above) if self.side == 0 else above * self.side

    @property
    def declared(self) -> str:
        """Where all of the interval was to be, in words: "above 0"."""
        where = {1: "above", -1: "below", 0: "beside"}[self.side]
        return f"{where} {self.than:g}"

    @property
    def p_value(self) -> float:
        """Two-sided; 1 where the mean is on the other side."""
        if self.side and (self.interval.mean - self.than) * self.side <= 0:
            return 1.0
        return self.interval.p_value(self.than)


@dataclass(frozen=True)
class Judgement:
    """What became of a law.

    parts: empty where its record does not exist or is not complete.  p: corrected.  effect: of a law of the chapters.
    seeds: how many it was to have, where fewer are on record.
    """

    law: str
    parts: tuple[Part, ...]
    p: float = math.nan
    effect: Effect | None = None
    seeds: int = 0

    @property
    def verdict(self) -> str:
        """`pending`, `as declared`, `open`, or `the opposite of what was declared` (of one of its parts)."""
        if not self.parts:
            return PENDING
        if self.seeds:
            there = self.parts[0].interval.n
            return f"not judged before all {self.seeds} seeds are on record ({there} are)"
        outcomes = [part.outcome for part in self.parts]
        if min(outcomes) < 0:
            return FAILED
        return HELD if min(outcomes) > 0 and self.p < 0.05 else OPEN


def judged(group: str = "") -> dict[str, Judgement]:
    """Every empirical law of a group, in the order of laws.yml; those that are pending count in Holm's correction."""
    found = [_judged(law) for law in laws(group).values() if law.kind == "empirical"]
    p_values = holm([one.p for one in found])
    return {one.law: replace(one, p=p) for one, p in zip(found, p_values, strict=True)}


def _judged(law: Law) -> Judgement:
    """A law with its p as it is before the correction: 1 where nothing is on record."""
    if law.group:
        parts = _parts(law)
        return Judgement(law.id, tuple(parts), max((part.p_value for part in parts), default=1.0))
    effect = law.effect()
    if effect is None or effect.interval.n < 2:
        return Judgement(law.id, (), 1.0)
    part = Part(law.judges(), effect.interval, 1 if law.side == "rises" else -1)
    seeds = len(study_profile(load_profile(law.profile), law.study).seeds)
    fewer = seeds if effect.interval.n < seeds else 0
    return Judgement(law.id, (part,), effect.interval.p_value(), effect, fewer)


def became(name: str, among: Mapping[str, Judgement], write: Callable = str) -> str:
    """What its contrast says of a law; empty where that is not on record with several seeds. write: of a number."""
    if name not in among or (effect := among[name].effect) is None:
        return ""
    law = laws()[name]
    p = among[name].p
    sure = f"p = {p:.3g}" if p >= 0.001 else "p < 0.001"
    where = load_profile(law.profile).description if law.study == "core" else f"study {law.study}, {law.profile}"
    said = f"One number judges it, {law.judges()}: {write(law.text(effect))} ({where}; {sure} after Holm’s correction "
    return f"{said}over the laws), **{among[name].verdict}**. {law.but}".strip()


def _parts(law: Law) -> list[Part]:
    """What a law asks, from its study's record; nothing where there is none, or it is not whole."""
    if law.study == "slope_by_hand":
        return another_slope_parts(another_slope.recorded(law.profile))
    table = records.by_profile(law.study).get(law.profile)
    if table is None or len(table) < len(study_profile(load_profile(law.profile), law.study).experiments()):
        return []
    return _PARTS[law.id](table)


def estimate_parts(table: pandas.DataFrame) -> list[Part]:
    """What `estimate` asks of the table of study `many`; nothing where a network lacks one of the three numbers."""
    if table[["estimate, 4/255", "FGSM, 4/255"]].isna().to_numpy().any():
        return []
    every = margins.estimate_units(table, "4/255")
    units = every.loc[every["method"] != "baseline"]
    plain = every.loc[every["method"] == "baseline"].iloc[0]

    def error(some: pandas.DataFrame) -> float:
        return float(np.abs(some["estimate"] - some["attacked"]).mean())

    def beyond_one_step(some: pandas.DataFrame) -> float:
        return error(some) - float(np.abs(some["one_step"] - some["attacked"]).mean())

    missed = jackknife(units, "method", error)
    beyond = jackknife(units, "method", beyond_one_step)
    explained = jackknife(units, "method", lambda some: margins.skill(some, plain))
    return [
        Part("mean of |Ê − R| (points)", missed, -1, LARGEST_ERROR),
        Part("mean of |Ê − R| less that of one step (points)", beyond, -1),
        Part("skill on differences to plain training", explained, +1, SKILL),
    ]


def split_parts(table: pandas.DataFrame) -> list[Part]:
    """What `split` asks of the core's table; nothing where one of its seeds has no margin."""
    smoothed = margins.by_normaliser(table, "label_smoothing")
    cut = margins.by_normaliser(table, "cutmix")
    if any(not of or of["raw"][0].n < len(margins.SEEDS) for of in (smoothed, cut)):
        return []
    lead = margins.changes(table, "label_smoothing", "log margin")
    slopes = margins.changes(table, "label_smoothing", "log slope")
    parts = [Part("label smoothing: Δ log g − Δ log m", t_interval(slopes - lead), +1)]
    for name in margins.NORMALISERS:
        margin, _ = smoothed[name]
        parts.append(Part(f"label smoothing: Δ log m, relative to {name}", margin, +1))
    for name in margins.NORMALISERS:
        _, slope = cut[name]
        parts.append(Part(f"CutMix: Δ log g, relative to {name}", slope, -1))
    return parts


def bias_parts(table: pandas.DataFrame) -> list[Part]:
    """What `bias-both-ways` asks of the core's table, in points; nothing where a seed has no ratio."""
    pairs = table.pivot(index="seed", columns="method", values="log bias over length")
    pairs = pairs[["baseline", "label_smoothing"]]
    if pairs.isna().to_numpy().any():
        return []
    parts = []
    for owner in ("baseline", "label_smoothing"):
        differences = []
        for seed in pairs.index:
            ratio = float(pairs.loc[[seed], owner].iloc[0])
            plain = margins.kept_at(table, "baseline", seed, ratio)
            smoothed = margins.kept_at(table, "label_smoothing", seed, ratio)
            differences.append(100 * (smoothed - plain))
        interval = t_interval(differences)
        name = "plain training" if owner == "baseline" else "label smoothing"
        parts.append(Part(f"at the ratio of {name} (points)", interval, +1, -WITHIN))
        parts.append(Part(f"at the ratio of {name} (points)", interval, -1, WITHIN))
    return parts


def another_slope_parts(table: pandas.DataFrame) -> list[Part]:
    """What `slope-by-hand` asks; nothing before each of both kinds of network is on record at every slope.

    table: of another_slope.recorded.  Only admitted doses are looked at; one that is admitted for fewer than two seeds
    leaves the law open.
    """
    origins = ("baseline", "label_smoothing")
    if len(table) < len(origins) * len(margins.SEEDS) * len(another_slope.TAUS):
        return []
    parts = []
    for origin in origins:
        of = table.loc[(table["method"] == origin) & table["admitted"]]
        robust = of.pivot(index="seed", columns="tau", values="robust, 4/255").reindex(columns=[*another_slope.TAUS])
        gains = 100 * (robust[another_slope.LOWER] - robust[another_slope.SHAM]).dropna()
        gain = t_interval(gains) if len(gains) > 1 else NONE
        parts.append(Part(f"{origin}: R at .71 of its slope less R of the sham (points)", gain, +1))
        for tau, rows in of.groupby("tau"):
            missed = 100 * (rows["estimate, 4/255"] - rows["robust, 4/255"]).abs()
            error = t_interval(missed) if len(missed) > 1 else NONE
            parts.append(Part(f"{origin} at {tau:g} of its slope: |Ê − R| (points)", error, -1, LARGEST_ERROR))
    return parts


def bound_parts(table: pandas.DataFrame) -> list[Part]:
    """What `bound-or-strength` asks of the table of its study."""
    return [
        Part("main effect of the bound minus that of the strength (points)", margins.factorial(table)["difference"], 0)
    ]


def elsewhere() -> dict[str, margins.Setting]:
    """Every setting of `estimate-elsewhere` of which something is on record.

    Where the networks of a setting are older than margins, it is judged by new ones (`core_again` and its like).
    """
    found = {f"{images:,} images × {steps:,} steps": one for (images, steps), one in margins.in_cells().items()}
    recorded = records.by_profile("core") | records.by_profile("core_again")
    for name, radius in ESTIMATED.items():
        if name in recorded and len(units := margins.estimate_units(recorded[name], radius)):
            found[name] = margins.over_methods(units)
    return found


def near_enough(setting: margins.Setting) -> str:
    """What became of the estimate in a setting: its error was to be below LARGEST_ELSEWHERE."""
    return HELD if setting.error < LARGEST_ELSEWHERE else "fails"


def told(name: str) -> list[str]:
    """A law of the group in full, line by line: its sentence, what judges it, its parts, and what became of it."""
    law = laws("slope")[name]
    judgement = judged("slope").get(name)
    lines = [f"{name} ({law.chapter}): {law.law}", f"  {law.contrast}"]
    if judgement is None:
        found = {"estimate-elsewhere": _elsewhere_told, "passes": _passes_told}[name]()
        return [*lines, *(found or [f"  {law.kind}: nothing is on record"])]
    lines += [
        f"  {part.what}: {part.interval.text(2, sign=True)}, declared to be {part.declared}" for part in judgement.parts
    ]
    return [*lines, f"  {judgement.verdict}" + (f" (p = {judgement.p:.2g})" if judgement.parts else "")]


def _elsewhere_told() -> list[str]:
    return [f"  {place}: {one.error:.1f} points, {near_enough(one)}" for place, one in elsewhere().items()]


def _passes_told() -> list[str]:
    lines = [
        f"  {quantity}: {images:+z.3f} with twice the images, {steps:+z.3f} with twice the steps"
        for quantity, (images, steps) in margins.plain_per_doubling().items()
    ]
    seeds = {seed for table in cells_of("quick-confirm", again=True).values() for seed in table["seed"]}
    return [*lines, *([f"  networks in each cell: {len(seeds)}"] if lines else [])]


_PARTS: dict[str, Callable[[pandas.DataFrame], list[Part]]] = {
    "estimate": estimate_parts,
    "split": split_parts,
    "bound-or-strength": bound_parts,
    "bias-both-ways": bias_parts,
}
