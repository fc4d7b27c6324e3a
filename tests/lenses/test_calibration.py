"""Calibration by hand, by its invariants, against peers and simulations; temperature against another solver."""

import math
import warnings

import netcal.metrics
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from relplot import smECE
from scipy import optimize, special, stats
from torchmetrics.classification import MulticlassCalibrationError

from softlab import SoftlabError, checks
from softlab.batches import ROWS
from softlab.lenses.calibration import (
    CHUNK,
    adaptive_calibration_error,
    bin_signs,
    brier,
    brier_terms,
    classwise_calibration_error,
    confidence_gap,
    ece_noise_floor,
    ece_terms,
    expected_calibration_error,
    fit_scale,
    fit_temperature,
    fit_vector_scaling,
    nll,
    nll_terms,
    outcomes,
    reliability,
    smooth_calibration_error,
    temperature_interval,
)

FEW = settings(derandomize=True, max_examples=40, deadline=None, database=None)
BINNED = (reliability, expected_calibration_error, adaptive_calibration_error, bin_signs)
MEASURES = (*BINNED, confidence_gap, smooth_calibration_error)
TABLES = (brier_terms, classwise_calibration_error)  # of whole rows of probabilities


def random_logits(number, classes, seed, spread=2.0):
    """Logits and labels drawn from their softmax: calibrated, whatever the spread."""
    generator = torch.Generator().manual_seed(seed)
    logits = spread * torch.randn(number, classes, generator=generator, dtype=torch.float64)
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


def random_pairs(number, seed, steps=None):
    """Confidence and correctness, unrelated; with `steps`, confidence is a multiple of 1 / steps: many ties."""
    generator = torch.Generator().manual_seed(seed)
    confidence = torch.rand(number, generator=generator, dtype=torch.float64)
    confidence = confidence if steps is None else (confidence * steps).round() / steps
    return confidence, torch.rand(number, generator=generator) < 0.6


def by_definition(confidence, correct, bins):
    """ECE, bin by bin."""
    confidence = np.asarray(confidence, dtype=float)
    correct = np.asarray(correct, dtype=float)
    total = 0.0
    for b in range(bins):
        inside = (confidence > b / bins) & (confidence <= (b + 1) / bins) | ((b == 0) & (confidence == 0))
        if inside.any():
            total += inside.mean() * abs(confidence[inside].mean() - correct[inside].mean())
    return total


# A reliability diagram


def test_a_diagram_by_hand():
    found = reliability(torch.tensor([0.9, 0.95, 0.7, 0.3]), torch.tensor([1, 0, 1, 0]), bins=5)
    assert found.edges.tolist() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1])
    assert found.count.tolist() == [0, 1, 0, 1, 2]
    nan = math.nan
    assert found.confidence.tolist() == pytest.approx([nan, 0.3, nan, 0.7, 0.925], nan_ok=True)
    assert found.accuracy.tolist() == pytest.approx([nan, 0, nan, 1, 0.5], nan_ok=True)
    # Samples times (confidence - accuracy): 1 · 0.3, 1 · -0.3, 2 · 0.425, of four samples.
    assert found.error == pytest.approx((0.3 + 0.3 + 0.85) / 4)
    assert found.over == pytest.approx((0.3 + 0.85) / 4)
    assert found.under == pytest.approx(0.3 / 4)
    assert confidence_gap(torch.tensor([0.9, 0.95, 0.7, 0.3]), torch.tensor([1, 0, 1, 0])) == pytest.approx(0.85 / 4)


def test_the_same_from_probabilities_by_hand():
    probs = torch.tensor([[0.1, 0.8, 0.1], [0.6, 0.4, 0.0], [0.2, 0.2, 0.6]])
    labels = torch.tensor([1, 1, 2])  # confidence 0.8, 0.6, 0.6: right, wrong, right
    assert expected_calibration_error(probs, labels, 2) == pytest.approx(0, abs=1e-7)  # all above ½: 2.0, 2 right
    # In (0.5, 0.75]: 2 · (0.6 - 0.5); in (0.75, 1]: 0.8 - 1.
    assert expected_calibration_error(probs, labels, 4) == pytest.approx((0.2 + 0.2) / 3)


def test_of_two_equal_probabilities_the_first_is_the_prediction():
    probs = torch.tensor([[0.4, 0.4, 0.2]])
    assert expected_calibration_error(probs, torch.tensor([0])) == pytest.approx(0.6)
    assert expected_calibration_error(probs, torch.tensor([1])) == pytest.approx(0.4)


def test_confidences_of_exactly_zero_and_one_are_in_the_outer_bins():
    ends = torch.tensor([0.0, 1.0])
    found = reliability(ends, torch.tensor([False, True]), bins=3)
    assert found.count.tolist() == [1, 0, 1]
    assert found.error == 0
    found = reliability(ends, torch.tensor([True, False]), bins=3)
    assert (found.error, found.over, found.under) == (1, 0.5, 0.5)
    assert confidence_gap(ends, torch.tensor([True, False])) == 0


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bins", [1, 2, 5, 10, 15, 20, 30])
def test_a_confidence_on_an_edge_is_in_the_bin_below(bins, dtype):
    edges = torch.arange(bins + 1, dtype=dtype) / bins
    right = torch.ones(bins + 1)
    assert reliability(edges, right, bins).count.tolist() == [2] + [1] * (bins - 1)  # 0 is in the first bin
    assert reliability((edges + 1e-6).clamp(max=1), right, bins).count.tolist() == [1] * (bins - 1) + [2]


@pytest.mark.parametrize("equal_mass", [False, True])
@pytest.mark.parametrize("bins", [1, 4, 15])
def test_all_right_is_underconfident_and_all_wrong_is_overconfident(bins, equal_mass):
    confidence = torch.tensor([0.2, 0.5, 0.5, 0.9])
    right = reliability(confidence, torch.ones(4), bins, equal_mass)
    assert (right.error, right.over, right.under) == pytest.approx((1 - 2.1 / 4, 0, 1 - 2.1 / 4))
    wrong = reliability(confidence, torch.zeros(4), bins, equal_mass)
    assert (wrong.error, wrong.over, wrong.under) == pytest.approx((2.1 / 4, 2.1 / 4, 0))
    assert math.copysign(1, wrong.under) == math.copysign(1, right.over) == 1  # 0, not -0


