"""Minimal-loss points in closed form, against independent solvers, their certificates, limits, and misuse."""

import warnings

import cvxpy
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from random_heads import random_head
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax

from softlab.lenses.geometry import class_centers


def objective(point, weight, bias, label):
    """h_k by its definition, and its gradient."""
    others = np.arange(len(weight)) != label
    differences = (weight[others] - weight[label]).numpy()
    logits = differences @ np.asarray(point) + (bias[others] - bias[label]).numpy()
    return logsumexp(logits), softmax(logits) @ differences


def by_scipy(weight, bias, label, radius, nonnegative):
    """Smallest h_k that SLSQP finds within reach."""
    dimension = weight.shape[1]
    ball = {"type": "ineq", "fun": lambda c: radius**2 - c @ c, "jac": lambda c: -2 * c}
    found = minimize(
        objective,
        np.full(dimension, 0.1 * radius / dimension**0.5),
        (weight, bias, label),
        jac=True,
        method="SLSQP",
        bounds=[(0, None)] * dimension if nonnegative else None,
        constraints=[ball],
        options={"ftol": 1e-12, "maxiter": 500},
    ).x
    found = np.clip(found, 0, None) if nonnegative else found
    return objective(found / max(1, np.linalg.norm(found) / radius), weight, bias, label)[0]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_centres_of_a_simplex_are_its_rows(classes):
    rows = torch.eye(classes, 9) - torch.eye(classes, 9).mean(0)
    centers, gaps = class_centers(rows + 5, torch.zeros(classes), 4.0, nonnegative=False)
    torch.testing.assert_close(centers, 4 * (rows / rows.norm(dim=1, keepdim=True)).double(), rtol=0, atol=1e-3)
    assert (gaps <= 1e-6).all()
    # In the orthant: the axes.
    centers, _ = class_centers(torch.eye(classes, 9), torch.zeros(classes), 4.0)
    torch.testing.assert_close(centers, 4 * torch.eye(classes, 9).double(), rtol=0, atol=1e-3)


@settings(derandomize=True, max_examples=40, deadline=None, database=None)
@given(st.integers(2, 7), st.integers(1, 6), st.sampled_from([0.1, 1.0, 6.0]), st.booleans(), st.integers(0, 10_000))
def test_no_other_solver_finds_a_smaller_loss(classes, dimension, radius, nonnegative, seed):
    weight, bias = random_head(classes, dimension, seed)
    centers, gaps = class_centers(weight, bias, radius, nonnegative)
    assert (gaps <= 1e-6).all()
    assert (centers.norm(dim=1) <= radius * (1 + 1e-12)).all()
    assert not nonnegative or (centers >= 0).all()
    for label, center in enumerate(centers):
        ours = objective(center, weight, bias, label)[0]
        peer = by_scipy(weight, bias, label, radius, nonnegative)
        assert ours <= peer + 1e-6 + 1e-12 * abs(peer)
        assert ours >= peer - 1e-5  # SLSQP is no better than that


@pytest.mark.parametrize("nonnegative", [False, True])
def test_a_conic_solver_agrees(nonnegative):
    weight, bias = random_head(8, 12, 0)
    centers, _ = class_centers(weight, bias, 3.0, nonnegative)
    for label in (0, 5):
        point = cvxpy.Variable(12)
        others = [j for j in range(8) if j != label]
        logits = (weight[others] - weight[label]).numpy() @ point + (bias[others] - bias[label]).numpy()
        within = [cvxpy.norm(point) <= 3, *([point >= 0] if nonnegative else [])]
        peer = cvxpy.Problem(cvxpy.Minimize(cvxpy.log_sum_exp(logits)), within).solve()
        assert objective(centers[label], weight, bias, label)[0] == pytest.approx(peer, abs=1e-5)
        np.testing.assert_allclose(centers[label], point.value, atol=0.02)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("steps", [0, 10, 40, 100])
