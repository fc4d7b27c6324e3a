"""What a head sees, the logit scale and its factors, angles: by hand, by brute force, and what leaves them alone."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_heads import random_features, random_head, seen_part

from softlab.lenses.geometry import (
    alignment,
    centered_logits,
    cosine_to,
    inward_cosine,
    logit_cosine,
    logit_scale_factors,
    magnitude,
    row_space,
)

FEW = settings(derandomize=True, max_examples=40, deadline=None, database=None)


@FEW
@given(st.integers(2, 12), st.integers(1, 20), st.integers(0, 10_000), st.sampled_from([0.0, 10.0, 1e4]))
def test_softmax_depends_on_the_row_space_alone(classes, dimension, seed, common):
    weight, bias = random_head(classes, dimension, seed)
    weight = weight + common
    features = random_features(20, dimension, seed)
    basis = row_space(weight)
    assert basis.shape == (min(classes - 1, dimension), dimension)
    torch.testing.assert_close(basis @ basis.T, torch.eye(len(basis)).double())
    seen, unseen = seen_part(features, weight)
    torch.testing.assert_close(seen + unseen, features)
    torch.testing.assert_close(seen, features @ basis.T @ basis)
    probabilities = (features @ weight.T + bias).softmax(1)
    torch.testing.assert_close((seen @ weight.T + bias).softmax(1), probabilities)
    torch.testing.assert_close(((features - 3 * unseen) @ weight.T + bias).softmax(1), probabilities)


def test_the_row_space_has_the_rank_of_the_differences():
    weight = torch.tensor([[1.0, 2, 3], [2, 2, 3], [7, 2, 3]])
    assert row_space(weight).abs() == pytest.approx(torch.tensor([[1.0, 0, 0]]))
    assert row_space(torch.full((3, 5), 0.1)).shape == (0, 5)
    thin = random_head(50, 4, 0)[0].float() @ random_head(4, 64, 1)[0].float()
    assert len(row_space(thin)) == 4
    assert row_space(thin).dtype == torch.float32


def test_magnitude_is_the_root_mean_square():
    assert magnitude(torch.tensor([[3.0, 4, 0, 0], [0, 0, 0, 0]])).tolist() == [2.5, 0]


@FEW
@given(st.integers(2, 12), st.integers(1, 30), st.integers(0, 10_000))
def test_the_three_factors_multiply_to_the_logit_scale(classes, dimension, seed):
    weight, _ = random_head(classes, dimension, seed)
    features = random_features(20, dimension, seed)
    expected = ((weight - weight.mean(0)) @ features.T).norm(dim=0)
    factors = logit_scale_factors(features.float(), weight.float())
    torch.testing.assert_close(math.prod(factors).double(), expected, rtol=1e-5, atol=0)
    factors = logit_scale_factors(features, weight)
    seen, _ = seen_part(features, weight)
    torch.testing.assert_close(factors.norm, features.norm(dim=1))
    torch.testing.assert_close(factors.seen_share, seen.norm(dim=1) / features.norm(dim=1))
    torch.testing.assert_close(factors.head_gain, (seen @ (weight - weight.mean(0)).T).norm(dim=1) / seen.norm(dim=1))
    assert (factors.seen_share <= 1 + 1e-12).all()


def test_the_factors_by_hand():
    weight = torch.tensor([[2.0, 0, 1], [-2, 0, 1]])
    norm, share, gain = logit_scale_factors(torch.tensor([[3.0, 4, 0], [0, 1, 1], [5, 0, 0]]), weight)
    assert norm.tolist() == pytest.approx([5, 2**0.5, 5])
    assert share.tolist() == pytest.approx([0.6, 0, 1])
    assert gain.tolist() == pytest.approx([8**0.5, 0, 8**0.5])


def test_the_gauge_moves_the_norm_and_not_the_logit_scale():
    weight, _ = random_head(6, 9, 0)
    features = random_features(30, 9, 0)
    before = logit_scale_factors(features, weight)
    after = logit_scale_factors(7 * features, weight / 7)
    torch.testing.assert_close(math.prod(after), math.prod(before))
    torch.testing.assert_close(after.norm, 7 * before.norm)
    torch.testing.assert_close(after.seen_share, before.seen_share)


def test_cosine_to_the_centre_of_the_label():
    centers = torch.tensor([[1.0, 0], [0, 2], [0, 0]])
    features = torch.tensor([[3.0, 4], [3, 4], [3, 4], [-1, 0]])
    cosines = cosine_to(features, centers, torch.tensor([0, 1, 2, 0]))
    assert cosines.tolist() == pytest.approx([0.6, 0.8, math.nan, -1], nan_ok=True)  # a centre at 0 has no direction


def test_logit_cosine_is_that_to_the_corner_of_the_simplex():
    logits = torch.tensor([[2.0, 0, 0], [0, 1, 0], [0, 3, 3], [1, 0, -1]])
    labels = torch.tensor([0, 0, 0, 1])
    assert logit_cosine(logits, labels).tolist() == pytest.approx([1, -0.5, -1, 0], abs=1e-6)
    logits = random_head(40, 7, 1)[0]
    labels = torch.arange(40) % 7
    corners = torch.eye(7, dtype=torch.float64)[labels] - 1 / 7
    peer = torch.nn.functional.cosine_similarity(logits - logits.mean(1, keepdim=True), corners)
    torch.testing.assert_close(logit_cosine(logits, labels), peer)


def test_centered_logits_and_their_alignment_by_hand():
    logits = torch.tensor([[2.0, 0, 1], [0, 5, 10], [3, 3, 0]])
    assert centered_logits(logits).tolist() == [[1, -1, 0], [-5, 0, 5], [1, 1, -2]]
    # (1, -1, 0) against (2, -1, -1)/3, likewise the second; (1, 1, -2) against the first corner.
    assert alignment(logits).tolist() == pytest.approx([3 / 12**0.5, 3 / 12**0.5, 3 / 6])
    logits, _ = random_head(40, 7, 9)
    torch.testing.assert_close(alignment(logits), logit_cosine(logits, logits.argmax(1)))
    assert (alignment(logits) > 0).all()


def test_steps_toward_the_origin():
    features = torch.tensor([[3.0, 4], [3, 4], [3, 4], [3, 4], [0, 0]])
    steps = torch.tensor([[-3.0, -4], [6, 8], [4, -3], [0, 0], [1, 0]])
    assert inward_cosine(steps, features).tolist() == pytest.approx([1, -1, 0, math.nan, math.nan], nan_ok=True)
    steps = random_head(40, 7, 10)[0]
    features = random_features(40, 7, 10)
    peer = torch.cosine_similarity(steps, -features)
    torch.testing.assert_close(inward_cosine(steps, features), peer)
    tiny = inward_cosine(1e-30 * steps.float(), 1e12 * features.float())  # their squares are 0 and infinite in float32
    torch.testing.assert_close(tiny, peer.float())
    assert (torch.cosine_similarity(1e-10 * steps, -features).abs() < 0.1).all()  # the peer floors lengths at 1e-8


@FEW
@given(st.integers(0, 10_000), st.floats(0.01, 100))
def test_cosines_do_not_change_with_scale_and_rotation(seed, scale):
    features = random_features(10, 6, seed)
    centers = random_head(3, 6, seed)[0]
    labels = torch.arange(10) % 3
    turn, _ = torch.linalg.qr(random_head(6, 6, seed + 1)[0])
    turned = cosine_to(scale * features @ turn, 3 * centers @ turn, labels)
    torch.testing.assert_close(turned, cosine_to(features, centers, labels))
    logits = features @ centers.T
    torch.testing.assert_close(logit_cosine(scale * logits + 5, labels), logit_cosine(logits, labels))