def test_bins_of_equal_mass_by_hand():
    confidence = torch.tensor([0.2, 0.4, 0.6, 0.8])
    correct = torch.tensor([0, 1, 0, 1])
    found = reliability(confidence, correct, bins=2, equal_mass=True)
    assert found.edges.tolist() == pytest.approx([0.2, 0.4, 0.8])
    assert found.count.tolist() == [2, 2]
    # Mean confidence 0.3 and 0.7, accuracy ½ and ½.
    assert (found.error, found.over, found.under) == pytest.approx((0.2, 0.1, 0.1))
    # One sample in each: |0.2 - 0|, |0.4 - 1|, |0.6 - 0|, |0.8 - 1|; more bins than samples change nothing.
    assert adaptive_calibration_error(confidence, correct, 4) == pytest.approx((0.2 + 0.6 + 0.6 + 0.2) / 4)
    assert adaptive_calibration_error(confidence, correct, 100) == pytest.approx(0.4)
    nine = reliability(torch.linspace(0.1, 0.9, 9), torch.ones(9), bins=2, equal_mass=True)
    assert nine.count.tolist() == [5, 4]


def test_ties_share_a_bin_of_equal_mass():
    confidence = torch.tensor([0.5, 0.5, 0.5, 0.9])
    correct = torch.tensor([1, 0, 0, 1])
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2]):
        found = reliability(confidence[order], correct[order], bins=2, equal_mass=True)
        assert found.count.tolist() == [3, 1]
        # 3 · (1/2 - 1/3) + 1 · (1 - 0.9), of four samples.
        assert found.error == pytest.approx((0.5 + 0.1) / 4)
    same = reliability(torch.full((7,), 0.25), torch.tensor([1, 0, 0, 0, 0, 0, 0]), bins=5, equal_mass=True)
    assert same.count.tolist() == [7, 0, 0, 0, 0]
    assert same.error == pytest.approx(0.25 - 1 / 7)


@pytest.mark.parametrize("level", [0.95, 0.8])
def test_the_interval_of_each_bin_is_that_of_the_exact_binomial_test(level):
    confidence = torch.tensor([0.1] * 7 + [0.3] * 5 + [0.7] * 4 + [0.9] * 40)
    correct = torch.tensor([0] * 7 + [1, 0, 0, 1, 0] + [1] * 4 + [1] * 33 + [0] * 7)
    low, high = reliability(confidence, correct, bins=5).accuracy_interval(level)
    for b, (right, number) in enumerate([(0, 7), (2, 5), (0, 0), (4, 4), (33, 40)]):
        peer = stats.binomtest(right, number).proportion_ci(level, method="exact") if number else (0, 1)
        assert (float(low[b]), float(high[b])) == pytest.approx(tuple(peer), abs=1e-12)


# What holds for any samples and any bins


@FEW
@given(st.integers(1, 70), st.integers(1, 40), st.booleans(), st.sampled_from([None, 5, 20]), st.integers(0, 10_000))
def test_invariants(number, bins, equal_mass, steps, seed):
    confidence, correct = random_pairs(number, seed, steps)
    found = reliability(confidence, correct, bins, equal_mass)
    gap = confidence_gap(confidence, correct)
    assert found.count.sum() == number
    assert found.over + found.under == pytest.approx(found.error, abs=1e-12)
    assert found.over - found.under == pytest.approx(gap, abs=1e-12)
    assert gap == pytest.approx(float(confidence.mean() - correct.double().mean()), abs=1e-12)
    assert 0 <= found.error <= 1
    assert found.error >= abs(gap) - 1e-12
    assert reliability(confidence, correct, 1, equal_mass).error == pytest.approx(abs(gap), abs=1e-12)
    order = torch.randperm(number, generator=torch.Generator().manual_seed(seed))
    mixed = reliability(confidence[order], correct[order], bins, equal_mass)
    torch.testing.assert_close(mixed.count, found.count)
    assert mixed.error == pytest.approx(found.error, abs=1e-12)
    if steps is None and not equal_mass:
        assert found.error == pytest.approx(by_definition(confidence, correct, bins), abs=1e-12)


@FEW
@given(st.integers(1, 20), st.integers(1, 12), st.integers(0, 10_000))
def test_bins_of_equal_mass_cut_the_sorted_samples_into_equal_parts(per_bin, bins, seed):
    confidence, correct = random_pairs(per_bin * bins, seed)
    found = reliability(confidence, correct, bins, equal_mass=True)
    assert found.count.tolist() == [per_bin] * bins
    order = confidence.argsort()
    parts = (confidence - correct.double())[order].reshape(bins, per_bin).mean(1)
    assert found.error == pytest.approx(float(parts.abs().mean()), abs=1e-12)


@pytest.mark.parametrize("number", [CHUNK - 1, CHUNK, 2 * CHUNK + 1])
def test_chunks_do_not_show(number):
    confidence, correct = random_pairs(number, 3)
    assert expected_calibration_error(confidence, correct) == pytest.approx(by_definition(confidence, correct, 15))
    single = expected_calibration_error(confidence.float(), correct)
    assert single == pytest.approx(by_definition(confidence.float(), correct, 15), abs=1e-7)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16])
@pytest.mark.parametrize("measure", [expected_calibration_error, adaptive_calibration_error, confidence_gap])
def test_probabilities_and_their_top_confidence_give_the_same(measure, dtype):
    logits, labels = random_logits(500, 7, 1)
    probs = logits.softmax(1).to(dtype)
    expected = measure(probs, labels)
    correct = probs.argmax(1) == labels
    for right in (correct, correct.long(), correct.double()):
        assert measure(probs.amax(1), right) == expected
    assert expected == measure(probs.double() if dtype == torch.float64 else probs.float(), labels)
    assert expected == pytest.approx(measure(logits.softmax(1), labels), abs=1e-7 if dtype != torch.float16 else 5e-3)


# Terms of single samples


