"""Swapping sizes between networks: what stays, what moves, and which swaps a change of gauge can fool."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from softlab import SoftlabError
from softlab.interventions import SIZES, size_of, swap_size

FEW = settings(derandomize=True, max_examples=30, deadline=None, database=None)
EACH_SIZE = pytest.mark.parametrize("size", SIZES)
EITHER_WAY = pytest.mark.parametrize("per_sample", [True, False])


def network(seed, number=40, dimension=6, classes=4):
    """Features, weight and bias of a network that saw `number` images."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(number, dimension, generator=generator, dtype=torch.float64) + 0.01
    weight = torch.randn(classes, dimension, generator=generator, dtype=torch.float64)
    return (1 + seed) * features, weight, torch.randn(classes, generator=generator, dtype=torch.float64)


def factors(swapped, features, weight, bias):
    """What each feature was multiplied with, (N,), from the logits; the same in all classes, or else the test fails."""
    ratios = (swapped - bias) / (features @ weight.T)
    torch.testing.assert_close(ratios, ratios[:, :1].expand_as(ratios), rtol=1e-7, atol=0)
    return ratios[:, 0]


def test_sizes_by_hand():
    features, weight = torch.tensor([[3.0, 4], [1, 0]]), torch.tensor([[1.0, 7], [-1, 7]])
    # W_c = ((1, 0), (-1, 0)): ‖W_c‖ = √2; W_c f = (3, -3) and (1, -1).
    assert size_of(features, weight, "norm").tolist() == pytest.approx([5, 1])
    assert size_of(features, weight, "gauged norm").tolist() == pytest.approx([5 * 2**0.5, 2**0.5])
    assert size_of(features, weight, "logit norm").tolist() == pytest.approx([18**0.5, 2**0.5])


def test_a_swap_by_hand():
    features, weight, bias = torch.tensor([[3.0, 4]]), torch.tensor([[1.0, 0], [-1, 0]]), torch.tensor([10.0, 20])
    other_features, other_weight = torch.tensor([[0.0, 10]]), torch.tensor([[0.0, 3], [0, -3]])

    def swap(size):
        return swap_size(features, weight, bias, other_features, other_weight, size)[0].tolist()

    assert swap("norm") == pytest.approx([16, 14])  # 10 / 5 times (3, -3), and the bias
    assert swap("gauged norm") == pytest.approx([28, 2])  # 10 √18 / 5 √2 = 6 times
    # ‖W_c f‖: √1800 / √18 = 10 times
    assert swap("logit norm") == pytest.approx([40, -10])


@EACH_SIZE
@EITHER_WAY
def test_a_swap_with_itself_changes_nothing(size, per_sample):
    features, weight, bias = network(0)
    found = swap_size(features, weight, bias, features, weight, size, per_sample)
    torch.testing.assert_close(found, features @ weight.T + bias)


@EACH_SIZE
def test_after_the_swap_each_sample_has_the_size_it_has_in_the_other_network(size):
    features, weight, bias = network(0)
    other_features, other_weight, _ = network(1, dimension=9)
    ratios = factors(swap_size(features, weight, bias, other_features, other_weight, size), features, weight, bias)
    assert (ratios > 0).all()
    swapped = size_of(ratios[:, None] * features, weight, size)
    torch.testing.assert_close(swapped, size_of(other_features, other_weight, size))


@EACH_SIZE
def test_a_swap_of_means_keeps_the_proportions_within_the_network(size):
    features, weight, bias = network(0)
    other_features, other_weight, _ = network(1, dimension=9)
    found = swap_size(features, weight, bias, other_features, other_weight, size, per_sample=False)
    ratios = factors(found, features, weight, bias)
    torch.testing.assert_close(ratios, ratios[:1].expand_as(ratios))
    swapped, before = size_of(ratios[:, None] * features, weight, size), size_of(features, weight, size)
    torch.testing.assert_close(swapped / swapped[0], before / before[0])
    torch.testing.assert_close(swapped.mean(), size_of(other_features, other_weight, size).mean())


