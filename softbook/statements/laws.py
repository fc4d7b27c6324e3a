"""The laws of studies/laws.yml: what the book says in one sentence each, what judges it, and what became of it.

laws()["cones"]                 # a Law
judged()                        # {law: Judgement} of a group, with Holm's correction over it
elsewhere()                     # the estimate from one gradient in other settings: {setting: margins.Setting}

What a law is judged by is a statement of declared.yaml, of its name. A law of the chapters has one contrast. One of the
group `slope` has several parts, and holds if each has all of its interval on the declared side: so the chance that it
holds by accident is at most the largest p of its parts (an intersection of tests, Berger 1982).
"""

import functools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from softbook.statements import rules, values
from softbook.statements.engine import statement
from softbook.studies import another_slope, margins, records
from softbook.studies.catalogue import FOLDER, study_profile
from softbook.studies.robustness import cells_of, per_doubling
from softlab.comparison.intervals import Interval, Number, holm
from softlab.files import read_yaml
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile

PENDING = "pending"
WORDS = {rules.HELD: "as declared", rules.OPEN: "open", rules.FAILED: "the opposite of what was declared"}
LARGEST_ELSEWHERE = 3.0  # points, of the estimate in other settings
ESTIMATED = {"fashion-heldout": "4/255", "cifar10-jpeg-flip": "1/255", "cifar10-papers": "0.4/255"}


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
    variants: tuple[str, ...] | list[str] = ()  # other defensible quantities for the same sentence
    group: str = ""  # of laws that share a correction; empty: those that `judged` is about
    digits: int | None = None
    but: str = ""

    def text(self, value: Interval) -> Number:
        """The number that judges, with its sign."""
        digits = QUANTITIES[self.quantity].digits if self.digits is None else self.digits
        return value.text(digits, sign=True)

    def judges(self) -> str:
        """What the number is, in words: `the change of NLL with label smoothing`."""
        of = "" if self.digits is not None else f" of {QUANTITIES[self.quantity].changed}"
        against = "" if self.against == "baseline" else f" against {self.against.replace('_', ' ')}"
        method = f" with {self.method.replace('_', ' ')}{against}" if self.method else ""
        return f"{self.contrast or 'the change'}{of}{method}"

    def networks(self) -> int:
        """How many its record is to have."""
        return len(study_profile(load_profile(self.profile), self.study).experiments())

    def seeds(self) -> int:
        return len(study_profile(load_profile(self.profile), self.study).seeds)


@functools.cache
def laws(group: str = "") -> dict[str, Law]:
    """The laws of one group, in the order of the file. "slope": those of margin over slope."""
    every = {name: Law(name, **entry) for name, entry in read_yaml(FOLDER / "laws.yml").items()}
    return {name: law for name, law in every.items() if law.group == group}


@dataclass(frozen=True)
class Part:
    """One thing that has to hold: a rule of an interval."""

    what: str
    value: Interval
    rule: str

    @property
    def outcome(self) -> int:
        """rules.HELD, rules.FAILED if the opposite holds, else rules.OPEN."""
        return rules.outcome(self.rule, self.value)

    @property
    def declared(self) -> str:
        """Where all of the interval was to be, in words: "above 0"."""
        name, numbers = rules.parsed(self.rule)
        where = {"rises": "above", "falls": "below", "differs": "beside"}.get(name, name)
        return f"{where} {numbers[0] if numbers else 0:g}"


@dataclass(frozen=True)
class Judgement:
    """What became of a law.

    parts: empty where its record does not exist or is not complete.  p: corrected.  seeds: how many it was to have,
    where fewer are on record.
    """

    law: str
    parts: tuple[Part, ...]
    p: float = math.nan
    seeds: int = 0

    @property
    def outcome(self) -> int:
        """rules.HELD, rules.OPEN, or rules.FAILED if the opposite of one of its parts holds."""
        found = min(part.outcome for part in self.parts)
        return rules.OPEN if found == rules.HELD and self.p >= 0.05 else found

    @property
    def verdict(self) -> str:
        """`pending`, `as declared`, `open`, or `the opposite of what was declared` (of one of its parts)."""
        if not self.parts:
            return PENDING
        if self.seeds:
            there = self.parts[0].value.n
            return f"not judged before all {self.seeds} seeds are on record ({there} are)"
        return WORDS[self.outcome]


