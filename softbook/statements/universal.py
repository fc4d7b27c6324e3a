"""Universal sentences, over every recorded cell in their scope: a record made later falls into it by itself.

verdict({"scope": {"letter": "ABCDEF", "method": "cutmix"}, "of": "ECE", "rule": "all rise"})      # a Verdict

A cell is one method at one strength in one setting, scored on the same images: all its recorded networks, each less its
partner (softbook.studies.index). Its keys, beside those of every statement:
  scope     columns of the index and their values: one, several, or `at least 5760`, `at most 1000`, `above 0`,
            `without alpha_end`; a list of scopes takes what falls into any of them
  of        a quantity;  than: the partner's, if it is another one
  less      a scope: rows that take the place of plain training;  sharing: columns that both then share
  rule      all rise, all fall, all open; or most rise, … ;  but: names of the cells that do not agree with a `most`

all    no cell opposes clearly (its 95 % interval over seeds lies on the other side of zero), and the pooled effect,
       the mean over cells, agrees clearly
most   more than half of the cells agree clearly, and each of the others is named

A cell opposes, too, if a training in it failed, or if an attack leaves plain training less than LEAST_LEFT: there no
method has much to change. A cell with one pair has no interval: it can oppose in these two ways only.
`open` says that no difference can be told: a cell opposes it by differing clearly, and agrees if it does not.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from softbook.studies import index
from softbook.studies.judge import KNOWN
from softlab.comparison.intervals import OPEN, Interval, t_interval, t_quantile
from softlab.errors import check_known

Spec = Mapping[str, Any]
KEYS = {"scope", "of", "than", "less", "sharing", "rule", "but"}
RULES = {f"{quantifier} {word}" for quantifier in ("all", "most") for word in ("rise", "fall", "open")}
SIDES = {"rise": 1, "fall": -1, "open": 0}
LEAST_LEFT = 0.05  # accuracy of plain training under attack
CELL = ["setting", "tested", "method", "parameters"]
AGREES = "agrees"
OPPOSES = "opposes"
UNDECIDED = "undecided"
FAILED = "training failed"
FLOOR = "at the floor"
ONE_PAIR = "one pair"


@dataclass(frozen=True)
class Cell:
    """What one method at one strength does in one setting.

    name: setting, method and, where it is not the usual one, strength.  change: over seeds, in the units in which the
    book writes the quantity.  word: AGREES, OPPOSES, UNDECIDED, FAILED, FLOOR or ONE_PAIR.
    """

    name: str
    change: Interval
    word: str

    @property
    def breaks(self) -> bool:
        return self.word in (OPPOSES, FAILED, FLOOR)


@dataclass(frozen=True)
class Verdict:
    """Whether a sentence holds, and on what.  pooled: the mean over cells, in the book's units."""

    holds: bool
    cells: tuple[Cell, ...]
    pooled: Interval

    @property
    def opposing(self) -> list[Cell]:
        """The cells that break it, or would if it spoke of all."""
        return [cell for cell in self.cells if cell.breaks]


def verdict(spec: Spec) -> Verdict:
    """A sentence's verdict over all that is on record.  Raises SoftlabError for an unknown rule, column or quantity."""
    check_known("rule over all cells", spec["rule"], RULES)
    return judged(spec, pairs(spec))


def pairs(spec: Spec) -> pandas.DataFrame:
    """The rows of the index in a sentence's scope that have a partner, with the change of its quantity.

    Failed is a row whose own training failed or its partner's; one that failed itself needs no partner.
    """
    found = index.index()
    failed = found.loc[found["failed"], "id"]
    if "less" in spec:
        others = found.loc[_in_scope(found, spec["less"])]
        found = index.with_partner(found, others, spec.get("sharing", ()))
    found = found.loc[_in_scope(found, spec["scope"])]
    found = found.assign(failed=found["failed"] | found["partner"].isin(failed))
    found = found.loc[(found["partner"].notna() | found["failed"]) & (found["partner"] != found["id"])]
    return index.with_quantity(found, spec["of"], spec.get("than", ""))


