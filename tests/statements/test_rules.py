"""The closed notation of rules, by hand, and what is not in it."""

import pytest

from softbook.statements.rules import FAILED, HELD, OPEN, RULES, outcome, p_value, stands
from softlab.comparison.intervals import Interval
from softlab.errors import SoftlabError

BELOW = Interval(-2.0, -3.0, -1.0, 5)
AROUND = Interval(0.5, -1.0, 2.0, 5)
ABOVE = Interval(2.0, 1.0, 3.0, 5)
COUNTED = Interval(5.0, 5.0, 5.0, 6)


@pytest.mark.parametrize(
    ("rule", "true_of", "false_of"),
    [
        ("rises", [ABOVE], [AROUND, BELOW]),
        ("falls", [BELOW], [AROUND, ABOVE]),
        ("open", [AROUND], [BELOW, ABOVE]),
        ("above 0.9", [ABOVE], [AROUND]),
        ("above 1", [], [ABOVE]),
        ("below -0.5", [BELOW], [AROUND]),
        ("not above 1", [ABOVE, AROUND], [Interval(2.0, 1.1, 3.0, 5)]),
        ("not below 2", [AROUND, ABOVE], [BELOW]),
        ("within 2.5", [AROUND], [ABOVE, BELOW]),
        ("contains 1", [AROUND], [ABOVE, BELOW]),
        ("between 1 2.5", [ABOVE], [AROUND, BELOW]),
        ("mean above 1.9", [ABOVE], [AROUND]),
        ("mean below 0", [BELOW], [AROUND]),
        ("size below 1", [AROUND], [ABOVE, BELOW]),
        ("low between 0 2", [ABOVE], [AROUND, BELOW]),
        ("is 5", [COUNTED], [ABOVE]),
        ("is all", [Interval(6.0, 6.0, 6.0, 6)], [COUNTED]),
        ("is most", [COUNTED], [Interval(3.0, 3.0, 3.0, 6)]),
        ("falls and mean above -2.5", [BELOW], [Interval(-3.0, -4.0, -2.0, 5), AROUND]),
    ],
)
def test_each_rule_by_hand(rule, true_of, false_of):
    assert all(stands(rule, value) for value in true_of)
    assert not any(stands(rule, value) for value in false_of)


@pytest.mark.parametrize(
    ("rule", "value", "found"),
    [
        ("rises", ABOVE, HELD),
        ("rises", AROUND, OPEN),
        ("rises", BELOW, FAILED),
        ("falls", BELOW, HELD),
        ("falls", AROUND, OPEN),
        ("falls", ABOVE, FAILED),
        ("above 2", ABOVE, OPEN),
        ("above 4", ABOVE, FAILED),
        ("below 5", ABOVE, HELD),
        ("below 0.5", ABOVE, FAILED),
        ("inside 0 4", ABOVE, HELD),
        ("inside 2 4", ABOVE, OPEN),
        ("inside -4 0", ABOVE, FAILED),
        ("inside 4 5", ABOVE, FAILED),
        ("within 2.5", AROUND, HELD),
        ("within 1.5", AROUND, OPEN),
        ("within 0.5", ABOVE, FAILED),
        ("differs", BELOW, HELD),
        ("differs", AROUND, OPEN),
        ("size below 1", ABOVE, FAILED),
    ],
)
def test_the_outcomes_of_a_rule(rule, value, found):
    """One that has no opposite fails where it does not hold."""
    assert outcome(rule, value) == found


def test_p_is_that_of_the_bound_and_one_on_the_other_side():
    assert p_value("rises", ABOVE) == pytest.approx(ABOVE.p_value())
    assert p_value("below 5", ABOVE) == pytest.approx(ABOVE.p_value(5.0))
    assert p_value("differs", BELOW) == pytest.approx(BELOW.p_value())
    assert p_value("falls", ABOVE) == p_value("above 2.5", ABOVE) == 1.0


def test_a_rule_allows_for_several_tests():
    """t = 3 with four degrees of freedom has p = .040: enough for one test, and not for two."""
    half = 2.7764
    value = Interval(3.0, 3.0 - half, 3.0 + half, 5)
    assert stands("is sure after 1", value)
    assert not stands("is sure after 2", value)


@pytest.mark.parametrize("rule", ["grows", "above zero", "2 above", "rises or falls", "", "value.low > 0"])
def test_what_is_no_rule_is_refused(rule):
    with pytest.raises(SoftlabError, match="no rule"):
        stands(rule, ABOVE)


def test_every_rule_can_be_written():
    assert all(not name[-1].isdigit() for name in RULES)
