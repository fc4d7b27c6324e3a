"""The eight cosines side by side: names, a case by hand, what leaves them alone, and misuse."""

import pytest
import torch

from softlab.lenses.geometry import (
    Centers,
    class_centers,
    cosine_to,
    cosine_variants,
    rescaled_cosines,
    rescaling_moves,
)
from softlab.lenses.geometry.cosines import VARIANTS
from softlab.representation import Representation


def network(seed=0, number=60, classes=4, dimension=9):
    """Random features >= 0, labels with every class, and a head."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.rand(number, dimension, generator=generator, dtype=torch.float64)
    weight = torch.randn(classes, dimension, generator=generator, dtype=torch.float64)
    bias = torch.randn(classes, generator=generator, dtype=torch.float64)
    return features, torch.arange(number) % classes, weight, bias


def variants(features, labels, weight, bias):
    return cosine_variants(features, features @ weight.T + bias, labels, Centers.of(features, labels, weight, bias))


def test_the_variants_by_hand():
    features = torch.tensor([[3.0, 1], [4, 0], [1, 3], [0, 4]])
    labels = torch.tensor([0, 0, 1, 1])
    centers = Centers.of(features, labels, torch.eye(2), torch.zeros(2))
    radius = (10**0.5 + 4) / 2  # mean norm of each class
    half = radius * 0.5**0.5
    assert centers.ball == pytest.approx(torch.tensor([[half, -half], [-half, half]]))
    assert centers.orthant == pytest.approx(torch.tensor([[radius, 0], [0, radius]]))
    assert centers.means.tolist() == [[3.5, 0.5], [0.5, 3.5]]
    assert centers.mean.tolist() == [2, 2]
    found = cosine_variants(features, features, labels, centers)
    assert tuple(found) == VARIANTS
    expected = {
        "ball": [2 / 20**0.5, 0.5**0.5],  # (3, 1) and (4, 0) against (1, -1)
        "orthant": [3 / 10**0.5, 1],
        "class mean": [11 / (10 * 12.5) ** 0.5, 14 / (16 * 12.5) ** 0.5],
        "centred mean": [1, 1],  # (1, -1) and (2, -2) against (1.5, -1.5)
        "row": [3 / 10**0.5, 1],
        "row space": [1, 1],  # one direction
        "logit": [1, 1],
    }
    for name, values in expected.items():
        assert found[name].tolist() == pytest.approx(values + values, abs=1e-4), name  # the second class mirrors it


def test_each_variant_is_a_cosine_to_its_centre():
    features, labels, weight, bias = network()
    centers = Centers.of(features, labels, weight, bias)
    found = cosine_variants(features, features @ weight.T + bias, labels, centers)
    assert tuple(found) == VARIANTS
    for values in found.values():
        assert values.shape == labels.shape
        assert (values.abs() <= 1 + 1e-12).all()
    radius = torch.stack([features[labels == label].norm(dim=1).mean() for label in range(4)])
    for name, nonnegative in [("ball", False), ("orthant", True)]:
        direction, _ = class_centers(weight, bias, radius, nonnegative)
        torch.testing.assert_close(found[name], cosine_to(features, direction, labels))
    # The ball's centre lies in the row space: there only the feature's own length changes.
    basis = torch.linalg.svd(weight - weight.mean(0)).Vh[:3]
    share = (features @ basis.T).norm(dim=1) / features.norm(dim=1)
    torch.testing.assert_close(found["ball"], found["row space"] * share)


def test_a_rotation_or_a_new_gauge_changes_no_variant_but_the_orthant():
    features, labels, weight, bias = network(1)
    turn, _ = torch.linalg.qr(torch.randn(9, 9, generator=torch.Generator().manual_seed(2), dtype=torch.float64))
    before = variants(features, labels, weight, bias)
    rotated = variants(features @ turn, labels, weight @ turn, bias)
    rescaled = variants(5 * features, labels, weight / 5, bias)
    for name in VARIANTS:
        torch.testing.assert_close(rescaled[name], before[name], rtol=0, atol=1e-3)
        if name != "orthant":
            torch.testing.assert_close(rotated[name], before[name], rtol=0, atol=1e-3)


def test_classes_can_be_permuted():
    features, labels, weight, bias = network(3)
    order = torch.tensor([2, 0, 3, 1])
    before = variants(features, labels, weight, bias)
    after = variants(features, order.argsort()[labels], weight[order], bias[order])
    for name in VARIANTS:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=1e-3)


def test_a_centre_at_zero_gives_nan_in_its_variant_alone():
    features = torch.tensor([[1.0, 2], [2, 1], [3, 1]])
    labels = torch.tensor([0, 1, 2])
    found = variants(features, labels, torch.tensor([[-1.0, -1], [1, 0], [0, 1]]), torch.zeros(3))
    assert found["orthant"].isnan().tolist() == [True, False, False]
    assert not any(values.isnan().any() for name, values in found.items() if name != "orthant")


def test_features_in_float32_give_centres_in_float32():
    features, labels, weight, bias = (values.float() if values.is_floating_point() else values for values in network())
    centers = Centers.of(features, labels, weight, bias)
    assert {centers.ball.dtype, centers.orthant.dtype, centers.means.dtype, centers.mean.dtype} == {torch.float32}
    exact = variants(*network())
    for name, values in variants(features, labels, weight, bias).items():
        torch.testing.assert_close(values.double(), exact[name], rtol=0, atol=1e-3)


def test_a_class_without_samples_has_no_mean_and_leaves_the_others_as_they_are():
    features, labels, weight, bias = network()
    more = torch.cat([weight, weight[:1]]), torch.cat([bias, bias[:1]])
    centers = Centers.of(features, labels, *more)
    without = Centers.of(features, labels, weight, bias)
    assert centers.means[4].isnan().all()
    torch.testing.assert_close(centers.means[:4], without.means)
    torch.testing.assert_close(centers.mean, without.mean)
    radii = torch.stack([features[labels == label].norm(dim=1).mean() for label in range(4)])
    assert (centers.ball[:4].norm(dim=1) <= radii + 1e-9).all()
    assert centers.ball[4].norm() <= radii.mean() + 1e-9
    found = cosine_variants(features, features @ more[0].T + more[1], labels, centers)
    assert not any(values.isnan().any() for name, values in found.items() if name != "orthant")
    absent = cosine_variants(features, features @ more[0].T + more[1], torch.full_like(labels, 4), centers)
    assert absent["class mean"].isnan().all()


def test_the_orthant_binds_only_networks_that_end_in_a_relu():
    torch.manual_seed(0)
    features = torch.rand(60, 6)
    labels = torch.arange(60) % 3
    weight = torch.randn(3, 6)
    bound = Centers.of(features, labels, weight, torch.zeros(3))
    assert (bound.orthant >= 0).all()
    assert not torch.equal(bound.ball, bound.orthant)
    free = Centers.of(features - 0.5, labels, weight, torch.zeros(3))
    assert torch.equal(free.ball, free.orthant)


def test_rescaled_channels_move_all_cosines_but_that_of_the_logits():
    features, labels, weight, bias = network()
    seen = Representation(features, features @ weight.T + bias, labels)
    parts = (seen, seen, weight, bias)
    plain = {name: float(values.mean()) for name, values in variants(features, labels, weight, bias).items()}
    assert rescaled_cosines(*parts, torch.ones(9)) == pytest.approx(plain)
    assert rescaled_cosines(*parts, torch.full((9,), 3.0)) == pytest.approx(plain, abs=1e-4)  # one factor for all
    moves = rescaling_moves(*parts)
    assert tuple(moves) == VARIANTS
    assert moves["logit"] == 0
    assert all(moves[name] > 1e-4 for name in VARIANTS if name != "logit")
    assert rescaling_moves(*parts, most=1.0) == pytest.approx(dict.fromkeys(VARIANTS, 0), abs=1e-12)
    assert rescaling_moves(*parts, most=4.0)["ball"] > moves["ball"]