def test_terms_of_the_ece_by_hand():
    confidence = torch.tensor([0.9, 0.95, 0.7, 0.3])
    correct = torch.tensor([1, 0, 1, 0])
    signs = bin_signs(confidence, correct, bins=5)  # 0.9 and 0.95: one of two is right
    assert signs.tolist() == [0, 1, 0, -1, 1]
    assert ece_terms(confidence, correct, signs).tolist() == pytest.approx([-0.1, 0.95, 0.3, 0.3])
    assert ece_terms(confidence, correct, -signs).tolist() == pytest.approx([0.1, -0.95, -0.3, -0.3])


@FEW
@given(st.integers(1, 70), st.integers(1, 40), st.sampled_from([None, 5, 20]), st.integers(0, 10_000))
def test_the_mean_of_the_terms_is_the_ece_and_with_other_signs_never_more(number, bins, steps, seed):
    confidence, correct = random_pairs(number, seed, steps)
    error = expected_calibration_error(confidence, correct, bins)
    own = ece_terms(confidence, correct, bin_signs(confidence, correct, bins))
    assert float(own.mean()) == pytest.approx(error, abs=1e-12)
    others = bin_signs(*random_pairs(50, seed + 1), bins)
    assert float(ece_terms(confidence, correct, others).mean()) <= error + 1e-12


def test_proper_scores_are_the_means_of_their_terms():
    logits, labels = random_logits(1000, 10, 14)
    assert float(nll_terms(logits, labels).mean()) == pytest.approx(nll(logits, labels), rel=1e-14)
    assert float(brier_terms(logits.softmax(1), labels).mean()) == brier(logits.softmax(1), labels)
    assert nll_terms(logits, labels)[3:4] == pytest.approx(nll(logits[3:4], labels[3:4]))
    assert (
        nll_terms(logits.float(), labels).dtype == brier_terms(logits.float().softmax(1), labels).dtype == torch.float64
    )


# The error of every class, and the error without bins


def test_the_classwise_error_by_hand():
    probs = torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.7, 0.1]])
    # Two bins. Class 0: |0.6 - 1| + |0.2 - 0|; class 1: 0.3 + 0.7; class 2, one bin: |0.1 + 0.1 - 1|; of two samples.
    expected = ((0.4 + 0.2) / 2 + (0.3 + 0.7) / 2 + 0.8 / 2) / 3
    assert classwise_calibration_error(probs, torch.tensor([0, 2]), 2) == pytest.approx(expected)
    assert classwise_calibration_error(torch.eye(3), torch.arange(3)) == 0
    assert classwise_calibration_error(torch.eye(3), torch.tensor([1, 2, 0])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("bins", [1, 10, 15])
def test_netcal_agrees_on_each_class(bins):
    logits, labels = random_logits(2000, 5, 15)
    probs = (2 * logits).softmax(1)
    peer = [netcal.metrics.ECE(bins).measure(probs[:, k].numpy(), (labels == k).long().numpy()) for k in range(5)]
    assert classwise_calibration_error(probs, labels, bins) == pytest.approx(np.mean(peer), abs=1e-12)
    order = torch.tensor([3, 1, 4, 0, 2])
    permuted = classwise_calibration_error(probs[:, order], order.argsort()[labels], bins)
    assert permuted == pytest.approx(np.mean(peer), abs=1e-12)


@pytest.mark.parametrize("confidence", [0.0, 0.31, 0.9999, 1.0])
def test_the_smooth_error_of_equal_confidences_is_their_gap(confidence):
    correct = torch.tensor([1, 0, 0, 1, 0])
    gap = abs(confidence - 2 / 5)
    assert smooth_calibration_error(torch.full((5,), confidence), correct) == pytest.approx(gap, abs=1e-6)
    assert smooth_calibration_error(torch.ones(5), torch.ones(5)) == 0
    assert smooth_calibration_error(torch.ones(5), torch.zeros(5)) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [1, 2, 3])
def test_the_smooth_error_of_two_opposite_confidences_by_hand(wrong):
    ends = torch.tensor([0.0] * 10 + [1.0] * 10)
    correct = torch.tensor([1] * wrong + [0] * (10 - wrong) + [0] * wrong + [1] * (10 - wrong))
    # At both ends the share `wrong/10` is on the other side; what noise of width σ takes over the middle cancels.
    share = wrong / 10
    width = optimize.brentq(lambda s: share * (2 * special.erf(0.5 / (s * 2**0.5)) - 1) - s, 1e-6, 1)
    assert smooth_calibration_error(ends, correct) == pytest.approx(width, abs=1e-6)


def test_the_smooth_error_is_where_the_definition_meets_the_width():
    for seed in range(5):
        confidence, correct = (values.double().numpy() for values in random_pairs(60, seed))
        width = smooth_calibration_error(torch.from_numpy(confidence), torch.from_numpy(correct))
        t = (np.arange(4000) + 0.5) / 4000
        images = np.stack([2 * k + sign * confidence for k in range(-3, 4) for sign in (1, -1)])
        density = stats.norm.pdf(t[:, None, None], images, width).sum(1)  # of samples, reflected at 0 and 1
        assert np.abs(density @ (confidence - correct) / 60).mean() == pytest.approx(width, abs=1e-5)


@pytest.mark.parametrize("sharpness", [0.3, 1, 8])
def test_its_authors_agree_on_the_smooth_error(sharpness):
    logits, labels = random_logits(3000, 10, 16)
    probs = (sharpness * logits).softmax(1)
    # They halve the weight of confidences in the last cell of their grid, 0.001 wide: none is given to them.
    confidence = probs.amax(1).clamp(max=0.998)
    correct = probs.argmax(1) == labels
    found = smooth_calibration_error(confidence, correct)
    assert found == pytest.approx(smECE(confidence.numpy(), correct.double().numpy()), abs=1e-3)
    assert found >= abs(confidence_gap(confidence, correct)) - 1e-8
    assert smooth_calibration_error(probs, labels) == smooth_calibration_error(probs.amax(1), correct)


def test_the_smooth_error_does_not_jump_at_the_edge_of_a_bin():
    correct = torch.tensor([1, 0])
    below, above = (torch.tensor([0.5 + step, 0.5 - 1e-6], dtype=torch.float64) for step in (-1e-7, 1e-7))
    jump = expected_calibration_error(above, correct, 2) - expected_calibration_error(below, correct, 2)
    assert jump == pytest.approx(0.5, abs=1e-5)
    assert smooth_calibration_error(above, correct) == pytest.approx(smooth_calibration_error(below, correct), abs=1e-4)


