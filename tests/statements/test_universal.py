"""Universal sentences: each holds on the records or says why not, and a row that contradicts it breaks it."""

import math

import numpy as np
import pandas
import pytest

from softbook.statements.engine import pages, statements
from softbook.statements.universal import (
    AGREES,
    FAILED,
    FLOOR,
    ONE_PAIR,
    OPPOSES,
    SIDES,
    UNDECIDED,
    judged,
    mean_over,
    pairs,
    verdict,
)
from softlab.comparison.intervals import Interval, t_interval
from softlab.errors import SoftlabError

SENTENCES = statements("headlines")


def sentence(rule="all fall", quantity="ECE", **others):
    return {"of": quantity, "rule": rule, **others}


def rows(place, *changes, failed=False, other=0.5):
    """Rows of one cell, with these changes over seeds."""
    one = {"setting": place, "letter": place, "tested": "", "method": "mixup", "parameters": "", "usual": True}
    one |= {"data": "", "images": 0, "steps": 0, "model": "", "width": 0, "feature_dimension": math.nan}
    one |= {"head": "linear", "head_bias": "default", "label_noise": 0.0, "long_tail": 1.0}
    one |= {"failed": failed, "other": other}
    return [{**one, "seed": seed, "change": change} for seed, change in enumerate(changes)]


def words(found):
    return {cell.name[0]: cell.word for cell in found.cells}


def test_all_by_hand():
    """ECE in points: −1, −2, −1.5 is −1.5 ± 4.30 · .5 / √3; a cell may be undecided, and none may oppose."""
    clear = rows("A", -0.01, -0.02, -0.015) + rows("B", -0.01, 0.01, -0.01)
    found = judged(sentence(), pandas.DataFrame(clear))
    assert words(found) == {"A": AGREES, "B": UNDECIDED}
    assert found.cells[0].name == "A: mixup"
    assert found.cells[0].change.mean == pytest.approx(-1.5)
    assert found.cells[0].change.half_width == pytest.approx(1.24, abs=0.01)
    assert not found.holds, "the pooled effect is open"
    found = judged(sentence(), pandas.DataFrame(clear + rows("C", -0.05, -0.05, -0.051)))
    assert found.holds
    found = judged(sentence(), pandas.DataFrame(clear + rows("C", -0.05, -0.05, -0.051) + rows("D", 0.01, 0.011)))
    assert words(found)["D"] == OPPOSES
    assert not found.holds
    assert [cell.name for cell in found.opposing] == ["D: mixup"]


def test_most_by_hand_names_the_rest():
    cells = rows("A", -0.01, -0.011) + rows("B", -0.01, -0.011) + rows("C", 0.01, 0.011)
    assert not judged(sentence("most fall"), pandas.DataFrame(cells)).holds
    assert judged(sentence("most fall", but=["C: mixup"]), pandas.DataFrame(cells)).holds
    more = cells + rows("D", 0.01, 0.011)
    assert not judged(sentence("most fall", but=["C: mixup", "D: mixup"]), pandas.DataFrame(more)).holds


def test_one_pair_has_no_interval_but_a_failed_training_and_a_floor_break():
    known = rows("A", 0.1, 0.11, 0.12)
    robust = sentence("all rise", quantity="robust, 4/255")
    alone = judged(robust, pandas.DataFrame(known + rows("B", -0.9)))
    assert words(alone)["B"] == ONE_PAIR
    assert alone.holds
    broken = judged(robust, pandas.DataFrame(known + rows("B", math.nan, failed=True)))
    assert words(broken)["B"] == FAILED
    assert not broken.holds
    floor = judged(robust, pandas.DataFrame(known + rows("B", 0.1, 0.11, other=0.049)))
    assert words(floor)["B"] == FLOOR
    assert not floor.holds
    assert judged(sentence("all rise"), pandas.DataFrame(known + rows("B", 0.1, 0.11, other=0.01))).holds, (
        "not under attack"
    )


