"""Several networks on the same images: what each is, and how they differ, with intervals over images.

seen = compare({"mine": [examine(mine, images, labels)], "theirs": [examine(theirs, images, labels)]})
seen.save("both.html")   # differences are to the first

Networks of one method, which differ by their seeds only, stand under one name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas
import torch

from softlab.comparison.intervals import Interval, t_interval, two_way_interval
from softlab.errors import SoftlabError
from softlab.inspector import pages
from softlab.inspector.context import beside
from softlab.inspector.examination import Examination
from softlab.inspector.sentences import by_side, not_computed
from softlab.lenses import calibration
from softlab.numbers.quantities import QUANTITIES

# What is said of the many: right, likely, calibrated, then how sure, how steep, how far, and under attack.
MAIN = ("accuracy", "NLL at T", "ECE", "mean confidence", "log margin", "log slope", "log first-order radius")
MAIN += ("robust, 1/255", "robust, 4/255")
STRIPS = 3  # methods that have their strips on the page


@dataclass(frozen=True)
class Comparison:
    """Networks by method, name -> what was said of each; all were scored on the same images, differences are to the
    first method."""

    methods: Mapping[str, Sequence[Examination]]

    @property
    def first(self) -> str:
        return next(iter(self.methods))

    def values(self, quantity: str, method: str) -> list[float]:
        """A quantity of each network of a method, in the units of its lens; NaN where it is not there."""
        return [one.numbers.get(quantity, np.nan) for one in self.methods[method]]

    def difference(self, quantity: str, method: str) -> Interval | None:
        """A method minus the first, in the units of the quantity's lens; None where it is no mean over images.

        Over seeds and images where both have the same number of networks, at least two, which are paired in their
        order; else over images: what holds for just these networks.
        """
        parts = [[_terms(one, quantity) for one in self.methods[name]] for name in (method, self.first)]
        if any(terms is None for part in parts for terms in part):
            return None
        own, other = (np.stack(part) for part in parts)  # pyright: ignore[reportArgumentType, reportCallIssue]
        if len(own) == len(other) > 1:
            return two_way_interval(own - other)
        return t_interval(own.mean(0) - other.mean(0))

    def findings(self) -> list[str]:
        """A few sentences on each method beside the first, none of which says more than its interval."""
        sizes = ", ".join(f"{name} ({len(some)})" for name, some in self.methods.items())
        count = len(self.methods[self.first][0].tested.labels)
        texts = [f"Networks of each method, scored on the same {count} images: {sizes}."]
        for method in list(self.methods)[1:]:
            changes = {
                name: (moved.side(), f"{QUANTITIES[name].changed} {_shown(name, moved)}")
                for name in MAIN
                if (moved := self.difference(name, method))
            }
            texts.append(f"{method}, minus {self.first}. {' '.join(by_side(changes))}")
        if len(self.methods) > 1:
            texts.append(self._intervals())
        networks = [(name, one) for name, some in self.methods.items() for one in some]
        notes = dict.fromkeys(note for _, one in networks for note in one.notes)
        failed = not_computed((f"{name}, {lens}", why) for name, one in networks for lens, why in one.problems.items())
        warned = dict.fromkeys(f"Warning, {name}: {text}." for name, one in networks for text in one.warnings)
        return [*texts, *notes, *failed, *warned]

    def _intervals(self) -> str:
        """Over what the intervals are."""
        sizes = {len(some) for some in self.methods.values()}
        if sizes == {1}:
            one = "another network of the same recipe could differ by more. Train several, and give a folder of each"
            return f"Intervals (95 %) are over images: {one}."
        both = (
            "Intervals (95 %) are over seeds and images where methods have equally many networks, paired in the order "
        )
        return both + "of their files' names; else over images, of just these networks."

    def table(self) -> pandas.DataFrame:
        """Every number by chapter: of each method its mean, ± over seeds where there are several, and differences."""
        rows: dict[tuple[str, str], dict[str, str]] = {}
        for name, quantity in QUANTITIES.items():
            if not any(name in one.numbers for some in self.methods.values() for one in some):
                continue
            cells = rows[quantity.group, quantity.label] = {}
            for method in self.methods:
                values = np.array(self.values(name, method))
                whole = np.isfinite(values).all()
                cells[method] = t_interval(values).scaled(quantity.factor).text(quantity.digits) if whole else "–"
                moved = None if method == self.first else self.difference(name, method)
                if moved:
                    arrow = {1: " ↑", -1: " ↓", 0: ""}[moved.side()]
                    cells[f"{method} − {self.first}"] = f"{_shown(name, moved)}{arrow}"
        from softlab.figures.tables import table

        return table(rows, corner=["about", "quantity"]).T

    def save(self, path: str | Path) -> Path:
        """Write all of it as one self-contained HTML page, to a file that ends in .html."""
        parts: list[pages.Part] = [*self.findings()]
        for method, some in list(self.methods.items())[:STRIPS]:
            means = {name: float(np.mean(self.values(name, method))) for name in some[0].numbers}
            if strips := beside(means, some[0].tested.logits.shape[1], some[0].channels):
                parts += [f"{method}, among the networks on record:", strips]
        parts += ["All numbers; an arrow where the interval of a difference excludes zero:", self.table()]
        parts.append(pages.made())
        return pages.save_page(path, f"{' and '.join(self.methods)}: what differs", parts)

    def _repr_html_(self) -> str:
        return pages.to_html([*self.findings(), self.table()])


def compare(examined: Mapping[str, Sequence[Examination]]) -> Comparison:
    """Networks that were examined on the same images, by method.

    Raises SoftlabError for fewer than two, for a method without any, and where images or their order differ.
    """
    networks = [(name, one) for name, some in examined.items() for one in some]
    empty = [name for name, some in examined.items() if not some]
    if empty or len(networks) < 2:
        raise SoftlabError(
            f"a comparison takes two networks at least, not {len(networks)}{f': {empty[0]} has none' if empty else ''}"
        )
    labels = networks[0][1].tested.labels
    for name, one in networks:
        if not torch.equal(one.tested.labels, labels):
            raise SoftlabError(f"{name} was scored on other images than {networks[0][0]}: give the same, in one order")
    return Comparison(dict(examined))


def _shown(quantity: str, moved: Interval) -> str:
    """A difference with its sign and its interval, in the units in which the quantity is written."""
    return moved.scaled(QUANTITIES[quantity].factor).text(QUANTITIES[quantity].digits, sign=True)


def _terms(one: Examination, quantity: str) -> np.ndarray | None:
    """(N,): what a network's quantity is the mean of over images; None if it is no such mean."""
    if quantity == "ECE":  # with the side that each of its bins is on held fixed
        return calibration.signed_terms(one.tested.confidence, one.tested.credit).numpy()
    found = one.images.get(QUANTITIES[quantity].images)
    return None if found is None or quantity not in one.numbers else np.asarray(found, dtype=float)
