"""Within-class variation and R² against the definition over all pairs; class sums by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from softlab import SoftlabError
from softlab.lenses.geometry import (
    centered_logits,
    class_mean_cosine,
    effective_rank,
    row_space,
    variation_variants,
    within_class_variation,
)
from softlab.lenses.geometry.variation import CHUNK, ClassSums


def clusters(seed, number=90, classes=4, dimension=7, spread=0.3):
    """Features around random class means, unequal classes, labels in no order."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.rand(number, generator=generator).square().mul(classes).long()
    labels[:classes] = torch.arange(classes)
    means = torch.rand(classes, dimension, generator=generator, dtype=torch.float64)
    noise = torch.randn(number, dimension, generator=generator, dtype=torch.float64)
    return means[labels] + spread * noise, labels


def by_definition(features, labels):
    """Mean cosine distances over all ordered pairs: within classes, and between all pairs of classes."""
    unit = features.double() / features.double().norm(dim=1, keepdim=True)
    distance = 1 - unit @ unit.T
    present = labels.unique().tolist()
    between = [[distance[labels == a][:, labels == b].mean() for a in present] for b in present]
    between = torch.tensor(between)
    within = between.diagonal().mean()
    return float(within), float(1 - within / between.mean())


@settings(derandomize=True, max_examples=40, deadline=None, database=None)
@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 12), st.floats(0.01, 3))
def test_class_sums_give_the_definition_over_all_pairs(seed, classes, dimension, spread):
    features, labels = clusters(seed, 50, classes, dimension, spread)
    assert within_class_variation(features, labels) == pytest.approx(by_definition(features, labels), abs=1e-10)
    features = (features + 3).float()  # raw features share a mean: little variation is left
    assert within_class_variation(features, labels)[0] == pytest.approx(by_definition(features, labels)[0], abs=1e-6)


def test_variation_by_hand():
    features = torch.tensor([[1.0, 0], [0, 5], [-2, 0], [-3, 0]])
    within, separation = within_class_variation(features, torch.tensor([0, 0, 1, 1]))
    # Class 0: distances 0, 1, 1, 0; class 1: 0. Between: 2 from (1, 0), 1 from (0, 5): 1.5.
    assert within == pytest.approx(0.25)
    assert separation == pytest.approx(1 - 0.25 / ((0.5 + 0 + 2 * 1.5) / 4))


def test_little_variation_survives_rounding():
    features, labels = clusters(11, 4000, 3, 30, spread=1e-3)
    features = features.float()
    assert within_class_variation(features, labels) == pytest.approx(by_definition(features, labels), abs=3e-8)


def test_collapsed_classes_have_no_variation_and_full_separation():
    features = torch.tensor([[1.0, 3], [2, 6], [0.1, 0.3], [3, -1]])
    within, separation = within_class_variation(features, torch.tensor([0, 0, 0, 1]))
    assert 0 <= within < 1e-6
    assert separation == pytest.approx(1, abs=1e-5)


def test_scale_rotation_and_names_of_classes_change_nothing():
    features, labels = clusters(1)
    expected = pytest.approx(within_class_variation(features, labels))
    turn, _ = torch.linalg.qr(torch.randn(7, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    scales = torch.linspace(0.1, 10, len(features), dtype=torch.float64)[:, None]  # each feature its own
    assert within_class_variation(scales * features @ turn, labels) == expected
    assert within_class_variation(features, torch.tensor([2, 0, 3, 1])[labels]) == expected
    assert within_class_variation(features, 10 * labels + 5) == expected  # classes without samples are left out


@pytest.mark.parametrize("number", [CHUNK - 1, CHUNK, 2 * CHUNK + 1])
def test_chunks_do_not_show(number):
    features, labels = clusters(3, number)
    assert within_class_variation(features, labels) == pytest.approx(by_definition(features, labels), abs=1e-10)
    found = within_class_variation(features.float(), labels)
    assert found == pytest.approx(by_definition(features, labels), abs=1e-6)


def test_class_sums_hold_counts_and_means():
    features, labels = clusters(5)
    sums = ClassSums.of(features, labels, 5)
    assert sums.count.tolist() == [*labels.bincount().tolist(), 0]
    torch.testing.assert_close(sums.means[2], features[labels == 2].mean(0))
    assert sums.means[4].isnan().all()


def test_half_precision_is_summed_in_single():
    features, labels = clusters(6, 2000)
    half = features.bfloat16()
    found = within_class_variation(half, labels)
    assert found == pytest.approx(by_definition(half, labels), abs=1e-6)


def test_the_three_versions_by_their_definitions():
    features, labels = clusters(7)
    weight = torch.randn(4, 7, generator=torch.Generator().manual_seed(8), dtype=torch.float64)
    found = variation_variants(features, labels, weight)
    assert list(found) == ["raw", "centred", "row space"]
    assert found["raw"] == pytest.approx(by_definition(features, labels))
    assert found["centred"] == pytest.approx(by_definition(features - features.mean(0), labels))
    assert found["row space"] == pytest.approx(by_definition(features @ row_space(weight).T, labels))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_features_in_one_direction_have_no_separation(dtype):
    generator = torch.Generator().manual_seed(0)
    lengths = torch.rand(3000, 1, generator=generator) + 0.1
    direction = torch.rand(9, generator=generator)
    features = lengths.to(dtype) * direction.to(dtype)
    with pytest.raises(SoftlabError, match="one direction"):
        within_class_variation(features, torch.arange(3000) % 3)


def test_a_late_chunk_names_the_right_feature():
    features, labels = clusters(10, CHUNK + 50)
    features[CHUNK + 7] = 0
    with pytest.raises(SoftlabError, match=f"feature {CHUNK + 7} is zero"):
        within_class_variation(features, labels)


def test_rescaling_channels_moves_every_variation_of_features_and_not_that_of_the_centred_logits():
    features, labels = clusters(12, 200, 4, 7)
    weight = torch.randn(4, 7, generator=torch.Generator().manual_seed(12), dtype=torch.float64)
    scale = torch.logspace(-1, 1, 7, dtype=torch.float64)
    before = (features, weight)
    after = (features * scale, weight / scale)
    logits, same = (centered_logits(f @ w.T + torch.arange(4)) for f, w in (before, after))
    assert within_class_variation(same, labels) == pytest.approx(within_class_variation(logits, labels), rel=1e-9)
    moved, still = (variation_variants(f, labels, w) for f, w in (after, before))
    for name in still:
        assert abs(moved[name][0] - still[name][0]) > 0.005, name


def test_class_means_at_the_corners_of_a_simplex_are_as_far_apart_as_can_be():
    corners = torch.eye(4).repeat(3, 1) + 5
    labels = torch.arange(4).repeat(3)
    assert class_mean_cosine(corners, labels) == pytest.approx(-1 / 3, abs=1e-6)
    with pytest.raises(SoftlabError, match="two classes"):
        class_mean_cosine(corners, torch.zeros(12, dtype=torch.long))


def test_effective_rank_counts_directions_that_are_used_alike():
    square = torch.tensor([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]])
    assert effective_rank(square + 7) == pytest.approx(2)
    assert effective_rank(square * torch.tensor([1, 0, 0]) + 7) == pytest.approx(1)
    # Singular values 3 and 1: shares ¾ and ¼.
    assert effective_rank(square * torch.tensor([3.0, 1, 1])) == pytest.approx((4 / 3) ** 0.75 * 4**0.25)
    with pytest.raises(SoftlabError, match="alike"):
        effective_rank(torch.ones(3, 2))