# Peers


@pytest.mark.parametrize("bins", [1, 10, 15, 40])
@pytest.mark.parametrize("sharpness", [0.3, 1, 8])
def test_torchmetrics_agrees(bins, sharpness):
    logits, labels = random_logits(3000, 10, 2)
    probs = (sharpness * logits).softmax(1).float()
    peer = MulticlassCalibrationError(10, n_bins=bins, norm="l1")
    # It puts a confidence of exactly 1 into a bin of its own: none is given to it.
    expected = float(peer(probs.clamp(max=1 - 1e-7), labels))
    assert expected_calibration_error(probs, labels, bins) == pytest.approx(expected, abs=5e-6)  # it sums in float32
    assert (sharpness < 8) or (probs == 1).any()


def test_netcal_agrees_on_ece():
    logits, labels = random_logits(3000, 10, 3)
    probs = (2 * logits).softmax(1)
    confidence = probs.amax(1).numpy()
    correct = (probs.argmax(1) == labels).long().numpy()
    for bins in (1, 10, 15):
        ours = expected_calibration_error(probs, labels, bins)
        assert ours == pytest.approx(netcal.metrics.ECE(bins).measure(probs.numpy(), labels.numpy()), abs=1e-9)
        assert ours == pytest.approx(netcal.metrics.ECE(bins).measure(confidence, correct), abs=1e-9)
        equal_mass = netcal.metrics.ECE(bins, equal_intervals=False).measure(confidence, correct)  # bins divide 3000
        assert adaptive_calibration_error(probs, labels, bins) == pytest.approx(equal_mass, abs=1e-9)


# Proper scores


def test_brier_by_hand():
    probs = torch.tensor([[0.7, 0.2, 0.1], [0.7, 0.2, 0.1]])
    # Label 0: 0.3² + 0.2² + 0.1² = 0.14.  Label 2: 0.7² + 0.2² + 0.9² = 1.34.
    assert brier(probs[:1], torch.tensor([0])) == pytest.approx(0.14)
    assert brier(probs, torch.tensor([0, 2])) == pytest.approx((0.14 + 1.34) / 2)
    sure = torch.eye(3)
    assert brier(sure, torch.tensor([0, 1, 2])) == 0
    assert brier(sure, torch.tensor([1, 2, 0])) == 2


def test_nll_by_hand():
    logits = torch.tensor([[0.0, math.log(3)]])  # probabilities 1/4 and 3/4
    assert nll(logits, torch.tensor([0])) == pytest.approx(math.log(4))
    assert nll(logits, torch.tensor([1])) == pytest.approx(math.log(4 / 3))
    assert nll(torch.tensor([[0.0, 1000], [1000, 0]]), torch.tensor([0, 0])) == 500  # no underflow


def test_proper_scores_against_plain_formulas():
    logits, labels = random_logits(400, 6, 5)
    rows = np.arange(400)
    peer = special.logsumexp(logits.numpy(), axis=1) - logits.numpy()[rows, labels]
    assert nll(logits, labels) == pytest.approx(peer.mean(), rel=1e-12)
    assert nll(logits.float(), labels) == pytest.approx(peer.mean(), rel=1e-6)
    assert nll(logits + torch.arange(400)[:, None], labels) == pytest.approx(peer.mean(), rel=1e-10)
    probs = special.softmax(logits.numpy(), axis=1)
    # Σ_k (p_k - 1[k = y])² = Σ_k p_k² - 2 p_y + 1
    peer = (probs**2).sum(1) - 2 * probs[rows, labels] + 1
    assert brier(logits.softmax(1), labels) == pytest.approx(peer.mean(), rel=1e-12)


@pytest.mark.parametrize("sharpness", [0.3, 1, 4])
def test_sharpening_does_not_move_what_is_left_at_the_best_temperature(sharpness):
    logits, labels = random_logits(2000, 6, 17)
    expected, found = (one / fit_temperature(one, labels) for one in (logits, sharpness * logits))
    assert nll(found, labels) == pytest.approx(nll(expected, labels), rel=1e-7)
    assert brier(found.softmax(1), labels) == pytest.approx(brier(expected.softmax(1), labels), rel=1e-7)
    assert nll(found, labels) <= nll(sharpness * logits, labels)  # fitted on the same samples


# The noise floor


def test_the_noise_floor_is_that_of_labels_drawn_from_the_probabilities():
    logits, _ = random_logits(400, 10, 7, spread=1.5)
    probs = logits.softmax(1).numpy()
    random = np.random.default_rng(8)
    confidence = probs.max(1)
    predicted = probs.argmax(1)
    errors = []
    for _ in range(1500):
        labels = (probs.cumsum(1) < random.random((400, 1))).sum(1)  # from the whole row
        errors.append(by_definition(confidence, predicted == labels, 8))
    mean, high = ece_noise_floor(logits.softmax(1), 8, 1500, torch.Generator().manual_seed(9))
    error = np.std(errors) / 1500**0.5
    assert error < 4e-4
    assert mean == pytest.approx(np.mean(errors), abs=4 * error)
    assert high == pytest.approx(np.quantile(errors, 0.975), abs=0.0025)
    assert high > mean + 0.01


def test_the_noise_floor_by_hand():
    generator = torch.Generator().manual_seed(0)
    assert ece_noise_floor(torch.ones(5), generator=generator) == (0, 0)
    assert ece_noise_floor(torch.tensor([0.5]), generator=generator) == (0.5, 0.5)
    # One sample of confidence 0.8: error 0.2 with probability 0.8, else 0.8.
    mean, high = ece_noise_floor(torch.tensor([0.8]), draws=3000, generator=generator)
    assert mean == pytest.approx(2 * 0.8 * 0.2, abs=0.02)
    assert high == pytest.approx(0.8)


def test_the_noise_floor_falls_with_the_root_of_the_number_of_samples_and_can_be_repeated():
    logits, _ = random_logits(1600, 10, 10)
    probs = logits.softmax(1).float()
    floor = ece_noise_floor(probs, 10, 100, torch.Generator().manual_seed(1))
    assert floor == ece_noise_floor(probs, 10, 100, torch.Generator().manual_seed(1))
    assert floor == ece_noise_floor(probs.amax(1), 10, 100, torch.Generator().manual_seed(1))
    assert floor != ece_noise_floor(probs, 10, 100, torch.Generator().manual_seed(2))
    few, _ = ece_noise_floor(probs[:100], 10, 400, torch.Generator().manual_seed(1))
    assert few / floor[0] == pytest.approx(4, rel=0.1)


