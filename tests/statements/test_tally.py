"""The tally of declarations: what counts as failed, and that none of the laws is left out."""

import pytest

from softbook.statements import laws, rules, statements, tally
from softbook.statements.tally import FAILED, HELD, OPEN, VERDICTS
from softbook.studies import judge
from softlab.comparison.intervals import Interval

BELOW = Interval(-2.0, -3.0, -1.0, 5)
AROUND = Interval(0.5, -1.0, 2.0, 5)
ABOVE = Interval(2.0, 1.0, 3.0, 5)


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ([ABOVE, ABOVE], rules.HELD),
        ([ABOVE, AROUND], rules.OPEN),
        ([ABOVE, AROUND, BELOW], rules.FAILED),
        ([BELOW], rules.FAILED),
    ],
)
def test_a_rule_has_to_hold_of_each_contrast(found, outcome):
    assert tally.together("rises", found) == outcome


def test_one_clear_loss_breaks_a_never():
    assert tally.together("none falls", [ABOVE, AROUND]) == rules.HELD
    assert tally.together("none falls", [ABOVE, AROUND, BELOW]) == rules.FAILED


def test_a_statement_about_all_fails_where_each_does_the_opposite():
    assert tally.together("all rise", [ABOVE, ABOVE]) == rules.HELD
    assert tally.together("all rise", [ABOVE, AROUND]) == rules.OPEN
    assert tally.together("all rise", [ABOVE, AROUND, BELOW]) == rules.OPEN
    assert tally.together("all rise", [BELOW, BELOW]) == rules.FAILED


def test_what_is_required_beside_it_or_a_training_that_failed_decides():
    learnt = statements("declared")["length-mobilenet"]
    assert not learnt.requirements_stand(), "its networks hardly learn"
    assert tally.outcome(learnt) == rules.FAILED
    assert tally.outcome(statements("declared")["length-by-heart"]) == rules.FAILED


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
    sided = [all(part.rule != "differs" for part in one.parts) for one in laws.judged("slope").values() if one.parts]
    assert sum(counts["the laws of margin and slope"].values()) == sum(sided) < len(sided)
    assert sum(counts["one gradient in other settings"].values()) == len(laws.elsewhere())
    listed = [one for one in statements("declared").values() if "about" in one.spec]
    assert {one.spec["says"] for one in listed} <= {one.says for one in (*tally.every(), *tally.unfinished())}
