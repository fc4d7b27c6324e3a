"""What the two papers say of methods, as far as it is about one number of a network: studies/papers.yml."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas

from softbook.statements import rules
from softbook.studies.across_settings import comparable
from softbook.studies.catalogue import FOLDER
from softlab.comparison.effects import Effect, effects
from softlab.comparison.intervals import Interval
from softlab.files import read_yaml

WORDS = {rules.HELD: "as it says", rules.OPEN: "open", rules.FAILED: "the opposite"}
STAYS = "within 0.02"  # what stays moves by less, in units of its lens


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
        return WORDS[rules.outcome(STAYS if self.side == "stays" else self.side, interval)]

    def read(self, tables: Mapping[str, pandas.DataFrame]) -> Iterator[tuple[str, str, Effect]]:
        """(profile, method, effect) of the methods that it is about. tables: as of records.by_profile."""
        for profile, table in comparable(tables, self.quantity).items():
            if self.against in set(table["method"]):
                found = effects(table, self.quantity, self.against)
                yield from ((profile, name, found[name]) for name in self.methods if name in found and found[name].ids)

    def lines(self, tables: Mapping[str, pandas.DataFrame]) -> list[str]:
        """The sentence in full, line by line, and what each table says of it."""
        found = [f"{self.id} ({self.paper}; {self.chapter}): {self.says}", f"  {self.quantity} {self.side}"]
        for profile, method, effect in self.read(tables):
            found.append(f"  {profile:18} {method:16} {effect!s:16} {self.outcome(effect.interval)}")
        return found


@functools.cache
def papers() -> dict[str, Said]:
    """All that papers.yml has, in its order."""
    return {name: Said(name, **entry) for name, entry in read_yaml(FOLDER / "papers.yml").items()}


def readings(
    sentences: Iterable[Said], tables: Mapping[str, pandas.DataFrame]
) -> Iterator[tuple[Said, str, str, Effect]]:
    """(sentence, profile, method, effect) of all that is on record for each of the sentences."""
    for one in sentences:
        yield from ((one, *found) for found in one.read(tables))
