"""The laws of `laws.yml`: what the book says in one sentence each, and the one contrast that judges it.

laws()["cones"].effect()        # of the record that the law names: an effects.Effect, or None before it is recorded
judged()                        # {law: (effect, side, Holm's p)} of those whose contrast can be read from the record
papers()                        # what the two papers say, each as one number of a network
"""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pandas

from softlab import records
from softlab.effects import Effect, effects
from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.intervals import Interval, holm
from softlab.profile import load_profile, study_profile
from softlab.provenance import PACKAGE
from softlab.quantities import QUANTITIES
from softlab.robustness import cells_of, effect_apart
from softlab.scales import comparable


@dataclass(frozen=True)
class Law:
    """A sentence and its contrast; see the head of laws.yml. contrast: empty where it is a plain effect."""

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

    def __post_init__(self):
        check_known("kind of law", self.kind, ("empirical", "theorem", "identity"))
        if self.kind == "empirical":
            check_known("quantity", self.quantity, QUANTITIES)
            check_known("side", self.side, ("rises", "falls"))
        for quantity in self.variants:
            check_known("quantity", quantity, QUANTITIES)

    def effect(self) -> Effect | None:
        """The effect that judges the law, from the record; None where it is none, or not recorded yet."""
        if self.corners:
            return self._between_corners()
        table = records.scales(self.study).get(self.profile)
        if self.kind != "empirical" or self.contrast or table is None:
            return None
        for column, value in self.where.items():
            table = table.loc[table[column] == value]
        return effects(table, self.quantity, self.against).get(self.method)

    def _between_corners(self) -> Effect | None:
        """The effect at the first corner minus that at the second."""
        cells = cells_of(self.profile)
        here, there = (cells.get((images, steps)) for images, steps in self.corners)
        if here is None or there is None:
            return None
        return effect_apart(here, there, self.quantity, self.method, self.against)


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

    def __post_init__(self):
        check_known("quantity", self.quantity, QUANTITIES)
        check_known("side", self.side, ("rises", "falls", "stays"))

    def outcome(self, interval: Interval) -> str:
        """`as it says`, `the opposite` or `open`, from the whole of an effect's interval."""
        if self.side == "stays":
            if interval.low > -STAYS and interval.high < STAYS:
                return "as it says"
            return "the opposite" if interval.low > STAYS or interval.high < -STAYS else "open"
        side = interval.side() * (1 if self.side == "rises" else -1) if interval.n > 1 else 0
        return {1: "as it says", 0: "open", -1: "the opposite"}[side]

    def read(self, tables: Mapping[str, pandas.DataFrame]) -> Iterator[tuple[str, str, Effect]]:
        """(scale, method, effect) of the methods that it is about. tables: by scale, as of records.scales."""
        for scale, table in comparable(tables, self.quantity).items():
            if self.against in set(table["method"]):
                found = effects(table, self.quantity, self.against)
                yield from ((scale, name, found[name]) for name in self.methods if name in found and found[name].ids)


@functools.cache
def papers() -> dict[str, Said]:
    """All that papers.yml has, in its order."""
    return {name: Said(name, **entry) for name, entry in read_yaml(PACKAGE / "papers.yml").items()}


@functools.cache
def laws() -> dict[str, Law]:
    """All laws, in the order of the file."""
    found = {}
    for name, entry in read_yaml(PACKAGE / "laws.yml").items():
        try:
            found[name] = Law(name, **entry)
        except TypeError as error:
            raise SoftlabError(f"law {name}: {error}") from None
    return found


def judged() -> dict[str, tuple[Effect, bool, float]]:
    """Of each law whose contrast has several seeds on record: the effect, whether it holds, and Holm's p.

    Holm's correction goes over all empirical laws: those whose contrast is not on record, or is judged in a chapter,
    count as if they had said nothing.
    """
    effects_of = {name: law.effect() for name, law in laws().items()}
    found = {name: one for name, one in effects_of.items() if one is not None and one.interval.n > 1}
    silent = sum(law.kind == "empirical" for law in laws().values()) - len(found)
    p_values = holm([effect.interval.p_value() for effect in found.values()] + [1.0] * silent)[: len(found)]
    return {
        name: (effect, effect.interval.side() == (1 if laws()[name].side == "rises" else -1), p)
        for (name, effect), p in zip(found.items(), p_values, strict=True)
    }


def became(name: str, among: Mapping[str, tuple[Effect, bool, float]], write: Callable = format) -> str:
    """What its contrast says of a law; empty where that is not on record with several seeds. among: as of judged.

    write: gives the text of an effect and a format.
    """
    if name not in among or among[name][0].interval.n < 2:
        return ""
    (effect, holds, p), law = among[name], laws()[name]
    sure = f"p = {p:.3g}" if p >= 0.001 else "p < 0.001"
    seeds = len(study_profile(load_profile(law.profile), law.study).seeds)
    if effect.interval.n < seeds:
        verdict = f"not judged before all {seeds} seeds are on record ({effect.interval.n} are)."
    elif p >= 0.05 or not effect.interval.side():
        verdict = "open."
    else:
        verdict = "as declared." if holds else "the opposite of what was declared."
    where = load_profile(law.profile).description if law.study == "core" else f"study {law.study}, {law.profile}"
    against = "" if law.against == "baseline" else f" against {law.against.replace('_', ' ')}"
    return (
        f"One number judges it, {law.contrast or 'the change'} of {QUANTITIES[law.quantity].changed} with "
        f"{law.method.replace('_', ' ')}{against}: {write(effect, '+')} ({where}; "
        f"{sure} after Holm’s correction over the laws), {verdict}"
    )
