"""Risk against coverage and AUROC: by hand, by their definitions pair by pair, and what leaves them alone."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from softlab import SoftlabError
from softlab.lenses import selective
from softlab.lenses.selective import aurc, excess_aurc, risk_coverage

FEW = settings(derandomize=True, max_examples=60, deadline=None, database=None)
# Scores from 0 to 3: many ties; and whether each prediction is right.
PREDICTIONS = st.lists(st.tuples(st.integers(0, 3), st.booleans()), min_size=1, max_size=25)
SOME_SCORES = st.lists(st.integers(0, 4), min_size=1, max_size=15)


def columns(predictions):
    confidence, correct = zip(*predictions, strict=True)
    return torch.tensor(confidence, dtype=torch.float32), torch.tensor(correct)


def risks_by_definition(confidence, correct):
    """Error rate of the k first, mean over orders of equal confidences: of two of them each is first as often."""
    number = len(confidence)
    risks = []
    for k in range(1, number + 1):
        errors = 0.0
        for i in range(number):
            ahead = sum(confidence[j] > confidence[i] for j in range(number))
            equal = sum(confidence[j] == confidence[i] for j in range(number))
            chance = min(1.0, max(0.0, (k - ahead) / equal))  # that i is among the k first
            errors += chance * (not correct[i])
        risks.append(errors / k)
    return risks


def test_risks_by_hand():
    confidence = torch.tensor([0.1, 0.9, 0.5, 0.7])
    correct = torch.tensor([1, 1, 0, 1])
    coverage, risk = risk_coverage(confidence, correct)  # in order: right, right, wrong, right
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1]
    assert risk.tolist() == pytest.approx([0, 0, 1 / 3, 1 / 4])
    assert coverage.dtype == risk.dtype == torch.float64
    assert aurc(confidence, correct) == pytest.approx((1 / 3 + 1 / 4) / 4)
    # The best order has the wrong one last: (0 + 0 + 0 + 1/4) / 4.
    assert excess_aurc(confidence, correct) == pytest.approx((1 / 3) / 4)


def test_ties_count_with_the_mean_over_their_orders():
    confidence = torch.tensor([0.9, 0.8, 0.8, 0.1])
    for correct in ([1, 0, 1, 1], [1, 1, 0, 1]):  # the wrong one is second or third, each in half of the orders
        assert risk_coverage(confidence, torch.tensor(correct))[1].tolist() == pytest.approx([0, 1 / 4, 1 / 3, 1 / 4])
    assert aurc(torch.ones(6), torch.tensor([1, 1, 1, 0, 0, 0])) == pytest.approx(1 / 2)
    assert aurc(torch.ones(6), torch.tensor([0, 0, 0, 1, 1, 1])) == pytest.approx(1 / 2)
    some = torch.tensor([0.7, 0.7, 0.7]), torch.tensor([0, 1, 1])
    by_order = [aurc(torch.arange(3.0), some[1][list(order)]) for order in itertools.permutations(range(3))]
    assert aurc(*some) == pytest.approx(sum(by_order) / 6)


def test_without_ties_not_a_bit_of_it_has_changed():
    """Version 2 of the recorded AURC differs from version 1 by ties alone."""
    generator = torch.Generator().manual_seed(0)
    confidence = torch.rand(2000, generator=generator)
    correct = torch.rand(2000, generator=generator) < 0.7
    assert len(confidence.unique()) == 2000
    rank = torch.arange(1, 2001, dtype=torch.float64)
    before = (1 - correct.double()[confidence.argsort(descending=True)]).cumsum(0) / rank
    assert (risk_coverage(confidence, correct)[1] == before).all()


@FEW
@given(PREDICTIONS)
def test_risks_are_those_of_the_definition(predictions):
    confidence, correct = columns(predictions)
    expected = risks_by_definition(confidence.tolist(), correct.tolist())
    coverage, risk = risk_coverage(confidence, correct)
    number = len(predictions)
    assert coverage.tolist() == pytest.approx([k / number for k in range(1, number + 1)])
    assert risk.tolist() == pytest.approx(expected)
    assert aurc(confidence, correct) == pytest.approx(sum(expected) / number)


@FEW
@given(PREDICTIONS)
def test_only_the_order_counts(predictions):
    confidence, correct = columns(predictions)
    for same in (confidence.exp(), 3 * confidence - 100, confidence.double(), confidence.long()):
        assert risk_coverage(same, correct)[1].equal(risk_coverage(confidence, correct)[1])
        assert excess_aurc(same, correct) == excess_aurc(confidence, correct)
    for kind in (torch.int64, torch.float32, torch.uint8):
        assert aurc(confidence, correct.to(kind)) == aurc(confidence, correct)


@FEW
@given(PREDICTIONS)
def test_the_excess_is_zero_for_a_perfect_order_and_never_negative(predictions):
    confidence, correct = columns(predictions)
    assert excess_aurc(confidence, correct) >= -1e-12
    assert excess_aurc(confidence + 10 * correct, correct) == pytest.approx(0, abs=1e-12)
    assert excess_aurc(correct.float(), correct) == 0
    right = int(correct.sum())
    number = len(correct)
    best = sum(max(0, k - right) / k for k in range(1, number + 1)) / number
    assert aurc(confidence, correct) - excess_aurc(confidence, correct) == pytest.approx(best)


def test_no_order_is_better_than_the_one_the_excess_is_measured_from():
    correct = torch.tensor([1, 0, 1, 1, 0, 1])
    orders = [torch.tensor(order) for order in itertools.permutations(range(6))]
    areas = [aurc(order, correct) for order in orders]
    excesses = [excess_aurc(order, correct) for order in orders]
    assert min(excesses) == 0
    assert max(areas) - min(areas) == pytest.approx(max(excesses))


def test_all_right_and_all_wrong():
    confidence = torch.tensor([0.3, 0.9, 0.5])
    assert aurc(confidence, torch.ones(3)) == excess_aurc(confidence, torch.ones(3)) == 0
    assert aurc(confidence, torch.zeros(3)) == 1
    assert excess_aurc(confidence, torch.zeros(3)) == 0


@pytest.mark.parametrize("function", [risk_coverage, aurc, excess_aurc])
def test_misuse_is_named(function):
    confidence = torch.linspace(0, 1, 6)
    correct = torch.tensor([1.0, 0, 1, 1, 0, 1])
    for wrong in (math.nan, math.inf, -math.inf):
        broken = confidence.clone()
        broken[[2, 4]] = wrong
        with pytest.raises(SoftlabError, match="confidence 2 is not finite"):
            function(broken, correct)
    for wrong, text in ((0.5, r"0\.5"), (2, "2"), (-1, "-1"), (math.nan, "nan")):
        broken = correct.clone()
        broken[[3, 5]] = wrong
        with pytest.raises(SoftlabError, match=f"correctness 3 is {text}: it must be 0 or 1"):
            function(confidence, broken)
    with pytest.raises(SoftlabError, match=r"must be \(N,\), N > 0, not \(6,\) and \(5,\)"):
        function(confidence, correct[:5])
    with pytest.raises(SoftlabError, match=r"not \(0,\) and \(0,\)"):
        function(confidence[:0], correct[:0])
    with pytest.raises(SoftlabError, match=r"not \(6, 1\) and \(6, 1\)"):
        function(confidence[:, None], correct[:, None])


def test_a_normalised_score_is_blind_to_the_size_of_logits():
    logits = torch.tensor([[4.0, 1.0, 1.0], [0.0, 2.0, 1.0]])
    expected = [2 / 6**0.5, 1 / 2**0.5]  # centred: 2, -1, -1 and -1, 1, 0
    assert selective.normalized_score(logits, 2).tolist() == pytest.approx(expected)
    assert torch.allclose(selective.normalized_score(7 * logits + 3, 3), selective.normalized_score(logits, 3))