def test_rounding_above_one_is_no_error():
    probs = torch.tensor([[1 + 5e-7, 0.0], [1.0, 0.0]])
    assert ece_noise_floor(probs) == (0, 0)
    assert expected_calibration_error(probs, torch.tensor([0, 0])) == pytest.approx(0, abs=1e-6)


# Temperature


def by_scipy(logits, labels, offset=0.0):
    """The factor with the smallest NLL, by a search that knows no derivative, over log s."""
    rows = logits.double().numpy()
    own = (np.arange(len(labels)), labels.numpy())

    def loss(log_scale):
        scaled = math.exp(log_scale) * rows + np.asarray(offset)
        return (special.logsumexp(scaled, axis=1) - scaled[own]).mean()

    bounds = math.log(0.01), math.log(100)
    return math.exp(optimize.minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("factor", [0.2, 1.0, 6.0])  # under-, well and overconfident
def test_the_temperature_is_that_of_another_solver(classes, factor):
    logits, labels = random_logits(600, classes, classes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fit_temperature(factor * logits, labels)
    assert found == pytest.approx(1 / by_scipy(factor * logits, labels), rel=1e-6)
    assert found == pytest.approx(factor, rel=0.15)  # labels were drawn at temperature 1
    assert fit_temperature((factor * logits).float(), labels) == pytest.approx(found, rel=1e-5)


@pytest.mark.parametrize("number", [ROWS, ROWS + 1, 3 * ROWS - 1])
def test_at_the_best_temperature_the_expected_logit_is_the_true_one(number):
    logits, labels = random_logits(number, 10, 11)
    scale = 1 / fit_temperature(3 * logits, labels)
    expected = ((3 * scale * logits).softmax(1) * logits).sum(1).mean()  # d NLL / d s = 0
    assert float(expected) == pytest.approx(float(logits.gather(1, labels[:, None]).mean()), abs=1e-8)


def test_the_temperature_by_hand():
    # Three of four right with logits (2, 0): softmax gives 3/4 where 2 / T = ln 3.
    logits = torch.tensor([[2.0, 0]] * 4)
    labels = torch.tensor([0, 0, 0, 1])
    assert fit_temperature(logits, labels) == pytest.approx(2 / math.log(3), rel=1e-8)
    # With an offset of ln 2 the odds are 2 e^{2s} : 1, which is 3 : 1 where 2 s = ln 1.5.
    offset = torch.tensor([math.log(2), 0])
    assert fit_scale(logits, labels, offset) == pytest.approx(math.log(1.5) / 2, rel=1e-7)


@FEW
@given(st.integers(2, 30), st.floats(0.2, 8), st.integers(0, 10_000))
def test_temperature_scales_with_the_logits_and_ignores_what_softmax_ignores(classes, factor, seed):
    logits, labels = random_logits(200, classes, seed)
    expected = pytest.approx(factor * fit_temperature(logits, labels), rel=1e-7)
    assert fit_temperature(factor * logits, labels) == expected
    assert fit_temperature(factor * logits + torch.arange(200)[:, None], labels) == expected
    order = torch.randperm(200, generator=torch.Generator().manual_seed(seed))
    assert fit_temperature(factor * logits[order], labels[order]) == expected


@pytest.mark.parametrize("classes", [2, 10, 100])
@pytest.mark.parametrize("factor", [0.3, 4.0])
def test_a_scale_beside_an_offset_is_that_of_another_solver(classes, factor):
    logits, labels = random_logits(600, classes, 20 + classes)
    offset = torch.linspace(-1, 1, classes, dtype=torch.float64)
    found = fit_scale(factor * logits, labels, offset)
    assert found == pytest.approx(by_scipy(factor * logits, labels, offset), rel=1e-6)
    assert found == pytest.approx(fit_scale(factor * logits, labels, offset + 5), rel=1e-8)
    assert found != pytest.approx(fit_scale(factor * logits, labels), rel=1e-3)
    assert fit_scale(factor * logits, labels, 0 * offset) == pytest.approx(1 / fit_temperature(factor * logits, labels))


@pytest.mark.parametrize("margin", [0.01, 2.0, 50.0, 5000.0])  # at 50, exp(-50 · 100) is 0
def test_where_all_is_right_the_temperature_is_cut_off_below(margin):
    labels = torch.arange(20) % 10
    logits = margin * torch.eye(10)[labels]
    with pytest.warns(UserWarning, match=r"the colder the better: the temperature is cut off at 0\.01") as found:
        assert fit_temperature(logits, labels) == pytest.approx(0.01, rel=1e-12)
    assert [warning.filename for warning in found] == [__file__]


@pytest.mark.parametrize("logits", [-torch.eye(4), torch.zeros(4, 4), 2 * torch.eye(4)[[1, 2, 3, 0]]])
def test_what_is_no_better_than_chance_is_cut_off_above(logits):
    with pytest.warns(UserWarning, match=r"no better than chance: the temperature is cut off at 100") as found:
        assert fit_temperature(logits, torch.arange(4)) == pytest.approx(100, rel=1e-12)
    assert len(found) == 1


# Misuse


@pytest.fixture
def valid():
    logits, labels = random_logits(8, 4, 13)
    return logits.softmax(1), labels


def with_rows(values, rows, wrong):
    values = values.clone()
    values[rows] = torch.as_tensor(wrong, dtype=values.dtype)
    return values


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([0.5, 0.2, 0.2, 0.0], r"row 3 is no distribution: from 0 to 0.5, sum 0.9 \(of logits, take the softmax"),
        ([3.0, -1, 0, -1], "row 3 is no distribution: from -1 to 3, sum 1 "),
        ([0.7, 0.5, -0.2, 0], "row 3 is no distribution: from -0.2 to 0.7, sum 1 "),
        ([1.005, 0, 0, 0], "row 3 is no distribution: from 0 to 1.005"),
        ([0.0, 0, 0, 0], "row 3 is no distribution: .* sum 0 "),
        ([math.nan, 0.5, 0.5, 0], "row 3 is no distribution"),
        ([math.inf, 0, 0, 0], "row 3 is no distribution"),
    ],
)
@pytest.mark.parametrize("measure", [*MEASURES, *TABLES, lambda probs, labels: ece_noise_floor(probs)])
def test_the_first_row_that_is_no_distribution_is_named(valid, measure, wrong, message):
    probs, labels = valid
    with pytest.raises(SoftlabError, match=message):
        measure(with_rows(probs, [3, 6], wrong), labels)


