"""Onsets along rays against dense grids, bounded regions, the apex by its definition, invariances, and misuse."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_heads import random_features, random_head, seen_part

from softlab import SoftlabError
from softlab.lenses.geometry import (
    apex,
    apex_ratio,
    apex_residual,
    bounded_regions,
    cone_onset,
    confidence_contour,
    constant_along_ray,
    constant_share,
    row_space,
)

GRID = torch.logspace(-4, 5, 4000, dtype=torch.float64)  # t: the onsets below lie well within


def classes_on_grid(feature, weight, bias):
    return (GRID[:, None] * (weight @ feature) + bias).argmax(1)


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(st.integers(2, 12), st.integers(2, 20), st.integers(0, 10_000))
def test_the_class_changes_at_the_onset_and_never_after(classes, dimension, seed):
    weight, bias = random_head(classes, dimension, seed)
    features = random_features(4, dimension, seed)
    for feature, onset in zip(features, cone_onset(features, weight, bias), strict=True):
        found = classes_on_grid(feature, weight, bias)
        # The steepest line leads only at the end, so the grid has its class after the onset and another one before.
        assert (found[onset * (1 + 1e-9) < GRID] == found[-1]).all()
        assert (found[onset * (1 - 1e-9) > GRID] != found[-1]).all()


def test_three_lines_by_hand():
    weight = torch.tensor([[0.0, 5], [1, 5], [2, 5]])
    bias = torch.tensor([3.0, 2, 0])
    # Along (1, 0): 3, 2 + t, 2 t; the second overtakes at 1, the third at 2. Along (2, 0) all happens twice as early.
    features = torch.tensor([[1.0, 0], [2, 0], [-1, 0], [0, 1], [0, 0]])
    assert cone_onset(features, weight, bias).tolist() == [2, 1, 0, 0, 0]


def test_among_equal_slopes_the_larger_bias_leads():
    weight = torch.tensor([[1.0], [1], [0]])
    bias = torch.tensor([0.0, 1, 3])
    assert cone_onset(torch.tensor([[1.0]]), weight, bias).tolist() == [2]  # against 1 + t, not against t


def test_of_lines_that_coincide_the_first_counts():
    weight = torch.tensor([[0.0], [1], [1]])
    bias = torch.tensor([1.0, 0, 0])
    assert cone_onset(torch.tensor([[1.0]]), weight, bias).tolist() == [1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_rounding_does_not_separate_duplicate_rows(dtype):
    weight, bias = random_head(10, 64, 0)
    weight[0] += 0.5  # so that it often leads
    weight[9] = weight[0]  # columns of one product can round differently
    weight = weight.to(dtype) + 1
    bias = bias.to(dtype)
    features = random_features(500, 64, 0).to(dtype)
    bias[0], bias[9] = 0, 3
    without = cone_onset(features, weight[1:], bias[1:])
    assert cone_onset(features, weight, bias) == pytest.approx(without, rel=1e-3 if dtype == torch.float32 else 1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_feature_that_the_head_does_not_see_has_onset_zero(dtype):
    weight, bias = (values.to(dtype) for values in random_head(6, 30, 1))
    _, unseen = seen_part(random_features(200, 30, 1).to(dtype), weight + 1)
    assert (cone_onset(unseen, weight + 1, bias) == 0).all()
    assert (cone_onset(torch.zeros(1, 30, dtype=dtype), weight, bias) == 0).all()


def test_without_bias_every_onset_is_zero():
    weight, bias = random_head(7, 5, 2)
    assert (cone_onset(random_features(50, 5, 2), weight, 0 * bias) == 0).all()
    assert (cone_onset(random_features(50, 5, 2), weight, 0 * bias + 3) == 0).all()


@pytest.mark.parametrize("factor", [0.01, 3.0, 1000.0])
def test_onset_and_apex_ratio_do_not_depend_on_the_gauge(factor):
    weight, bias = random_head(6, 12, 3)
    features = random_features(40, 12, 3)
    turned = factor * features, weight / factor, bias
    torch.testing.assert_close(cone_onset(*turned), cone_onset(features, weight, bias))
    assert apex_ratio(*turned) == pytest.approx(apex_ratio(features, weight, bias))


def test_classes_can_be_permuted_and_common_parts_added():
    weight, bias = random_head(8, 12, 4)
    features = random_features(40, 12, 4)
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    for other in [(weight[order], bias[order]), (weight + torch.arange(12), bias - 7)]:
        torch.testing.assert_close(cone_onset(features, *other), cone_onset(features, weight, bias))
        torch.testing.assert_close(apex(*other), apex(weight, bias))
        assert apex_ratio(features, *other) == pytest.approx(apex_ratio(features, weight, bias))


@pytest.mark.parametrize(("classes", "dimension"), [(2, 2), (3, 2), (4, 9), (10, 64)])
def test_at_the_apex_all_logits_are_equal_and_around_it_regions_are_exact_cones(classes, dimension):
    weight, bias = random_head(classes, dimension, classes, bias_scale=5.0)
    point = apex(weight, bias)
    logits = weight @ point + bias
    torch.testing.assert_close(logits, logits.mean().expand(classes))
    assert apex_residual(weight, bias) < 1e-12
    directions = random_features(30, dimension, 5) - 0.5
    near = ((point + 1e-3 * directions) @ weight.T + bias).argmax(1)
    for distance in [0.1, 1, 10, 1e4]:
        assert (((point + distance * directions) @ weight.T + bias).argmax(1) == near).all()
    torch.testing.assert_close(point, row_space(weight).T @ row_space(weight) @ point)  # the closest such point


def test_the_apex_by_hand():
    weight = torch.tensor([[1.0, 0], [-1, 0]])
    bias = torch.tensor([3.0, 1])
    assert apex(weight, bias) == pytest.approx(torch.tensor([-1.0, 0]))  # c + 3 = -c + 1
    assert apex_ratio(torch.tensor([[4.0, 100], [0, -7]]), weight, bias) == pytest.approx(0.5)  # mean ‖Qf‖ = 2
    assert apex_residual(weight, torch.zeros(2)) == 0
    assert apex(weight, torch.ones(2)).tolist() == [0, 0]


def test_the_share_of_constant_classes_by_hand():
    weight = torch.tensor([[0.0, 5], [1, 5], [2, 5]])
    bias = torch.tensor([3.0, 2, 0])
    # Along (1, 0) the class changes at 1 and 2 (see above), along (400, 0) before 0.1, along (0.05, 0) beyond 10, and
    # along the others never.
    features = torch.tensor([[1.0, 0], [400, 0], [0.05, 0], [-1, 0], [0, 1]])
    assert constant_share(features, weight, bias) == pytest.approx(4 / 5)
    assert constant_share(features, weight, bias, low=0.5, high=1.5) == pytest.approx(4 / 5)
    assert constant_share(features, weight, bias, low=0.0) == pytest.approx(3 / 5)  # at t = 0 the bias decides
    assert constant_share(features, weight, bias, low=1.0, high=1.0) == 1
    assert constant_share(features, weight, 0 * bias) == 1  # cones around the origin


def test_the_two_ends_of_a_ray_say_what_all_of_it_does():
    weight, bias = random_head(10, 12, 7, bias_scale=3.0)
    head = torch.nn.Linear(12, 10).double()
    features = random_features(400, 12, 7)
    head.weight.data = weight
    head.bias.data = bias
    share = constant_share(features, weight, bias)
    assert 0.1 < share < 0.9
    assert share == pytest.approx(constant_along_ray(head, features, steps=401))
    turned = constant_share(3 * features, weight / 3, bias)
    assert turned == share  # no change of gauge moves it


@pytest.mark.parametrize("kind", ["few features", "duplicate rows", "product of thin matrices"])
def test_with_a_smaller_rank_the_residual_says_that_no_apex_exists(kind):
    weight, bias = random_head(6, 12, 6)
    if kind == "few features":
        weight = weight[:, :2]
    elif kind == "duplicate rows":
        weight[5] = weight[4]
    else:
        weight = (weight[:, :3].float() @ weight[:3].float()).double()  # of rank 3 up to rounding in float32
    residual = apex_residual(weight, bias)
    assert 0.01 < residual <= 1
    rows = weight - weight.mean(0)
    offsets = bias - bias.mean()
    least = torch.linalg.lstsq(rows, -offsets[:, None], rcond=1e-5, driver="gelsd").solution[:, 0]
    torch.testing.assert_close(apex(weight, bias), least, rtol=1e-5, atol=1e-8)
    assert residual == pytest.approx(float((rows @ least + offsets).norm() / offsets.norm()))


# Bounded regions

TRIANGLE = torch.tensor([[1.0, 0], [-1, 1], [-1, -1]])


@pytest.mark.parametrize(
    ("row", "own", "expected"),
    [
        ((0, 0), 1, True),  # inside the triangle: a triangle where its logit is the largest
        ((0, 0), -1, False),  # nowhere the largest
        ((0, 0), 0, False),  # at one point, and not strictly
        ((-1, 0), 1, False),  # on the boundary
        ((1, 0), 1, False),  # on a corner
        ((2, 0), 1, False),  # outside
        ((-0.99, 0), 1, True),
    ],
)
def test_a_fourth_region_in_the_plane_by_hand(row, own, expected):
    weight = torch.cat([TRIANGLE, torch.tensor([row])])
    bias = torch.tensor([0.0, 0, 0, own])
    assert bounded_regions(weight, bias).tolist() == [False, False, False, expected]
    assert bounded_regions(100 * weight + 7, bias / 100 - 3).tolist() == [False, False, False, expected]


def test_an_interval_between_two_others_by_hand():
    weight = torch.tensor([[-1.0], [0], [1], [0.5]])
    assert bounded_regions(weight[:3], torch.tensor([0.0, 1, 0])).tolist() == [False, True, False]
    # -t, 1, t, t/2 + b: the last leads between 2 - 2 b and 2 b if that is not empty.
    for own, expected in [(0.4, False), (0.5, False), (0.6, True)]:
        assert bounded_regions(weight, torch.tensor([0.0, 1, 0, own])).tolist() == [False, True, False, expected]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("classes", [4, 7, 10])
def test_a_bounded_region_is_somewhere_and_not_far_out(classes, seed):
    weight, bias = random_head(classes, 2, seed, bias_scale=2.0)
    angles = torch.linspace(0, 2 * math.pi, 20_001, dtype=torch.float64)
    circle = torch.stack([angles.cos(), angles.sin()], 1)
    far = torch.zeros(classes, dtype=torch.bool).index_fill_(0, (1e6 * circle @ weight.T + bias).argmax(1), True)
    steps = torch.linspace(-30, 30, 1201, dtype=torch.float64)
    square = torch.cartesian_prod(steps, steps)
    near = torch.bincount((square @ weight.T + bias).argmax(1), minlength=classes) > 0
    bounded = bounded_regions(weight, bias)
    assert not (bounded & far).any()
    assert (bounded | far)[near].all()
    assert near[bounded].all()  # none of these is smaller than a step
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(seed))
    assert (bounded_regions(weight[order], bias[order]) == bounded[order]).all()


def test_no_region_is_bounded_where_a_direction_is_unseen_or_there_are_many_of_them():
    weight = torch.cat([TRIANGLE, torch.zeros(1, 2)])
    bias = torch.tensor([0.0, 0, 0, 1])
    assert bounded_regions(weight, bias).any()
    unseen = torch.cat([weight, torch.full((4, 1), 5.0)], 1)  # the same number for each class
    assert not bounded_regions(unseen, bias).any()
    assert not bounded_regions(torch.cat([unseen, torch.zeros(4, 60)], 1), bias).any()
    for dimension in (9, 64):
        assert not bounded_regions(*random_head(10, dimension, 0)).any()
    assert not bounded_regions(weight, 0 * bias).any()  # cones
    assert bounded_regions(*random_head(30, 4, 0, bias_scale=4.0)).any()


# Contours of confidence


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_the_contour_of_two_classes_by_hand(level):
    weight = torch.tensor([[3.0, 0], [0, 0]])
    bias = torch.tensor([-1.0, 0])
    # Class 0 has sigmoid(3 t - 1) along (1, 0), sigmoid(6 t - 1) along (2, 0); class 1 sigmoid(3 t + 1) along (-1, 0).
    logit = math.log(level / (1 - level))
    found = confidence_contour(torch.tensor([[1.0, 0], [2, 0], [-1, 0], [0, 1]]), weight, bias, level)
    beside = 0 if level == 0.5 else math.inf  # along (0, 1) nothing changes: sigmoid(1)
    assert found.tolist() == pytest.approx([(logit + 1) / 3, (logit + 1) / 6, max((logit - 1) / 3, 0), beside])


@settings(derandomize=True, max_examples=60, deadline=None, database=None)
@given(st.integers(2, 12), st.integers(1, 20), st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 0.9, 0.999]))
def test_the_level_is_reached_at_the_contour_and_not_before(classes, dimension, seed, level):
    weight, bias = random_head(classes, dimension, seed, bias_scale=2.0)
    features = random_features(20, dimension, seed)
    label = (features @ weight.T + bias).argmax(1)
    for feature, own, contour in zip(features, label, confidence_contour(features, weight, bias, level), strict=True):
        confidence = (GRID[:, None] * (weight @ feature) + bias).softmax(1)[:, own]
        assert (confidence[contour * (1 - 1e-6) > GRID] < level).all()
        if contour.isfinite():
            at = (contour * (weight @ feature) + bias).softmax(0)[own]
            assert float(at) == pytest.approx(level, abs=1e-9) if contour > 0 else at >= level


def test_the_contour_is_infinite_where_two_classes_share_the_lead_or_another_takes_it():
    weight = torch.tensor([[2.0], [2], [0]])
    bias = torch.tensor([1.0, 0, 0])
    # The first tends to sigmoid(1) = 0.731.
    assert confidence_contour(torch.ones(1, 1), weight, bias, 0.74).tolist() == [math.inf]
    assert 0 < float(confidence_contour(torch.ones(1, 1), weight, bias, 0.72)) < 10
    weight = torch.tensor([[1.0], [2], [0]])
    bias = torch.tensor([3.0, 0, 2])
    assert confidence_contour(torch.ones(1, 1), weight, bias, 0.9).tolist() == [math.inf]  # until the second overtakes
    for level in (0.0, 1.0, math.nan):
        with pytest.raises(SoftlabError, match="level must be between 0 and 1, both excluded"):
            confidence_contour(torch.ones(1, 1), weight, bias, level)


def test_contours_scale_with_the_length_and_not_with_the_gauge():
    weight, bias = random_head(10, 64, 8)
    features = random_features(50, 64, 8)
    expected = confidence_contour(features, weight, bias, 0.9)
    torch.testing.assert_close(confidence_contour(7 * features, weight / 7, bias, 0.9), expected)
    torch.testing.assert_close(confidence_contour(features, weight + 3, bias - 2, 0.9), expected)
    single = confidence_contour(features.float(), weight.float(), bias.float(), 0.9)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), expected, rtol=1e-3, atol=1e-6)
