"""The laws of `laws.yml`: what the book says in one sentence each, and the one contrast that judges it.

laws()["cones"].effect()        # of the record that the law names: an effects.Effect, or None before it is recorded
judged()                        # {law: (effect, side, Holm's p)} of those whose contrast is on record
papers()                        # what the two papers say, each as one number of a network
"""

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas

from softbook.studies import prediction, records
from softbook.studies.across_settings import comparable
from softbook.studies.catalogue import study_profile
from softbook.studies.robustness import cells_of, effect_apart
from softlab.comparison.effects import Effect, effects, half_way, ways
from softlab.comparison.intervals import Interval, Number, holm, t_interval
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
    """The laws of one group, in the order of the file. "slope": those of margin over slope (margin_laws.py)."""
    every = {name: Law(name, **entry) for name, entry in read_yaml(Path(__file__).with_name("laws.yml")).items()}
    return {name: law for name, law in every.items() if law.group == group}


def judged() -> dict[str, tuple[Effect, bool, float]]:
    """Of each law whose contrast has several seeds on record: the effect, whether it holds, and Holm's p.

    Holm's correction goes over all empirical laws; those not on record count as if they had said nothing.
    """
    effects_of = {name: law.effect() for name, law in laws().items()}
    found = {name: one for name, one in effects_of.items() if one is not None and one.interval.n > 1}
    silent = sum(law.kind == "empirical" for law in laws().values()) - len(found)
    p_values = holm([effect.interval.p_value() for effect in found.values()] + [1.0] * silent)[: len(found)]
    return {
        name: (effect, effect.interval.side() == (1 if laws()[name].side == "rises" else -1), p)
        for (name, effect), p in zip(found.items(), p_values, strict=True)
    }


def verdict(name: str, among: Mapping[str, tuple[Effect, bool, float]]) -> str:
    """`as declared`, `open` or `the opposite of what was declared`, by the number alone. among: as of judged."""
    effect, holds, p = among[name]
    law = laws()[name]
    seeds = len(study_profile(load_profile(law.profile), law.study).seeds)
    if effect.interval.n < seeds:
        return f"not judged before all {seeds} seeds are on record ({effect.interval.n} are)"
    if p >= 0.05 or not effect.interval.side():
        return "open"
    return "as declared" if holds else "the opposite of what was declared"


def became(name: str, among: Mapping[str, tuple[Effect, bool, float]], write: Callable = str) -> str:
    """What its contrast says of a law; empty where that is not on record with several seeds. write: of a number."""
    if name not in among or among[name][0].interval.n < 2:
        return ""
    effect, _, p = among[name]
    law = laws()[name]
    sure = f"p = {p:.3g}" if p >= 0.001 else "p < 0.001"
    where = load_profile(law.profile).description if law.study == "core" else f"study {law.study}, {law.profile}"
    said = f"One number judges it, {law.judges()}: {write(law.text(effect))} ({where}; {sure} after Holm’s correction "
    return f"{said}over the laws), **{verdict(name, among)}**. {law.but}".strip()