@pytest.mark.parametrize("measure", [*MEASURES, *TABLES, lambda probs, labels: nll(probs.log(), labels)])
def test_wrong_labels_are_named(valid, measure):
    probs, labels = valid
    for wrong, message in [
        (with_rows(labels, [5, 7], 4), "label 4 of sample 5 is not one of 4 classes"),
        (with_rows(labels, [5, 7], -1), "label -1 of sample 5 is not one of 4 classes"),
        (labels[:7], r"int64 \(8,\), not torch.int64 \(7,\)"),
        (labels.float(), r"not torch.float32 \(8,\)"),
    ]:
        with pytest.raises(SoftlabError, match=message):
            measure(probs, wrong)


@pytest.mark.parametrize("measure", MEASURES)
def test_the_first_wrong_confidence_or_correctness_is_named(measure):
    confidence = torch.linspace(0, 1, 8)
    correct = torch.tensor([0.0, 1, 0, 1, 1, 0, 1, 1])
    for wrong in (1.5, -0.5, math.nan, math.inf):
        with pytest.raises(SoftlabError, match=f"confidence 3 is {wrong:g}, not from 0 to 1"):
            measure(with_rows(confidence, [3, 6], wrong), correct)
    for wrong in (0.5, 2, math.nan):
        with pytest.raises(SoftlabError, match=f"correctness 3 is {wrong:g}: it must be 0 or 1"):
            measure(confidence, with_rows(correct, [3, 6], wrong))
    nothing = torch.zeros(0, dtype=torch.int64)
    for samples in [(confidence, correct[:7]), (confidence[:, None, None], correct), (torch.zeros(0), nothing)]:
        with pytest.raises(SoftlabError, match=r"N > 0, not \("):
            measure(*samples)
    for probs in (torch.zeros(0, 3), torch.ones(5, 1)):
        with pytest.raises(SoftlabError, match=r"at least two classes, not \("):
            measure(probs, torch.zeros(len(probs), dtype=torch.int64))


def test_vector_scaling_finds_what_scipy_finds_and_undoes_what_was_done_to_calibrated_logits():
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(4000, 3, generator=generator, dtype=torch.float64)
    labels = torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]
    factor = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    offset = torch.tensor([0.3, 0.0, -0.3], dtype=torch.float64)
    spoiled = (logits - offset) / factor
    found = fit_vector_scaling(spoiled, labels)
    assert torch.allclose(found[0], factor, rtol=0.1)
    assert torch.allclose(found[1], offset, atol=0.15)

    def loss(parts):
        return nll(torch.tensor(parts[:3]) * spoiled + torch.tensor(parts[3:]), labels)

    best = optimize.minimize(loss, [1.0, 1.0, 1.0, 0.0, 0.0, 0.0], tol=1e-12)
    assert loss([*found[0].tolist(), *found[1].tolist()]) == pytest.approx(best.fun, abs=1e-8)


def test_vector_scaling_is_never_worse_than_one_temperature_where_it_was_fitted():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(300, 4, generator=generator)
    labels = torch.randint(4, (300,), generator=generator)
    factor, offset = fit_vector_scaling(logits, labels)
    assert factor.dtype == logits.dtype
    assert nll(factor * logits + offset, labels) <= nll(logits / fit_temperature(logits, labels), labels) + 1e-6


@pytest.mark.parametrize("function", [nll, nll_terms, fit_temperature, fit_scale])
def test_wrong_logits_are_named(valid, function):
    probs, labels = valid
    logits = probs.log()
    for wrong in (math.nan, math.inf, -math.inf):
        with pytest.raises(SoftlabError, match="row 2 of logits is not finite"):
            function(with_rows(logits, [2, 4], [0, wrong, 0, 0]), labels)
    for wrong in (logits[:0], logits[:, :1]):
        with pytest.raises(SoftlabError, match=r"two classes, not \("):
            function(wrong, labels[: len(wrong)])


@pytest.mark.parametrize("function", [nll, nll_terms, fit_temperature, fit_scale])
def test_logits_that_sum_to_1_are_taken_with_a_warning(valid, function):
    """One-hot rows are logits as well as any others; whether they are meant so, only who gives them knows."""
    labels = torch.tensor([0, 1, 1])
    for logits in (torch.eye(3), torch.tensor([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])):
        with pytest.warns(UserWarning, match="sum to 1, as probabilities do: if that is what they are, give their log"):
            function(logits, labels)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        function(valid[0].log(), valid[1])
        function(torch.eye(3) + torch.tensor([0, 0, 0.01]), labels)


def test_the_temperature_of_one_hot_logits_by_hand():
    """Two of three are right: their share, 2/3, is the softmax of the top if e^s = 4."""
    logits = torch.eye(3, dtype=torch.float64)
    labels = torch.tensor([0, 1, 1])
    with pytest.warns(UserWarning, match="sum to 1"):
        assert fit_scale(logits, labels) == pytest.approx(math.log(4), rel=1e-8)
    with pytest.warns(UserWarning, match="sum to 1"):
        assert fit_temperature(logits, labels) == pytest.approx(1 / math.log(4), rel=1e-8)


@pytest.mark.parametrize("above", [1.0000001, 1.0000009, 1.000002, 1.001])
def test_rounding_above_1_is_one_thing_in_both_forms(above):
    forms = (
        (torch.tensor([above, 0.5]), torch.tensor([True, False])),
        (torch.tensor([[above, 0.0], [0.5, 0.5]]), torch.tensor([0, 1])),
    )
    for confidence, right in forms:
        for measure in (*MEASURES, lambda confidence, right: ece_noise_floor(confidence, draws=1)[0]):
            if above < 1 + 1e-6:
                measure(confidence, right)
            else:
                with pytest.raises(SoftlabError, match=f"{above}"):
                    measure(confidence, right)


