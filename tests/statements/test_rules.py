"""The closed notation of rules, by hand, and what is not in it."""

import pytest

from softbook.statements.rules import RULES, stands
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
