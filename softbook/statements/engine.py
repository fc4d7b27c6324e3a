"""A statement: what it is about, whether its rule holds, and how its number is written."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softbook.statements import rules, universal, values
from softlab.comparison.intervals import Interval
from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml

FOLDER = Path(__file__).parent
LAWS = FOLDER.parent / "studies" / "laws.yml"
PLAIN = "plain"
SIGNED = "signed"
SIZE = "size"  # without its sign: the words say the direction
SPREAD = "spread"  # signed, with half the width of its interval: −3.2 ± 0.9
WORDS = "words"  # no number: what stands in the page stays, as long as the rule holds
FORMS = (PLAIN, SIGNED, SIZE, SPREAD, WORDS)
JUDGED = {"rule", "requires", "word"}

DECLARED = {"about", "in", "failed", "seeds", "parts", "law"}  # of what was declared before its rows
OWN = {"form", "digits", "says"}  # keys that a repeated statement does not hand on
KEYS = universal.KEYS | values.ABOUT | values.MADE | {"any_of", "statistic", "given"} | JUDGED | DECLARED | OWN


@dataclass(frozen=True)
class Statement:
    """One entry of a page's list.  page, id: where it stands.  spec: its keys and values, those of `same as` included.

    repeats: the statement that it is the same as, if there is one, PAGE.ID.
    Raises SoftlabError for a key or a form that is not known.
    """

    page: str
    id: str
    spec: Mapping[str, Any]
    repeats: Sequence[str] = ()

    def __post_init__(self):
        for name in self.spec:
            check_known(f"key of statement {self.page}.{self.id}", name, KEYS)
        check_known(f"form of statement {self.page}.{self.id}", self.form, FORMS)
        if not (JUDGED | {"parts", "failed"}) & self.spec.keys():
            raise SoftlabError(f"statement {self.page}.{self.id} says nothing that could be false")

    @property
    def form(self) -> str:
        return self.spec.get("form", PLAIN)

    @property
    def digits(self) -> int:
        return self.spec.get("digits", 0)

    @property
    def names(self) -> list[str]:
        """The other statements that it names, PAGE.ID each."""
        required = [self.named(one) for one in self.spec.get("requires", ()) if isinstance(one, str)]
        return [*required, *self.repeats]

    def named(self, one: str) -> str:
        """PAGE.ID of what it requires by name: of its own page if the name has none."""
        return one if "." in one else f"{self.page}.{one}"

    @functools.cached_property
    def interval(self) -> Interval:
        """The value, computed once: records do not change while a program runs."""
        return self.over_cells.pooled if "scope" in self.spec else values.value_of(self.spec)

    @functools.cached_property
    def over_cells(self) -> universal.Verdict:
        """Of a universal sentence: what each cell of its scope says."""
        return universal.verdict(self.spec)

    @functools.cached_property
    def stands(self) -> bool:
        """Whether the sentence is true: its rule, and what it requires beside that."""
        return self._keeps_its_rule() and self._has_its_word() and self.requirements_stand()

    def _keeps_its_rule(self) -> bool:
        if "scope" in self.spec:
            return self.over_cells.holds
        return "rule" not in self.spec or rules.stands(self.spec["rule"], self.interval)

    def _has_its_word(self) -> bool:
        """Is the verdict on its declared contrast the word that the sentence takes?"""
        if "word" not in self.spec:
            return True
        return all(one.word == self.spec["word"] for one in values.verdicts_of(self.spec))

    def requirements_stand(self) -> bool:
        """Does what it requires beside its own rule hold?"""
        others = [self._required(one) for one in self.spec.get("requires", ())]
        return all(one.stands for one in others)

    def _required(self, one: str | Mapping[str, Any]) -> "Statement":
        if isinstance(one, str):
            return statement(self.named(one))
        return Statement(self.page, self.id, one)

    def written(self) -> str:
        mean = self.interval.mean
        number = abs(mean) if self.form == SIZE else mean
        text = f"{number:{'+' if self.form in (SIGNED, SPREAD) else ''}z.{self.digits}f}"
        text += f" ± {self.interval.half_width:.{self.digits}f}" if self.form == SPREAD else ""
        return text.replace("-", "\N{MINUS SIGN}")

    def note(self) -> str:
        """What it is, over what, and how to remake it; empty for a value put together from several."""
        value = self.interval
        if value.origin and value.low == value.high:
            return f"{value.origin.what}: a number without an interval\n{value.origin.table}"
        return value.text(self.digits + 1).note

    def lines(self) -> list[str]:
        """The statement in full, line by line: what it says, its value, whether it stands, and how to remake it."""
        rule = self.spec.get("rule", "what it requires")
        stands = "stands" if self.stands else "does not stand"
        value = self.interval.text(self.digits + 1, sign=True)
        heading = f"{self.page}.{self.id}: {self.spec.get('says', 'in the words of its page')}"
        return [heading, f"  {value}; {rule}: {stands}", *(f"  {line}" for line in self.note().splitlines())]


def pages() -> list[str]:
    """The pages that have statements, by their names without suffix."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


@functools.cache
def statements(page: str) -> Mapping[str, Statement]:
    """Those of a page, by their IDs; empty where it has none.  Raises SoftlabError where one is not well formed."""
    return {name: statement(f"{page}.{name}") for name in _entries(page)}


@functools.cache
def statement(name: str) -> Statement:
    """The statement called PAGE.ID.  Raises SoftlabError for one that is not there, with the nearest."""
    page, _, own = name.partition(".")
    check_known("page with statements", page, pages())
    check_known(f"statement of {page}", own, _entries(page))
    return _read(page, own, _entries(page)[own])


@functools.cache
def _entries(page: str) -> Mapping[str, Mapping[str, Any]]:
    path = FOLDER / f"{page}.yaml"
    return read_yaml(path) if path.exists() else {}


def _read(page: str, name: str, entry: Mapping[str, Any]) -> Statement:
    """A statement, with the keys of the one that it is the same as, or of its law, where it says nothing else."""
    if "law" in entry:
        return Statement(page, name, {**_of_law(entry["law"]), **entry})
    if "same as" not in entry:
        return Statement(page, name, entry)
    repeated = entry["same as"]
    first = statement(repeated)
    kept = {key: value for key, value in first.spec.items() if key not in OWN}
    if "requires" in kept:
        kept["requires"] = [first.named(one) if isinstance(one, str) else one for one in kept["requires"]]
    own = {key: value for key, value in entry.items() if key != "same as"}
    return Statement(page, name, kept | own, (repeated,))


def _of_law(name: str) -> dict[str, Any]:
    """What judges a law of laws.yml that is a plain effect, in the keys of a statement."""
    law = read_yaml(LAWS)[name]
    keys = {"quantity": "of", "against": "less", "profile": "at", "side": "rule"}
    keys |= {name: name for name in ("method", "study", "where")}
    return {key: law[field] for field, key in keys.items() if field in law}