def _in_scope(rows: pandas.DataFrame, scope: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> np.ndarray:
    """Which rows a scope, or any of several, takes: (rows,) of bool."""
    if not isinstance(scope, Mapping):
        return np.any([_in_scope(rows, one) for one in scope], axis=0)
    taken = np.ones(len(rows), bool)
    for column, value in scope.items():
        check_known("column of the index", column, rows.columns)
        taken &= _has(pandas.Series(rows[column]), value)
    return taken


BOUNDS: Mapping[str, Callable[[pandas.Series, str], pandas.Series]] = {
    "at least": lambda column, bound: column >= float(bound),
    "at most": lambda column, bound: column <= float(bound),
    "above": lambda column, bound: column > float(bound),
    "without": lambda column, text: ~column.str.contains(text, regex=False),
}


def _has(column: pandas.Series, value: Any) -> np.ndarray:
    """Which entries of a column are as a scope says."""
    if column.name == "letter":
        return column.isin(list(value)).to_numpy()
    if isinstance(value, list):
        return column.isin(value).to_numpy()
    words, _, bound = str(value).rpartition(" ")
    if words in BOUNDS:
        return BOUNDS[words](column, bound).to_numpy(bool)
    return (column == value).to_numpy()


def judged(spec: Spec, rows: pandas.DataFrame) -> Verdict:
    """A sentence's verdict on these rows, as from `pairs`."""
    quantifier, word = spec["rule"].split()
    cells = []
    for _, some in rows.groupby(CELL, sort=False):
        cell = _cell(spec["of"], SIDES[word], some)
        if cell.change.n or cell.word == FAILED:
            cells.append(cell)
    pooled = mean_over([cell.change for cell in cells])
    if quantifier == "all":
        holds = bool(cells) and not any(cell.breaks for cell in cells) and pooled.side() == SIDES[word]
    else:
        holds = _most_agree(cells, spec.get("but", ()))
    return Verdict(holds, tuple(cells), pooled)


def _most_agree(cells: Sequence[Cell], named: Sequence[str]) -> bool:
    """Do more than half of the cells agree, and is each of the others named?"""
    agreeing = sum(cell.word == AGREES for cell in cells)
    others = {cell.name for cell in cells if cell.word not in (AGREES, ONE_PAIR)}
    return agreeing > len(others) and others <= {*named}


def _cell(quantity: str, side: int, rows: pandas.DataFrame) -> Cell:
    measured = rows.loc[np.isfinite(rows["change"].to_numpy(float))]
    measured = measured.loc[~measured.duplicated("seed")]  # a pair of networks that stands in several tables
    change = t_interval(measured["change"].to_numpy(float)) if len(measured) else OPEN
    change = change.scaled(KNOWN[quantity].factor)
    word = {0: UNDECIDED, side: AGREES}.get(change.side(), OPPOSES)
    if rows["failed"].to_numpy(bool).any():
        word = FAILED
    elif quantity.startswith("robust") and measured["other"].mean() < LEAST_LEFT:
        word = FLOOR
    elif change.n < 2:
        word = ONE_PAIR
    return Cell(name_of(rows.iloc[0].to_dict()), change, word)


def mean_over(changes: Sequence[Interval]) -> Interval:
    """The mean over cells, each counting once, with its 95 % interval over the seeds within them.

    Degrees of freedom after Satterthwaite.  Cells of one pair are left out: they have no spread.
    """
    known = [one for one in changes if one.n > 1]
    if not known:
        return OPEN
    errors = np.array([(one.half_width / t_quantile(one.n - 1)) ** 2 for one in known])
    free = np.array([one.n - 1 for one in known])
    mean = float(np.mean([one.mean for one in known]))
    together = float(errors.sum())
    degrees = together**2 / float((errors**2 / free).sum()) if together else float(free.sum())
    half = t_quantile(degrees) * math.sqrt(together) / len(known)
    return Interval(mean, mean - half, mean + half, sum(one.n for one in known), degrees)


def name_of(row: Mapping[str, Any]) -> str:
    """A cell in words: its setting's letter, or what it is; its method, and its strength where that is not usual."""
    place = f"{row['data']}, {row['images']:,} images, {row['steps']:,} steps, {row['model']}-{row['width']}"
    place += "" if math.isnan(row["feature_dimension"]) else f", {row['feature_dimension']:g} features"
    place += "" if row["head"] == "linear" else f", {row['head']}"
    place += "" if row["head_bias"] == "default" else f", bias {row['head_bias']}"
    place += f", {row['label_noise']:.0%} noise" if row["label_noise"] else ""
    place += f", a long tail of {row['long_tail']:g}" if row["long_tail"] != 1 else ""
    place = row["letter"] or place
    place += f", scored on {row['tested']}" if row["tested"] else ""
    return f"{place}: {row['method']}" + ("" if row["usual"] else f" {row['parameters']}")
