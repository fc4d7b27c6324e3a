"""The tally of declarations: what counts as failed, and that none of the laws is left out."""

import pytest

from softbook.studies import judge, laws, tally
from softbook.studies.tally import FAILED, HELD, OPEN, VERDICTS
from softlab.comparison.intervals import Interval

BELOW = Interval(-2.0, -3.0, -1.0, 5)
AROUND = Interval(0.5, -1.0, 2.0, 5)
ABOVE = Interval(2.0, 1.0, 3.0, 5)


@pytest.mark.parametrize(("value", "verdict"), [(BELOW, FAILED), (AROUND, OPEN), (ABOVE, HELD)])
def test_a_statement_about_a_side_has_three_outcomes(value, verdict):
    assert tally.above_zero(value) == verdict


def test_one_clear_loss_breaks_a_never():
    assert tally.never([ABOVE, AROUND]) == HELD
    assert tally.never([ABOVE, AROUND, BELOW]) == FAILED


def test_of_a_statement_about_all_one_opposite_fails_it():
    assert tally.of_all([ABOVE, ABOVE]) == HELD
    assert tally.of_all([ABOVE, AROUND]) == OPEN
    assert tally.of_all([ABOVE, AROUND, BELOW]) == OPEN
    assert tally.of_all([BELOW, BELOW]) == FAILED


def test_claims_of_the_first_paper_count_and_a_training_that_diverged_has_failed():
    verdicts = {one.says: one.verdict for one in tally.every()}
    park = [one.verdict for one in tally.every() if one.about == "claims of Park et al. at F"]
    assert sorted(park) == sorted([HELD, FAILED, OPEN, OPEN])
    assert verdicts["logits get shorter with all three soft labels"] == HELD
    assert verdicts["it gains under attack at F · CIFAR-10, learnt by heart (training diverged)"] == FAILED


def test_fewer_seeds_than_declared_are_not_counted():
    short = tally.unfinished()
    assert {(one.seeds, one.declared) for one in short} == {(10, 20), (3, 5), (5, 10)}
    assert not {*short} & {*tally.every()}


@pytest.mark.parametrize(("bounds", "verdict"), [((0, 4), HELD), ((2, 4), OPEN), ((-4, 0), FAILED), ((4, 5), FAILED)])
def test_a_statement_about_two_bounds_has_three_outcomes(bounds, verdict):
    assert tally.inside(ABOVE, *bounds) == verdict


def test_a_reading_says_what_was_declared_and_what_came_out():
    inside = judge.Verdict("MaxSup, linear probe", "B", "better", Interval(0.46, 0.02, 0.91, 10))
    said = "MaxSup, linear probe: no difference was declared, better came out"
    assert tally.declared_and_found(inside, "no difference", 1) == f"{said}, by less than the margin of 1"
    assert tally.declared_and_found(inside, "no difference", 0.5) == said
    assert tally.declared_and_found(inside, "no difference", None) == said
    assert tally.declared_and_found(inside, "better", 1) == "MaxSup, linear probe: better"
    verdicts = {one.says: one.verdict for one in tally.every() if one.about == "study transfer"}
    assert verdicts[f"B: MaxSup does not, as Zhou et al. say ({said}, by less than the margin of 1)"] == FAILED


def test_failures_come_first_and_every_law_is_counted():
    verdicts = [VERDICTS.index(one.verdict) for one in tally.every()]
    assert verdicts == sorted(verdicts)
    counts = tally.counts()
    assert sum(map(sum, (one.values() for one in counts.values()))) == len(verdicts)
    assert sum(counts["the laws of the chapters"].values()) == len(laws.judged())
    whole = [one for one in laws.judged("slope").values() if one.parts and all(part.side for part in one.parts)]
    assert sum(counts["the laws of margin and slope"].values()) == len(whole)
    assert sum(counts["one gradient in other settings"].values()) == len(laws.elsewhere())