@pytest.mark.parametrize(
    ("number", "dtype", "text"),
    [
        (1.0000001, torch.float32, "1.0000001"),
        (1.0000000000000002, torch.float64, "1.0000000000000002"),
        (0.35, torch.float32, "0.35"),
        (1.0078125, torch.bfloat16, "1.00781"),  # enough to tell it from 1 and from its neighbours
        (-1e-8, torch.float32, "-1e-08"),
        (3, torch.int64, "3"),
    ],
)
def test_a_number_is_shown_with_as_many_digits_as_tell_it_from_others(number, dtype, text):
    assert checks.shown(torch.tensor(number, dtype=dtype)) == text


@pytest.mark.parametrize("classes", [10, 100, 1000])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("kept", [False, True])  # True: as float32, as numpy has no bfloat16
def test_probabilities_of_half_precision_are_probabilities(classes, dtype, kept):
    logits, labels = random_logits(50, classes, 3)
    probs = logits.softmax(1).to(dtype)
    probs = probs.float() if kept else probs
    assert (probs.double().sum(1) - 1).abs().max() > 1e-5  # which float32 never is
    assert checks.are_probabilities(probs)
    assert 0 <= expected_calibration_error(probs, labels) <= 1
    with pytest.warns(UserWarning, match="sum to 1"):
        nll(probs, labels)


def test_a_mean_of_half_precision_is_probabilities_too():
    networks = [random_logits(50, 100, seed)[0].softmax(1).bfloat16().float() for seed in range(3)]
    assert checks.are_probabilities(sum(networks) / 3)


@pytest.mark.parametrize(
    ("decimals", "classes", "tolerance"),
    [(4, 3, 0.01), (3, 30, 0.015), (2, 3, 0.015), (2, 8, 0.04), (2, 1000, 0.05), (1, 4, 0.02)],
)
def test_few_decimals_may_miss_a_sum_of_1_by_half_a_unit_each(decimals, classes, tolerance):
    probs = random_logits(200, classes, 4)[0].softmax(1).round(decimals=decimals)
    assert checks.sum_tolerance(probs) == pytest.approx(tolerance)
    assert checks.sum_tolerance(probs.float()) == pytest.approx(tolerance)
    assert checks.sum_tolerance(random_logits(200, classes, 4)[0].softmax(1)) == 0.01


def test_three_thirds_of_two_decimals_are_a_distribution_and_three_times_32_are_none():
    rows = torch.tensor([[0.33, 0.33, 0.33], [0.34, 0.33, 0.33], [0.32, 0.32, 0.32], [0.35, 0.33, 0.335]])
    assert checks.distributions(rows[:3]).tolist() == [True, True, False]
    assert checks.distributions(rows).tolist() == [True, True, False, False]  # of three decimals: .01 is allowed
    assert checks.distributions(torch.tensor([[0.5, 0.5], [1.2, -0.2], [math.nan, 1.0]])).tolist() == [1, 0, 0]


def test_a_correctness_next_to_1_is_named_with_its_digits():
    with pytest.raises(SoftlabError, match=r"correctness 0 is 1\.0000001: it must be 0 or 1"):
        confidence_gap(torch.tensor([0.5]), torch.tensor([1.0000001]))


# Soft labels


def test_soft_labels_by_hand():
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.2, 0.2, 0.6]], dtype=torch.float64)
    soft = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]], dtype=torch.float64)
    first = -(0.7 * math.log(0.5) + 0.3 * math.log(0.25))
    second = -(0.6 * math.log(0.2) + 0.4 * math.log(0.6))
    assert nll_terms(probs.log(), soft).tolist() == pytest.approx([first, second])
    assert nll(probs.log(), soft) == pytest.approx((first + second) / 2)
    # Squares of 0.2, 0.05, 0.15; of 0.1, 0.1, 0.2.
    assert brier_terms(probs, soft).tolist() == pytest.approx([0.04 + 0.0025 + 0.0225, 0.01 + 0.01 + 0.04])
    assert brier(probs, soft) == pytest.approx((0.065 + 0.06) / 2)
    # Confidence 0.5 and 0.6 in the predicted classes, to which the labels give 0.7 and 0.4: two bins of ten.
    assert expected_calibration_error(probs, soft, 10) == pytest.approx((0.2 + 0.2) / 2)
    assert expected_calibration_error(probs, soft, 1) == pytest.approx(0, abs=1e-12)
    assert confidence_gap(probs, soft) == pytest.approx(0, abs=1e-12)
    # One bin: |mean p_k - mean q_k| is |0.35 - 0.5|, |0.225 - 0.25|, |0.425 - 0.25|.
    assert classwise_calibration_error(probs, soft, 1) == pytest.approx((0.15 + 0.025 + 0.175) / 3)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_of_soft_labels_is_the_one_they_were_made_with(temperature):
    logits, _ = random_logits(400, 5, 21)
    soft = (logits / temperature).softmax(1)
    assert fit_temperature(logits, soft) == pytest.approx(temperature, rel=1e-6)
    assert smooth_calibration_error(soft, soft) == pytest.approx(0, abs=1e-6)
    low, high = temperature_interval(logits, soft, temperature)
    assert low == pytest.approx(high) == pytest.approx(temperature)  # all images agree


def test_a_scale_beside_offsets_is_that_of_soft_labels_too():
    logits, _ = random_logits(300, 4, 22)
    offset = torch.tensor([0.5, -1.0, 0.0, 2.0], dtype=torch.float64)
    assert fit_scale(logits, (1.7 * logits + offset).softmax(1), offset) == pytest.approx(1.7, rel=1e-6)


@pytest.mark.parametrize("measure", [*MEASURES[1:3], *MEASURES[4:], *TABLES, nll])
def test_soft_labels_of_one_class_each_say_what_labels_say(measure):
    logits, labels = random_logits(300, 6, 23)
    given = logits if measure is nll else logits.softmax(1)
    soft = torch.nn.functional.one_hot(labels, 6)
    for form in (soft, soft.double()):
        torch.testing.assert_close(measure(given, form), measure(given, labels))