def test_no_difference_is_opposed_from_either_side():
    same = rows("A", 0.01, -0.01, 0.0)
    assert judged(sentence("all open"), pandas.DataFrame(same)).holds
    for side in (1, -1):
        found = judged(sentence("all open"), pandas.DataFrame(same + rows("B", side * 0.1, side * 0.101)))
        assert words(found)["B"] == OPPOSES
        assert not found.holds


def test_a_pair_that_stands_in_two_tables_counts_once():
    twice = rows("A", -0.01, -0.02) + rows("A", -0.01, -0.02)
    assert judged(sentence(), pandas.DataFrame(twice)).cells[0].change.n == 2


def test_the_mean_over_cells_counts_each_once_and_one_cell_is_its_own_interval():
    few = t_interval([1.0, 2.0, 3.0])
    many = t_interval([5.0, 6.0, 7.0] * 10)
    assert mean_over([few]).high == pytest.approx(few.high)
    assert mean_over([few, many]).mean == pytest.approx(4.0)
    # The standard error by hand: half of the root of 1/3 + (2/3 · 30/29)/30.
    both = mean_over([few, many])
    error = math.sqrt(1 / 3 + 2 / 3 / 29) / 2
    assert both.high - both.mean == pytest.approx(error * 3.74, rel=0.05)  # 2.28 degrees of freedom
    assert mean_over([Interval(1.0, -math.inf, math.inf, 1)]).n == 0


@pytest.mark.parametrize("name", SENTENCES)
def test_every_sentence_has_the_verdict_that_its_entry_says(name):
    spec = SENTENCES[name].spec
    found = verdict(spec)
    against = [f"{cell.name}: {cell.word}, {cell.change.text(3, sign=True)}" for cell in found.opposing]
    assert found.holds, against
    if spec["rule"].startswith("most"):
        there = {cell.name for cell in found.cells if cell.word not in (AGREES, ONE_PAIR)}
        assert there == {*spec["but"]}, "a cell that agrees by now is no longer named"


def planted(name, change, count=5):
    """A sentence's rows, and a new setting in its scope: its networks change the quantity by `change`."""
    known = pairs(SENTENCES[name].spec)
    one = known.iloc[:1]
    spread = np.linspace(0.99, 1.01, count)
    new = pandas.concat([one] * count).assign(
        setting="planted", letter="planted", seed=range(count), other=0.5, failed=False, change=change * spread
    )
    return known, new


@pytest.mark.parametrize("name", SENTENCES)
def test_a_cell_that_contradicts_a_sentence_breaks_it_and_one_that_agrees_does_not(name):
    one = SENTENCES[name].spec
    side = SIDES[one["rule"].split()[1]]
    size = max(abs(verdict(one).pooled.mean), 1.0)
    known, against = planted(name, -0.01 * size * (side or 1))
    assert judged(one, known).holds
    found = judged(one, pandas.concat([known, against]))
    assert not found.holds
    assert [cell for cell in found.opposing if cell.name.startswith("planted")]
    _, agrees = planted(name, 0.01 * size * side)
    agrees = agrees if side else agrees.assign(change=[-0.01, -0.005, 0, 0.005, 0.01])
    assert judged(one, pandas.concat([known, agrees])).holds


@pytest.mark.parametrize("name", SENTENCES)
def test_one_row_whose_training_failed_breaks_a_sentence(name):
    known, new = planted(name, math.nan, count=1)
    assert not judged(SENTENCES[name].spec, pandas.concat([known, new.assign(failed=True)])).holds


def test_every_sentence_is_required_by_a_page():
    required = {name for topic in pages() for one in statements(topic).values() for name in one.names}
    assert {f"headlines.{name}" for name in SENTENCES} <= required


def test_an_unknown_rule_or_column_is_refused_with_the_nearest():
    with pytest.raises(SoftlabError, match="did you mean 'all rise'"):
        verdict({"scope": {}, "of": "ECE", "rule": "all rises"})
    with pytest.raises(SoftlabError, match="did you mean 'method'"):
        verdict({"scope": {"metod": "mixup"}, "of": "ECE", "rule": "all rise"})