def test_which_swap_it_is_matters():
    features, weight, bias = network(0)
    other_features, other_weight, _ = network(1)
    found = [
        swap_size(features, weight, bias, other_features, other_weight, size, per_sample)
        for size in SIZES
        for per_sample in (True, False)
    ]
    for index, one in enumerate(found):
        assert all((one - other).abs().max() > 0.05 for other in found[:index])


@EACH_SIZE
@EITHER_WAY
def test_a_change_of_gauge_moves_the_swap_of_norms_alone(size, per_sample):
    features, weight, bias = network(0)
    other_features, other_weight, _ = network(1)
    before = swap_size(features, weight, bias, other_features, other_weight, size, per_sample)
    own = swap_size(7 * features, weight / 7, bias, other_features, other_weight, size, per_sample)
    other = swap_size(features, weight, bias, 7 * other_features, other_weight / 7, size, per_sample)
    if size == "norm":  # the same two networks, other logits
        torch.testing.assert_close(own - bias, (before - bias) / 7)
        torch.testing.assert_close(other - bias, (before - bias) * 7)
    else:
        torch.testing.assert_close(own, before)
        torch.testing.assert_close(other, before)


@EACH_SIZE
def test_what_softmax_ignores_in_a_head_has_no_size(size):
    features, weight, _ = network(0)
    common = weight + torch.arange(6.0)
    torch.testing.assert_close(size_of(features, common, size), size_of(features, weight, size))


@FEW
@given(st.integers(0, 10_000), st.sampled_from(SIZES), st.booleans())
def test_without_a_bias_no_swap_changes_a_prediction(seed, size, per_sample):
    features, weight, bias = network(seed, dimension=5)
    other_features, other_weight, _ = network(seed + 1, dimension=3)
    found = swap_size(features, weight, 0 * bias, other_features / 50, other_weight, size, per_sample)
    assert found.argmax(1).equal((features @ weight.T).argmax(1))


def test_with_a_bias_it_can():
    features, weight, bias = network(0)
    found = swap_size(features, weight, bias, features / 50, weight, "norm")
    assert (found.argmax(1) != (features @ weight.T + bias).argmax(1)).any()


# Misuse


def test_misuse_is_named():
    features, weight, bias = network(0)
    for given_size, nearest in [("Norm", "norm"), ("logit-norm", "logit norm"), ("gauged", "gauged norm")]:
        with pytest.raises(SoftlabError, match=f"unknown size '{given_size}'; did you mean '{nearest}'"):
            swap_size(features, weight, bias, features, weight, given_size)
    with pytest.raises(SoftlabError, match="the same images, not 40 and 39"):
        swap_size(features, weight, bias, features[:39], weight, "norm")
    with pytest.raises(SoftlabError, match="the same images, not 40 and 1"):
        swap_size(features, weight, bias, features[:1], weight, "norm")
    with pytest.raises(SoftlabError, match=r"\(40, 5\), but weight is \(4, 6\): D differs"):
        swap_size(features, weight, bias, features[:, :5], weight, "norm")
    with pytest.raises(SoftlabError, match=r"two classes, not \(1, 6\)"):
        size_of(features, weight[:1], "norm")


@EACH_SIZE
def test_a_feature_without_a_size_is_named(size):
    features, weight, bias = network(0)
    for wrong, message in ((0.0, "is zero: it has no direction"), (math.nan, "is not finite")):
        broken = features.clone()
        broken[[17, 30]] = wrong
        with pytest.raises(SoftlabError, match=f"{size} 17 {message}"):
            swap_size(broken, weight, bias, features, weight, size)
        with pytest.raises(SoftlabError, match=f"{size} 17 {message}"):
            swap_size(features, weight, bias, broken, weight, size)


def test_a_feature_that_the_head_does_not_see_has_a_norm_and_no_logit_norm():
    features, weight = torch.tensor([[1.0, 0], [0, 2]]), torch.tensor([[1.0, 5], [-1, 5]])
    assert size_of(features, weight, "norm").tolist() == [1, 2]
    with pytest.raises(SoftlabError, match="logit norm 1 is zero"):
        size_of(features, weight, "logit norm")