def test_soft_labels_that_are_none_are_named(valid):
    probs, _ = valid
    for wrong, message in [
        (with_rows(probs, [3, 6], [0.5, 0.2, 0.2, 0.0]), "the soft label of sample 3 is no distribution"),
        (probs[:, :3], r"soft labels must be \(N, K\), one for each class as the predictions are, not \(8, 3\) and"),
    ]:
        for measure in (expected_calibration_error, brier, lambda probs, labels: nll(probs.log(), labels)):
            with pytest.raises(SoftlabError, match=message):
                measure(probs, wrong)


# Rows at a time


def test_more_rows_than_are_looked_at_at_once_give_what_each_gives():
    logits, labels = random_logits(2 * ROWS + 100, 7, 24)
    probs = logits.softmax(1)
    for terms, table in ((nll_terms, logits), (brier_terms, probs)):
        one_by_one = torch.cat([terms(row, label) for row, label in zip(table.split(1), labels.split(1), strict=True)])
        torch.testing.assert_close(terms(table, labels), one_by_one)
    by_class = [expected_calibration_error(probs[:, k], labels == k) for k in range(7)]
    assert classwise_calibration_error(probs, labels) == pytest.approx(np.mean(by_class), rel=1e-12)
    found = outcomes(logits, labels, temperature=2.0)
    cooled = (logits / 2).softmax(1)
    assert found.diagram().error == pytest.approx(expected_calibration_error(cooled, labels), rel=1e-12)
    assert (found.gap, found.smooth_error) == (confidence_gap(cooled, labels), smooth_calibration_error(cooled, labels))
    assert float(found.nll.mean()) == pytest.approx(nll(logits / 2, labels), rel=1e-12)
    assert float(found.brier.mean()) == pytest.approx(brier(cooled, labels), rel=1e-12)
    assert found.classwise_error == pytest.approx(classwise_calibration_error(cooled, labels), rel=1e-12)


def test_wrong_settings_are_named(valid):
    for bins in (0, -3, 2.5, True, "15", None):
        for measure in BINNED:
            with pytest.raises(SoftlabError, match=f"bins must be a whole number from 1 on, not {bins!r}"):
                measure(torch.tensor([0.5]), torch.tensor([1]), bins)
    for offset in (torch.zeros(3), torch.tensor([0, math.nan, 0, 0])):
        with pytest.raises(SoftlabError, match=r"offset must be \(4,\), a finite number per class"):
            fit_scale(valid[0].log(), valid[1], offset)
    for signs in (torch.ones(0), torch.ones(2, 2), torch.tensor([1, 0.5])):
        with pytest.raises(SoftlabError, match=r"signs must be \(B,\), each -1, 0 or 1, not \["):
            ece_terms(*valid, signs)


def test_the_interval_of_a_temperature_is_that_of_one_equation_by_hand():
    """Two classes, logits of ±1, right in 3 of 4: the derivative of a right answer is p - 1, of a wrong one p.

    Those are to be taken twice, as logits differ by 2. At the best scale p = 3/4, so that s = log(3) / 2; the mean of
    the squares is 4 p (1 - p), and so is the curvature: the standard error of s is 1 / (2 √(N p (1 - p))).
    """
    logits = torch.tensor([[1.0, -1.0]]).expand(400, 2)
    labels = (torch.arange(400) % 4 == 0).long()
    temperature = fit_temperature(logits, labels)
    scale = math.log(3) / 2
    assert temperature == pytest.approx(1 / scale)
    error = 1 / (2 * math.sqrt(400 * 3 / 16))
    low, high = temperature_interval(logits, labels, temperature)
    assert high / temperature == pytest.approx(math.exp(1.959964 * error / scale))
    assert low * high == pytest.approx(temperature**2)


def test_the_interval_of_a_temperature_covers_the_true_one():
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(200):
        logits = 2 * torch.randn(300, 5, generator=generator)
        labels = torch.multinomial((logits / 1.7).softmax(1), 1, generator=generator)[:, 0]
        fitted = fit_temperature(logits, labels)
        low, high = temperature_interval(logits, labels, fitted)
        covered += low < 1.7 < high
    assert 182 <= covered <= 198  # 190 are expected, give or take three


def test_a_temperature_that_was_cut_off_has_no_interval():
    logits = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    with pytest.warns(UserWarning, match="the colder the better"):
        temperature = fit_temperature(3 * logits, torch.tensor([0, 1]))
    assert all(map(math.isnan, temperature_interval(3 * logits, torch.tensor([0, 1]), temperature)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bins", [5, 10, 20, 25, 30, 50, 100])
def test_what_lies_on_an_edge_is_in_the_bin_that_ends_there(bins, dtype):
    """.28 is 7/25: ECE, its table and the classwise error have it in the seventh bin of 25."""
    on_edges = torch.tensor([place / bins for place in range(1, bins + 1)], dtype=torch.float64)
    curve = reliability(on_edges.to(dtype), torch.ones(bins), bins)
    assert curve.count.tolist() == [1] * bins
    assert (curve.confidence <= curve.edges[1:]).all()
    assert (curve.confidence > curve.edges[:-1]).all()


def scaled_noise(factor):
    """Logits that say little: the best temperature is 3.6 for a factor of 1, and grows with it."""
    drawing = torch.Generator().manual_seed(0)
    labels = torch.arange(2000) % 4
    logits = torch.randn(2000, 4, generator=drawing)
    logits[range(2000), labels] += 0.3
    return factor * logits, labels


TEMPERATURES_AT_AN_END = {
    "280 and the like": (*scaled_noise(100), 100, "the best temperature is higher: the temperature is cut off at 100"),
    "chance": (*(-torch.eye(4)[torch.arange(40) % 4], torch.arange(40) % 4), 100, "no better than chance: the temp"),
    "all right": (torch.eye(4)[torch.arange(40) % 4], torch.arange(40) % 4, 0.01, "the colder the better: the temp"),
    "small logits": (*scaled_noise(1e-4), 0.01, "the best temperature is lower: the temperature is cut off at 0.01"),
}


@pytest.mark.parametrize("case", TEMPERATURES_AT_AN_END)
def test_why_a_temperature_is_cut_off_is_said(case):
    logits, labels, end, words = TEMPERATURES_AT_AN_END[case]
    with pytest.warns(UserWarning, match=words):
        assert fit_temperature(logits, labels) == pytest.approx(end)