def judged(group: str = "") -> dict[str, Judgement]:
    """Every empirical law of a group, in the order of laws.yml; those that are pending count in Holm's correction."""
    found = [_judged(law) for law in laws(group).values() if law.kind == "empirical"]
    p_values = holm([one.p for one in found])
    return {one.law: replace(one, p=p) for one, p in zip(found, p_values, strict=True)}


def _judged(law: Law) -> Judgement:
    """A law with its p as it is before the correction: 1 where nothing is on record."""
    parts = tuple(_parts(law)) if _is_recorded(law) else ()
    p = max((rules.p_value(part.rule, part.value) for part in parts), default=1.0)
    if law.group or not parts:
        return Judgement(law.id, parts, p)
    (part,) = parts
    fewer = law.seeds() if part.value.n < law.seeds() else 0
    return Judgement(law.id, parts, part.value.p_value(), fewer)


def _is_recorded(law: Law) -> bool:
    """Is its record there; for a law of several parts: as a whole?"""
    if law.study == "slope_by_hand":
        networks = 2 * len(margins.SEEDS)  # plain and label-smoothed ones, each at every slope
        return len(another_slope.recorded(law.profile)) >= networks * len(another_slope.TAUS)
    table = records.by_profile(law.study).get(law.profile)
    return table is not None and (not law.group or len(table) >= law.networks())


def _parts(law: Law) -> list[Part]:
    """What a law asks: its own contrast, or the parts of its statement."""
    spec = statement(f"declared.{law.id}").spec
    if "parts" not in spec:
        value = values.value_of(spec)
        return [Part(law.judges(), value, spec["rule"])] if value.n > 1 else []
    found = [(part, value) for part in spec["parts"] for value in values.each_of(part)]
    return [Part(_name(part, value), value, part["rule"]) for part, value in found]


def _name(part: Mapping, value: Interval) -> str:
    return part.get("what", value.origin.what if value.origin else "")


def became(name: str, among: Mapping[str, Judgement], write: Callable = str) -> str:
    """What its contrast says of a law; empty where that is not on record with several seeds. write: of a number."""
    if name not in among or not among[name].parts:
        return ""
    law = laws()[name]
    p = among[name].p
    sure = f"p = {p:.3g}" if p >= 0.001 else "p < 0.001"
    where = load_profile(law.profile).description if law.study == "core" else f"study {law.study}, {law.profile}"
    number = write(law.text(among[name].parts[0].value))
    judges = f"One number judges it, {law.judges()}: {number} ({where}; {sure} after Holm’s correction over the laws)"
    return f"{judges}, **{among[name].verdict}**. {law.but}".strip()


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
    return WORDS[rules.HELD] if setting.error < LARGEST_ELSEWHERE else "fails"


def lines(name: str) -> list[str]:
    """A law in full, line by line: its sentence, what judges it, its parts, and what became of it."""
    if name in laws():
        law = laws()[name]
        return [f"{name} ({law.chapter}): {law.law}", f"  {became(name, judged()) or law.contrast or law.kind}"]
    law = laws("slope")[name]
    heading = [f"{name} ({law.chapter}): {law.law}", f"  {law.contrast}"]
    judgement = judged("slope").get(name)
    if judgement is None:
        found = {"estimate-elsewhere": _settings_in_lines, "passes": _doublings_in_lines}[name]()
        return [*heading, *(found or [f"  {law.kind}: nothing is on record"])]
    parts = [
        f"  {part.what}: {part.value.text(2, sign=True)}, declared to be {part.declared}" for part in judgement.parts
    ]
    sure = f" (p = {judgement.p:.2g})" if judgement.parts else ""
    return [*heading, *parts, f"  {judgement.verdict}{sure}"]


def _settings_in_lines() -> list[str]:
    return [f"  {place}: {one.error:.1f} points, {near_enough(one)}" for place, one in elsewhere().items()]


def _doublings_in_lines() -> list[str]:
    """What twice the images and twice the steps change of margin, slope and length of plain training."""
    if not (cells := cells_of("quick-confirm", again=True)):
        return []
    found = []
    for quantity in ("log margin", "log slope", "log length"):
        images, steps, _ = per_doubling(cells, "baseline", quantity)
        found.append(
            f"  {quantity}: {images.mean:+z.3f} with twice the images, {steps.mean:+z.3f} with twice the steps"
        )
    seeds = {seed for table in cells.values() for seed in table["seed"]}
    return [*found, f"  networks in each cell: {len(seeds)}"]