def test_the_gap_bounds_the_distance_to_the_optimum_at_every_step(steps, nonnegative):
    weight, bias = random_head(12, 8, 3)
    best, _ = class_centers(weight, bias, 10.0, nonnegative, tolerance=1e-9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        early, gaps = class_centers(weight, bias, 10.0, nonnegative, tolerance=1e-9, max_steps=steps)
    for label in range(12):
        lowest = objective(best[label], weight, bias, label)[0]
        above = objective(early[label], weight, bias, label)[0] - lowest
        assert -1e-9 <= above <= gaps[label] + 1e-9


def test_too_few_steps_are_said_and_not_hidden():
    weight, bias = random_head(12, 8, 3)
    with pytest.warns(UserWarning, match=r"of 12 classes have a gap of up to .* after 10 steps"):
        _, gaps = class_centers(weight, bias, 10.0, max_steps=10)
    assert gaps.max() > 1e-6


def test_the_optimum_may_lie_inside_the_ball():
    weight = torch.tensor([[0.0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]])
    bias = torch.tensor([0.0, 0, 2, 0, 1])
    centers, _ = class_centers(weight, bias, 50.0, nonnegative=False, tolerance=1e-10)
    # e^x + e^(2 - x) + e^y + e^(1 - y) is smallest at x = 1, y = 1/2.
    assert centers[0].tolist() == pytest.approx([1, 0.5], abs=1e-4)
    assert centers[1:].norm(dim=1) == pytest.approx(torch.full((4,), 50.0).double())


def test_in_the_orthant_the_optimum_may_be_zero():
    weight = torch.tensor([[-1.0, -1], [1, 0], [0, 1]])
    centers, gaps = class_centers(weight, torch.zeros(3), 2.0)
    assert centers[0].tolist() == [0, 0]
    assert gaps[0] == 0
    assert centers[1:] == pytest.approx(torch.tensor([[2.0, 0], [0, 2]]).double(), abs=1e-3)
    many, _ = class_centers(*random_head(100, 2, 0, bias_scale=0), 5.0)
    assert (many == 0).all(1).any()


def test_a_tiny_ball_shows_the_steepest_descent_at_the_origin():
    weight, bias = random_head(6, 9, 4)
    centers, _ = class_centers(weight, bias, 1e-5, nonnegative=False, tolerance=1e-13)
    # w_k - Σ_{j≠k} q_j w_j with q the softmax of b over the others: parallel to w_k - Σ_j p_j w_j over all classes.
    directions = weight - bias.softmax(0) @ weight
    expected = 1e-5 * directions / directions.norm(dim=1, keepdim=True)
    torch.testing.assert_close(centers, expected, rtol=0, atol=1e-9)


def test_a_huge_ball_shows_the_direction_of_the_largest_margin():
    weight = torch.tensor([[0.0, 0], [-1, 1], [-3, -1]])
    centers, _ = class_centers(weight, torch.tensor([0.0, 1, -1]), 1e4, nonnegative=False, tolerance=1e-4)
    # The differences w_0 - w_j are (1, -1) and (3, 1); between them the first is closest to 0.
    direction = centers[0] / centers[0].norm()
    assert direction.tolist() == pytest.approx([0.5**0.5, -(0.5**0.5)], abs=1e-3)


def test_classes_can_be_permuted_with_their_radii():
    weight, bias = random_head(9, 6, 5)
    radius = torch.linspace(0.5, 5, 9)
    order = torch.randperm(9, generator=torch.Generator().manual_seed(1))
    centers, _ = class_centers(weight, bias, radius, tolerance=1e-10)
    permuted, _ = class_centers(weight[order], bias[order], radius[order], tolerance=1e-10)
    torch.testing.assert_close(permuted, centers[order], rtol=0, atol=1e-5)
    alone, _ = class_centers(weight, bias, float(radius[4]), tolerance=1e-10)
    torch.testing.assert_close(alone[4], centers[4], rtol=0, atol=1e-5)


def test_common_parts_of_the_head_and_its_gauge_change_nothing():
    weight, bias = random_head(5, 7, 6)
    centers, _ = class_centers(weight, bias, 3.0, tolerance=1e-10)
    common, _ = class_centers(weight + torch.arange(7), bias + 4, 3.0, tolerance=1e-10)
    torch.testing.assert_close(common, centers, rtol=0, atol=1e-5)
    scaled, _ = class_centers(weight / 8, bias, 24.0, tolerance=1e-10)
    torch.testing.assert_close(scaled, 8 * centers, rtol=0, atol=1e-4)


@pytest.mark.parametrize("nonnegative", [False, True])
def test_two_hundred_classes_are_done_in_time(nonnegative):
    weight, bias = random_head(200, 256, 7)
    centers, gaps = class_centers(weight.float() / 16, bias.float() / 16, 20.0, nonnegative)
    assert centers.shape == (200, 256)
    assert centers.dtype == torch.float64
    assert (gaps <= 1e-6).all()


def test_a_head_of_equal_rows_is_legal():
    centers, gaps = class_centers(torch.ones(3, 4), torch.zeros(3), 2.0)
    assert (centers == 0).all()
    assert (gaps == 0).all()
