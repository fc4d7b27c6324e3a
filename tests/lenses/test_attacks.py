"""Attacks against smallest perturbations known exactly, peer libraries, invariants, and models that mislead them."""

import copy
import dataclasses
import importlib
import itertools
import math
import re
import sys
import types
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from softlab import Experiment, SoftlabError, dataset_of, extract, fit_or_load
from softlab.lenses.attacks import (
    AttackResult,
    Health,
    Starts,
    UntrustedAttack,
    ascent,
    autoattack,
    fgsm,
    gradient_shares,
    pgd,
    robustness_curve,
)
from softlab.training.models import Network

EXAMPLES = settings(derandomize=True, max_examples=20, deadline=None, database=None)


@pytest.fixture(autouse=True)
def unwarned():
    """A warning that no test asks for is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", UntrustedAttack)
        yield


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def linear(weight, bias):
    """A classifier of images whose logits are W x + b."""
    layer = nn.Linear(*reversed(weight.shape))
    layer.weight.data = weight.clone()
    layer.bias.data = bias.clone()
    return nn.Sequential(nn.Flatten(), layer).eval()


def linear_problem(classes, seed=0, count=40, dimension=16):
    """A linear model with small logits, images far from the box's faces, their labels, and the rows of W."""
    generator = seeded(seed)
    weight, bias = (0.3 * torch.randn(classes, size, generator=generator).squeeze(1) for size in (dimension, 1))
    model = linear(weight, bias)
    images = 0.5 + 0.05 * (torch.rand(count, 1, 4, 4, generator=generator) - 0.5)
    with torch.no_grad():
        bias = bias - model(images).mean(0)  # so that images lie on both sides
        model = linear(weight, bias)
        return model, images, model(images).argmax(1), weight


def exact_linear(model, images, labels, weight):
    """min over j ≠ y of (z_y - z_j) / ‖w_y - w_j‖₁: exact where the box is far away."""
    logits = model(images).double().detach()
    gaps = logits.gather(1, labels[:, None]) - logits
    speeds = (weight[labels][:, None] - weight).double().norm(1, dim=2)
    return (gaps / speeds).masked_fill(speeds == 0, math.inf).amin(1)


def network_problem(seed=0, count=12, classes=3):
    """A random convolutional network, images on all sides of its boundaries, and labels of which the first is wrong."""
    images = torch.rand(count, 2, 5, 5, generator=seeded(seed))
    images = torch.where(torch.rand(images.shape, generator=seeded(seed)) < 0.3, images.round(), images)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        layers = [nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(150, classes)]
    model = nn.Sequential(*layers).eval()
    with torch.no_grad():
        model[4].bias -= model(images).mean(0)
        labels = model(images).argmax(1)
    labels[0] = (labels[0] + 1) % classes
    return model, images, labels


def wrong(model, images, labels):
    with torch.no_grad():
        return model(images).argmax(1) != labels


# --- known answers


@pytest.mark.parametrize("classes", [2, 5])
def test_a_linear_model_falls_exactly_at_margin_over_dual_norm(classes):
    model, images, labels, weight = linear_problem(classes)
    exact = exact_linear(model, images, labels, weight)
    assert 0.001 < exact.median() < 0.4
    assert ascent.sizes(images - images.round()).min() > exact.max()
    radii = exact.float()
    assert not pgd(model, images, labels, 0.99 * radii, loss="margin").success.any()
    assert pgd(model, images, labels, 1.01 * radii, step=radii / 4, loss="margin", restarts=2).success.all()


def test_restarts_of_the_margin_aim_at_the_nearest_classes_in_turn():
    model, images, labels, weight = linear_problem(5)
    subject = ascent.prepare(model, images, labels, 0.1, targets=2)
    logits = model(images).double().detach()
    gaps = logits.gather(1, labels[:, None]) - logits
    distances = gaps / (weight[labels][:, None] - weight).double().norm(p=1, dim=2)
    expected = distances.nan_to_num(nan=math.inf).argsort(1)[:, :2]  # 0/0 is the label's own
    assert torch.equal(subject.targets, torch.cat([torch.full((40, 1), -1), expected], 1))
    assert not torch.equal(expected, logits.scatter(1, labels[:, None], -math.inf).argsort(1, descending=True)[:, :2])
    assert ascent.prepare(model, images, labels, 0.1, targets=9).targets.shape == (40, 5)  # there are no more
    radii = 1.01 * exact_linear(model, images, labels, weight).float()
    options = {"step": radii / 4, "loss": "margin", "random_start": False}
    # Whichever class is ahead is the wrong one to run after, for some.
    assert not pgd(model, images, labels, radii, **options).success.all()
    assert pgd(model, images, labels, radii, restarts=2, **options).success.all()


def test_one_step_is_enough_for_two_classes():
    model, images, labels, weight = linear_problem(2, seed=1)
    radii = exact_linear(model, images, labels, weight).float()
    assert fgsm(model, images, labels, 1.001 * radii + 1e-6).success.all()
    assert not fgsm(model, images, labels, 0.999 * radii - 1e-6 * (radii > 1e-6)).success.any()


def test_a_piecewise_linear_model_with_a_diamond_as_its_region():
    # |u| + |v| = relu(u) + relu(-u) + relu(v) + relu(-v), with u and v measured from the middle of the square.
    model = nn.Sequential(nn.Flatten(), nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2))
    corners = torch.tensor([[1.0, 0], [-1, 0], [0, 1], [0, -1]])
    model[1].weight.data = corners
    model[1].bias.data = -corners.sum(1) / 2
    model[3].weight.data = torch.tensor([[0.0] * 4, [1.0] * 4])
    model[3].bias.data = torch.tensor([0.3, 0])
    images = torch.tensor([[0.55, 0.52], [0.45, 0.52], [0.55, 0.48], [0.45, 0.48]]).reshape(4, 1, 1, 2)
    labels = torch.zeros(4, dtype=torch.long)
    # Each is 0.07 from the middle in the sum, 0.23 short of 0.3, and the facet of its own quadrant is the nearest.
    distance = 0.23 / 2
    assert not pgd(model, images, labels, 0.99 * distance, loss="margin", restarts=10).success.any()
    assert pgd(model, images, labels, 1.01 * distance, loss="margin", restarts=10).success.all()


@pytest.mark.parametrize(
    ("pixels", "missing", "expected"),
    [
        # Both pixels should grow, the first weighs three times as much.
        ((0.5, 0.5), 0.4, 0.1),  # room enough: 0.4 / ‖(3, 1)‖₁
        ((1.0, 0.5), 0.4, 0.4),  # the first is white already
        ((0.9, 0.5), 0.5, 0.2),  # it has room for 0.1, worth 0.3
        ((0.9, 0.9), 0.5, math.inf),  # both together have room for 0.4 only
    ],
)
def test_the_box_takes_directions_away(pixels, missing, expected):
    weight = torch.tensor([[0.0, 0], [3, 1]])
    image = torch.tensor(pixels).reshape(1, 1, 1, 2)
    model = linear(weight, torch.tensor([3 * pixels[0] + pixels[1] + missing, 0]))
    label = torch.tensor([0])
    assert not pgd(model, image, label, min(0.99 * expected, 0.49), loss="margin").success
    assert expected == math.inf or pgd(model, image, label, 1.01 * expected, loss="margin").success


def test_the_projection_is_the_nearest_point_of_ball_and_box():
    generator = seeded()
    for scale in (0.01, 0.3, 3):
        images = torch.rand(50, 1, 3, 3, generator=generator, dtype=torch.float64)
        images = torch.where(torch.rand(images.shape, generator=generator) < 0.5, images.round(), images)
        points = images + scale * torch.randn(images.shape, generator=generator)
        radii = torch.rand(50, generator=generator, dtype=torch.float64)
        nearest = ascent.project(points, images, radii)
        assert (ascent.sizes(nearest - images) <= radii * (1 + 1e-9)).all()
        assert ((nearest >= 0) & (nearest <= 1)).all()
        # Of a convex set the nearest point is the one from which no other makes an acute angle with what was cut off.
        drawn = ascent.across(radii.repeat(20)) * (2 * torch.rand((1000, 1, 3, 3), generator=generator) - 1)
        others = ascent.project(images.repeat(20, 1, 1, 1) + drawn, images.repeat(20, 1, 1, 1), radii.repeat(20))
        others = others.unflatten(0, (20, 50))
        assert ((points - nearest) * (others - nearest)).sum((2, 3, 4)).max() < 1e-4


# --- invariants


@EXAMPLES
@given(st.integers(0, 1000), st.sampled_from(["ce", "margin"]), st.booleans())
def test_images_stay_in_ball_and_box_and_success_is_what_the_model_says(seed, loss, early_stop):
    model, images, labels = network_problem(seed)
    radii = torch.rand(len(images), generator=seeded(seed)) * 0.2
    result = pgd(model, images, labels, radii, loss=loss, steps=5, early_stop=early_stop)
    sizes = ascent.sizes(result.images - images)
    assert (sizes <= radii + 1e-6).all()
    assert result.health.largest_perturbation == sizes.max() > 0
    assert ((result.images >= 0) & (result.images <= 1)).all()
    assert torch.equal(result.success, wrong(model, result.images, labels))
    assert result.accuracy == pytest.approx(1 - result.success.float().mean().item())
    assert torch.equal(result.images[0], images[0]) == early_stop  # the first was wrong from the start


@EXAMPLES
@given(st.integers(0, 1000), st.booleans())
def test_a_radius_of_zero_changes_nothing(seed, early_stop):
    model, images, labels = network_problem(seed)
    result = pgd(model, images, labels, 0.0, steps=2, early_stop=early_stop)
    assert torch.equal(result.images, images)
    assert torch.equal(result.success, wrong(model, images, labels))
    assert result.success.any()
    assert torch.equal(fgsm(model, images, labels, 0).images, images)


@EXAMPLES
@given(st.integers(0, 1000))
def test_one_more_restart_never_helps_the_defender(seed):
    model, images, labels = network_problem(seed, count=30)
    epsilon = 0.05
    survivors = []
    for restarts in (1, 2, 4):
        result = pgd(model, images, labels, epsilon, steps=2, restarts=restarts, starts=Starts(seed))
        survivors.append(~result.success)
    assert (survivors[1] <= survivors[0]).all()
    assert (survivors[2] <= survivors[1]).all()


def test_restarts_find_more_and_keep_what_was_found(monkeypatch):
    monkeypatch.setattr(ascent, "BATCH", 7)
    model, images, labels = network_problem(3, count=200)
    results = [pgd(model, images, labels, 0.03, steps=1, restarts=restarts) for restarts in (1, 2, 20)]
    assert results[0].success.sum() < results[2].success.sum()
    first = results[0].success
    assert torch.equal(results[2].images[first], results[0].images[first])


def test_a_seed_makes_an_attack_repeatable_and_starts_differ_by_seed_radius_and_restart():
    model, images, labels = network_problem()
    first, again = (pgd(model, images, labels, 0.02, steps=1, starts=Starts(5)).images for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, pgd(model, images, labels, 0.02, steps=1, starts=Starts(6)).images)
    drawn = [
        Starts(*key[:1]).offsets(images, *key[1:]) for key in ((0, 0.02, 0), (1, 0.02, 0), (0, 0.03, 0), (0, 0.02, 1))
    ]
    assert all(not torch.equal(one, other) for index, one in enumerate(drawn) for other in drawn[:index])
    assert all(one.abs().max() <= 1 for one in drawn)


def test_a_start_belongs_to_its_image_and_not_to_those_attacked_beside_it():
    _, images, _ = network_problem(count=9)
    every = Starts(3).offsets(images, 0.1, 2)
    some = torch.tensor([7, 2, 4])
    part = Starts(3).of(some, images)
    assert torch.equal(part.offsets(images[some], 0.1, 2), every[some])
    fewer = part.of(torch.tensor([2, 0]), images[some])
    assert torch.equal(fewer.offsets(images[[4, 7]], 0.1, 2), every[[4, 7]])


def test_robust_accuracy_at_a_radius_does_not_depend_on_what_else_was_asked():
    """Nor on other attacks of the ladder: a sample that falls to a later one meets it from the same place."""
    model, images, labels = network_problem(2, count=200)
    last = {"nearly random": lambda *given: pgd(*given[:4], steps=1, step=given[3] / 4, starts=given[4])}
    bright = images.flatten(1).sum(1).median()
    ladder = {"half of them": lambda _, some, *rest: said(some.flatten(1).sum(1) > bright, some)} | last
    whole = robustness_curve(model, images, labels, [0.005, 0.01, 0.03, 0.1], ladder)
    for column, radius in enumerate((0.005, 0.01, 0.03, 0.1)):
        alone = robustness_curve(model, images, labels, [radius], ladder)
        assert torch.equal(alone[:, 0], whole[:, column])
        strongest = robustness_curve(model, images, labels, [radius], last)[0, 0]
        assert torch.equal(whole[1, column], whole[0, column] & strongest)
    assert 0 < whole[-1, 1].sum() < 200


def test_batches_and_sample_radii_do_not_change_the_attack(monkeypatch):
    model, images, labels = network_problem(1, count=20)
    radii = torch.linspace(0.01, 0.2, 20)
    whole = pgd(model, images, labels, radii, random_start=False)
    assert 0 < whole.success[1:].sum() < 19
    monkeypatch.setattr(ascent, "BATCH", 3)
    assert torch.equal(pgd(model, images, labels, radii, random_start=False).success, whole.success)
    for row in range(1, 20):
        some = slice(row, row + 1)
        alone = pgd(model, images[some], labels[some], radii[row].item(), random_start=False)
        torch.testing.assert_close(alone.images, whole.images[some], atol=1e-5, rtol=0)


def test_random_starts_fill_the_ball():
    offsets = Starts().offsets(torch.full((4000, 1, 1, 2), 0.5), 0.3, 0)
    # Uniform in two dimensions: half of the points are within √½ of the radius.
    assert (ascent.sizes(offsets) < math.sqrt(0.5)).float().mean() == pytest.approx(0.5, abs=0.03)
    assert (offsets > 0).float().mean((0, 1, 2)) == pytest.approx(torch.tensor([0.5, 0.5]), abs=0.03)


def test_a_sample_stops_where_it_falls_unless_it_must_walk_all_the_way():
    model, images, labels, weight = linear_problem(2)
    exact = exact_linear(model, images, labels, weight).float()
    epsilon = 0.3
    assert exact.max() < epsilon
    walked = pgd(model, images, labels, epsilon, early_stop=False)
    # A linear model's gradient never turns: after 2.5 epsilon of steps every pixel is at the border of the ball.
    assert (walked.images - images).abs() == pytest.approx(torch.full(images.shape, epsilon), abs=1e-6)
    stopped = pgd(model, images, labels, epsilon, random_start=False)
    sizes = ascent.sizes(stopped.images - images)
    step = 2.5 * epsilon / 20
    assert stopped.success.all()
    assert sizes == pytest.approx(step * (exact / step).ceil(), abs=1e-5)  # at the first step beyond the threshold
    short = pgd(model, images, labels, epsilon, step=0.001, steps=7, random_start=False, early_stop=False)
    assert ascent.sizes(short.images - images) == pytest.approx(torch.full((len(images),), 0.007), abs=1e-6)


def test_scaling_the_logits_does_not_change_an_attack_on_the_margin():
    model, images, labels = network_problem(4, count=30)
    louder = nn.Sequential(*copy.deepcopy(model))
    louder[4].weight.data *= 1024  # a power of two: the bits of everything else stay
    louder[4].bias.data *= 1024
    plain, scaled = (pgd(each, images, labels, 0.05, loss="margin") for each in (model, louder))
    assert plain.success.any()
    assert torch.equal(plain.success, scaled.success)


# --- the curve


def said(fooled, images):
    return AttackResult(images, fooled, Health(0.0, 0.0, 0))


def test_the_ladder_by_hand():
    # Sample n is its own first pixel; the weak attack fools it from radius 0.2 n on, the strong one from 0.1 n on.
    images = (torch.arange(5) / 10).reshape(5, 1, 1, 1)
    calls = []

    def attack(name, reach):
        def run(model, images, labels, epsilon, starts):
            names = (10 * images.flatten()).round().int().tolist()
            calls.append((name, epsilon, names))
            return said(torch.tensor([epsilon >= reach * n - 1e-9 for n in names]), images)

        return run

    labels = torch.zeros(5, dtype=torch.long)
    ladder = {"weak": attack("weak", 0.2), "strong": attack("strong", 0.1)}
    survived = robustness_curve(None, images, labels, [0, 0.2, 0.3], ladder)
    assert survived.int().tolist() == [
        [[0, 1, 1, 1, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 1]],
        [[0, 1, 1, 1, 1], [0, 0, 0, 1, 1], [0, 0, 0, 0, 1]],
    ]
    assert calls == [  # what fell is spared the next attack
        ("weak", 0, [0, 1, 2, 3, 4]),
        ("strong", 0, [1, 2, 3, 4]),
        ("weak", 0.2, [0, 1, 2, 3, 4]),
        ("strong", 0.2, [2, 3, 4]),
        ("weak", 0.3, [0, 1, 2, 3, 4]),
        ("strong", 0.3, [2, 3, 4]),
    ]


@EXAMPLES
@given(st.integers(0, 1000))
def test_robust_accuracy_falls_with_the_radius_and_along_the_ladder(seed):
    model, images, labels = network_problem(seed, count=20)
    ladder = {
        "fgsm": lambda *given: fgsm(*given[:4]),
        "ce": lambda *given: pgd(*given[:4], steps=3, starts=given[4]),
        "margin": lambda *given: pgd(*given[:4], steps=3, loss="margin", restarts=4, starts=given[4]),
    }
    survived = robustness_curve(model, images, labels, [0, 0.01, 0.03, 0.1, 0.3], ladder)
    accuracy = survived.float().mean(2)
    assert (accuracy.diff(dim=0) <= 0).all()
    assert (accuracy[-1].diff() <= 0).all()  # no construction: the attack is strong enough to see to it
    assert accuracy[:, 0].tolist() == pytest.approx([19 / 20] * 3)
    assert accuracy[2, 4] < accuracy[2, 0]
    again = robustness_curve(model, images, labels, [0, 0.01, 0.03, 0.1, 0.3], ladder)
    assert torch.equal(again, survived)


# --- what an attack must leave alone


ATTACKS = {
    "fgsm": lambda *given: fgsm(*given, 0.05),
    "pgd": lambda *given: pgd(*given, 0.05, steps=3),
    "curve": lambda *given: robustness_curve(*given, [0.01], {"fgsm": lambda *five: fgsm(*five[:4])}),
    "autoattack": lambda *given: autoattack(*given, 0.001, attacks=("apgd-ce",)),
}


def everything(model):
    """All that an attack could change: modes, flags, values, layouts, gradients, hooks, and torch's own generator."""
    held = [*model.named_parameters(), *model.named_buffers()]
    return (
        [module.training for module in model.modules()],
        [(name, value.requires_grad, value.dtype, value.stride(), value.tolist()) for name, value in held],
        [None if value.grad is None else value.grad.tolist() for value in model.parameters()],
        [(len(module._forward_hooks), len(module._forward_pre_hooks)) for module in model.modules()],
        torch.get_rng_state().tolist(),
    )


class Breaks(nn.Module):
    """The identity, until it has been asked more often than it stands."""

    asked = 0  # counted on the class: an attack may work on a copy
    stands = math.inf

    def forward(self, values):
        Breaks.asked += 1
        if Breaks.asked > Breaks.stands:
            raise RuntimeError("broken in the middle")
        return values


@pytest.mark.parametrize("name", ATTACKS)
def test_the_model_is_left_as_it_was_also_after_an_error(name, monkeypatch):
    model, images, labels = network_problem()
    model = nn.Sequential(*model, Breaks())
    model.train()
    model[1].eval()
    model[0].weight.requires_grad_(False)
    model[4].weight.grad = torch.ones_like(model[4].weight)
    handle = model[4].register_forward_hook(lambda *_: None)
    before = everything(model)
    monkeypatch.setattr(Breaks, "asked", 0)
    ATTACKS[name](model, images, labels)
    assert everything(model) == before
    assert Breaks.asked > 2
    monkeypatch.setattr(Breaks, "stands", Breaks.asked - 1)
    monkeypatch.setattr(Breaks, "asked", 0)
    with pytest.raises(RuntimeError, match="in the middle"):
        ATTACKS[name](model, images, labels)
    assert everything(model) == before
    handle.remove()


class Frozen(nn.Linear):
    def forward(self, features):
        assert not self.weight.requires_grad  # nothing is kept for gradients that nobody asks for
        return super().forward(features)


def test_a_training_model_is_attacked_in_evaluation_mode_without_gradients_of_its_parameters():
    model, images, labels = network_problem()
    expected = pgd(model, images, labels, 0.05)
    frozen = Frozen(150, 3)
    frozen.load_state_dict(model[4].state_dict())
    training = nn.Sequential(*model[:4], frozen).train()
    assert torch.equal(pgd(training, images, labels, 0.05).images, expected.images)
    with pytest.raises(AssertionError):
        training(images)


class OnlyFloat32(nn.Module):
    def forward(self, values):
        assert values.dtype == torch.float32
        return values


def test_everything_is_computed_in_float32():
    model, images, labels = network_problem()
    expected = pgd(model, images, labels, 0.05)
    strict = nn.Sequential(*copy.deepcopy(model), OnlyFloat32())
    assert torch.equal(pgd(copy.deepcopy(model).double(), images.double(), labels, 0.05).images, expected.images)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert model(images).dtype == torch.bfloat16
        inside = pgd(strict, images, labels, 0.05)
    assert torch.equal(inside.images, expected.images)
    with torch.no_grad():
        assert torch.equal(pgd(model, images, labels, 0.05).images, expected.images)
    assert expected.images.dtype == torch.float32
    half = copy.deepcopy(model).bfloat16()
    assert torch.equal(
        pgd(half, images, labels, 0.05).images, pgd(copy.deepcopy(half).float(), images, labels, 0.05).images
    )


class Viewed(nn.Sequential):
    """Flattens by a view, as many networks do: that asks for the usual layout of memory."""

    def forward(self, images):
        hidden = self[2](self[1](self[0](images)))
        return self[4](hidden.view(len(hidden), -1))


def test_a_network_of_somebody_else_keeps_its_layout_of_memory_and_ours_has_the_faster_one():
    model, images, labels = network_problem()
    found = pgd(Viewed(*model), images, labels, 0.05)
    assert torch.equal(found.images, pgd(model, images, labels, 0.05).images)
    assert torch.equal(extract(Viewed(*model), images, labels, head=model[4]).logits, model(images).detach())
    seen = []
    body = nn.Sequential(*model[:4])
    body.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    ours = Network(body, model[4], torch.zeros(2), torch.ones(2))
    for network in (ours, nn.Sequential(ours, nn.Identity())):
        ascent.prepare(network, images, labels, 0.05)
        extract(network, images, labels, head=ours.head)
    assert len(seen) >= 4
    assert all(one.is_contiguous(memory_format=torch.channels_last) for one in seen)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_a_model_on_a_gpu_attacks_images_that_stay_on_the_cpu():
    model, images, labels = network_problem(1, count=40)
    moved = copy.deepcopy(model).cuda()
    here, there = (pgd(each, images, labels, 0.03, loss="margin", restarts=3) for each in (model, moved))
    assert there.images.device.type == there.success.device.type == "cpu"
    assert (here.success != there.success).sum() <= 1
    on_gpu = pgd(moved, images.cuda(), labels.cuda(), 0.03)
    assert on_gpu.images.is_cuda
    assert on_gpu.success.is_cuda
    state = torch.cuda.get_rng_state()
    assert autoattack(moved, images, labels, 0.05, attacks=("apgd-ce", "square")).success[1:].any()
    assert torch.equal(state, torch.cuda.get_rng_state())


# --- without gradients


class Rounded(nn.Module):
    """The same predictions, without gradients."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, images):
        return self.model(images).detach()


def test_a_model_that_has_no_gradient_is_named():
    model, images, labels = network_problem(1, count=30)
    with pytest.raises(SoftlabError, match="gives no gradient"):
        pgd(Rounded(model), images, labels, 0.1)


# --- health


def test_vanished_gradients_are_reported_and_the_margin_is_immune():
    model, images, labels = network_problem(0, count=30)
    saturated = copy.deepcopy(model)
    saturated[4].weight.data *= 10_000
    saturated[4].bias.data *= 10_000
    with pytest.warns(UntrustedAttack, match=r"% of the gradients are exactly zero.*margin"):
        blind = pgd(saturated, images, labels, 0.05)
    assert blind.health.zero_gradients > 0.5
    seeing = pgd(saturated, images, labels, 0.05, loss="margin")
    assert seeing.health.zero_gradients == 0
    assert seeing.success.sum() > blind.success.sum()


def test_the_share_of_zero_gradients_by_hand():
    # One pixel decides, through a ReLU that is dead below 0.5: two of the four gradients are zero.
    model = nn.Sequential(nn.Flatten(), nn.Linear(1, 1), nn.ReLU(), nn.Linear(1, 2))
    for layer, weight, bias in ((1, [[1.0]], [-0.5]), (3, [[0.0], [1.0]], [1.0, 0])):
        model[layer].weight.data = torch.tensor(weight)
        model[layer].bias.data = torch.tensor(bias)
    images = torch.tensor([0.1, 0.2, 0.7, 0.8]).reshape(4, 1, 1, 1)
    with pytest.warns(UntrustedAttack, match=r"50\.0%"):
        result = pgd(model, images, torch.zeros(4, dtype=torch.long), 0.01, loss="margin", restarts=2)
    assert result.health == Health(pytest.approx(0.01, abs=1e-6), 0.5, 0)


class Root(nn.Module):
    def forward(self, images):
        root = (images.flatten(1) - 0.25).sqrt()  # NaN below 0.25, an infinite slope at it
        return torch.cat([root + 5, root * 0], 1)


@pytest.mark.parametrize(("pixel", "count"), [(0.1, "several"), (0.25, "one")])
def test_values_that_are_not_finite_are_counted(pixel, count):
    images = torch.tensor([0.9, pixel]).reshape(2, 1, 1, 1)
    labels = torch.zeros(2, dtype=torch.long)
    with pytest.warns(UntrustedAttack, match="not finite"):
        result = pgd(Root(), images, labels, 0.01, steps=1, random_start=False, early_stop=count == "several")
    # NaN: the logits before, at and after the step; an infinite slope: its one gradient.
    assert result.health.nan_count == (3 if count == "several" else 1)
    assert result.images.isfinite().all()
    assert pgd(Root(), images[:1], labels[:1], 0.01).health.nan_count == 0


class Noisy(nn.Module):
    def forward(self, images):
        return torch.stack([images.flatten(1).sum(1), torch.rand(len(images))], 1)


def test_a_model_that_changes_its_mind_is_reported():
    images = torch.rand(4, 1, 4, 4)
    labels = torch.zeros(4, dtype=torch.long)
    with pytest.warns(UntrustedAttack, match="other logits when asked again"):
        pgd(Noisy(), images, labels, 0.1)


def test_gradients_lost_to_rounding_by_hand():
    logits = torch.tensor([[1.0, 0, 0], [20, 0, 0], [200, 0, 0], [200, 0, 0]])
    # 1 - p: 0.42; 4e-9, less than half a unit in the last place of 1; e^-200, which is 0; and a wrong one, p_y = 0.
    labels = torch.tensor([0, 0, 0, 1])
    assert gradient_shares(logits, labels) == (0.25, 0.25)
    assert gradient_shares(logits[:1], labels[:1]) == (0, 0)
    assert gradient_shares(logits - 1000, labels) == (0.25, 0.25)


def test_gradients_lost_to_rounding_are_those_of_cross_entropy():
    logits = (torch.randn(2000, 10, generator=seeded()) * torch.linspace(1, 300, 2000)[:, None]).requires_grad_()
    labels = logits.argmax(1)
    (gradient,) = torch.autograd.grad(nn.functional.cross_entropy(logits, labels, reduction="sum"), logits)
    zero = (gradient == 0).all(1)
    misdirected = (gradient.gather(1, labels[:, None])[:, 0] == 0) & ~zero
    expected = (zero.float().mean().item(), misdirected.float().mean().item())
    assert gradient_shares(logits.detach(), labels) == pytest.approx(expected, abs=0.002)
    assert 0.05 < expected[0] < 0.9
    assert 0.05 < expected[1] < 0.9


# --- peers


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network that has learned something, and images."""
    experiment = Experiment(train_size=400, width=8, stem_stride=2, epochs=12, batch_size=50, learning_rate=0.05)
    data = dataset_of(experiment)
    model = fit_or_load(experiment, store=tmp_path_factory.mktemp("store")).model
    return model, data.test_images[:100].float() / 255, data.test_labels[:100]


@pytest.mark.parametrize("peer", ["torchattacks", "foolbox"])
def test_the_peers_walk_the_same_way(trained, peer):
    library = importlib.import_module(peer)
    model, images, labels = trained
    epsilon = 0.01
    step = 0.002
    steps = 8
    if peer == "torchattacks":
        theirs = library.PGD(model, eps=epsilon, alpha=step, steps=steps, random_start=False)(images, labels)
    else:
        attack = library.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=False)
        theirs = attack(library.PyTorchModel(model, bounds=(0, 1)), images, labels, epsilons=epsilon)[1]
    ours = pgd(model, images, labels, epsilon, step=step, steps=steps, random_start=False, loss="ce", early_stop=False)
    assert 0 < wrong(model, images, labels).sum() < ours.success.sum() < len(images)
    assert torch.equal(ours.success, wrong(model, theirs, labels))
    assert (ours.images - theirs).abs().mean() < 1e-3 * epsilon
    stopping = pgd(model, images, labels, epsilon, step=step, steps=steps, random_start=False)
    assert (stopping.success >= wrong(model, theirs, labels)).all()


# --- AutoAttack


@pytest.mark.parametrize("attack", ["apgd-ce", "fab-t", "square"])
@pytest.mark.parametrize("classes", [2, 3])
def test_autoattack_on_a_linear_model(attack, classes, capfd):
    model, images, labels, weight = linear_problem(classes, count=8)
    exact = exact_linear(model, images, labels, weight)
    epsilon = (1.05 * exact.median()).item()
    state = torch.get_rng_state()
    result = autoattack(model, images, labels, epsilon, attacks=(attack,))
    assert not result.success[exact > epsilon].any()
    assert result.success[exact < epsilon * 0.9].all()
    assert torch.equal(result.success, wrong(model, result.images, labels))
    assert torch.equal(result.images[~result.success], images[~result.success])
    assert result.health.largest_perturbation <= epsilon + 1e-6
    assert torch.equal(state, torch.get_rng_state())
    assert capfd.readouterr() == ("", "")


def test_what_autoattack_finds_is_cut_to_size_and_counted_again(monkeypatch):
    model, images, labels, _ = linear_problem(2, count=6)

    class Liar:
        """It ignores the radius, and ends tracing as the real one does."""

        def __init__(self, model, **_):
            self.apgd = self.fab = self.apgd_targeted = types.SimpleNamespace()

        def run_standard_evaluation(self, images, labels, batch_size):
            sys.settrace(None)
            return 1 - images, None

    monkeypatch.setitem(sys.modules, "pyautoattack", types.SimpleNamespace(AutoAttack=Liar))

    def tracer(*_):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        result = autoattack(model, images, labels, 0.001, attacks=("square",))
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
    assert result.health.largest_perturbation == pytest.approx(0.001, rel=1e-3)
    assert torch.equal(result.success, wrong(model, result.images, labels))


def test_autoattack_is_repeatable():
    model, images, labels = network_problem(1, count=20)
    first, again = (autoattack(model, images, labels, 0.05, attacks=("apgd-ce",)).images for _ in range(2))
    assert torch.equal(first, again)


def test_the_union_with_autoattack_is_never_above_pgd(trained):
    model, images, labels = trained
    ladder = {
        "pgd": lambda model, images, labels, epsilon, starts: pgd(model, images, labels, epsilon, steps=1),
        "apgd": lambda model, images, labels, epsilon, starts: autoattack(
            model, images, labels, epsilon, attacks=("apgd-ce",)
        ),
    }
    weak, strong = robustness_curve(model, images, labels, [0.02], ladder)[:, 0]
    assert (strong <= weak).all()
    assert 0 < strong.sum() < weak.sum()
    left = weak.nonzero().squeeze(1)
    alone = autoattack(model, images[left], labels[left], 0.02, attacks=("apgd-ce",))
    assert torch.equal(~strong[left], alone.success)


def test_autoattack_needs_no_gradient_with_square():
    model, images, labels = network_problem(1, count=20)
    blind = autoattack(Rounded(model), images, labels, 0.1, attacks=("square",))
    assert torch.equal(blind.success, autoattack(model, images, labels, 0.1, attacks=("square",)).success)
    assert blind.success[1:].any()


def test_what_autoattack_complains_of_becomes_a_warning():
    model, images, labels, _ = linear_problem(3, count=6)
    with pytest.warns(UntrustedAttack) as caught:
        autoattack(nn.Sequential(model, nn.Softmax(1)), images, labels, 0.001, attacks=("apgd-ce",))
    assert any(re.search("AutoAttack: .*probability distribution", str(one.message)) for one in caught)


def test_autoattack_misuse_is_named(monkeypatch):
    model, images, labels = network_problem()
    with pytest.raises(SoftlabError, match=r"'apgd-tt'; did you mean 'apgd-t'"):
        autoattack(model, images, labels, 0.1, attacks=("apgd-tt",))
    with pytest.raises(SoftlabError, match="one epsilon for all"):
        autoattack(model, images, labels, torch.full((12,), 0.1))
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(SoftlabError, match=r"pip install pyautoattack"):
        autoattack(model, images, labels, 0.1)


def test_targets_need_enough_classes():
    model, images, labels = network_problem()
    with pytest.raises(SoftlabError, match="four classes, but this model has 3"):
        autoattack(model, images, labels, 0.1)
    model, images, labels = network_problem(1, count=4, classes=4)
    assert autoattack(model, images, labels, 0.05, attacks=("apgd-t", "fab-t")).success.any()


# --- misuse


def test_an_attack_takes_bytes_as_well_as_floats():
    model, images, labels = network_problem()
    pixels = (255 * images).byte()
    given = (pgd(model, one, labels, 0.02) for one in (pixels, pixels.float() / 255))
    assert torch.equal(*(one.images for one in given))


TAKE_IMAGES = {name: attack for name, attack in ATTACKS.items() if name != "autoattack"}


@pytest.mark.parametrize("name", TAKE_IMAGES)
def test_images_and_labels_that_do_not_fit_are_named(name):
    attack = TAKE_IMAGES[name]
    model, images, labels = network_problem()
    for value, said in ((1.5, "1.5"), (-0.25, "-0.25"), (math.nan, "nan"), (math.inf, "inf")):
        outside = images.clone()
        outside[3, 0, 1, 1] = value
        with pytest.raises(SoftlabError, match=rf"\[0, 1\].*image 3 .*{said}"):
            attack(model, outside, labels)
    with pytest.raises(SoftlabError, match=r"int32: divide by 255"):
        attack(model, (255 * images).int(), labels)
    with pytest.raises(SoftlabError, match=r"label 3 of sample 2 is not one of 3 classes"):
        attack(model, images, torch.where(torch.arange(12) == 2, 3, labels))
    with pytest.raises(SoftlabError, match=r"label -1 of sample 0"):
        attack(model, images, torch.full((12,), -1))
    with pytest.raises(SoftlabError, match=r"not torch.int32"):
        attack(model, images, labels.int())


@pytest.mark.parametrize("name", sorted(set(TAKE_IMAGES) - {"curve"}))
def test_shapes_that_do_not_fit_are_named(name):
    attack = TAKE_IMAGES[name]
    model, images, labels = network_problem()
    with pytest.raises(SoftlabError, match=r"N > 0, not \(0, 2, 5, 5\)"):
        attack(model, images[:0], labels[:0])
    with pytest.raises(SoftlabError, match=r"\(N, C, H, W\).*not \(2, 5, 5\)"):
        attack(model, images[0], labels[:1])
    with pytest.raises(SoftlabError, match=r"labels must be int64 \(12,\), not .*\(11,\)"):
        attack(model, images, labels[:11])
    with pytest.raises(SoftlabError, match=r"logits \(N, K\).*not \(12, 6, 5, 5\)"):
        attack(model[:3], images, labels)


def test_settings_that_do_not_fit_are_named():
    model, images, labels = network_problem()
    with pytest.raises(SoftlabError, match=r"epsilon must be from 0 to 1, as pixels are, not -0.1 \(sample 0\)"):
        pgd(model, images, labels, -0.1)
    with pytest.raises(SoftlabError, match=r"not nan \(sample 4\)"):
        fgsm(model, images, labels, torch.where(torch.arange(12) == 4, math.nan, 0.1))
    with pytest.raises(SoftlabError, match=r"a number or \(12,\), not \(11,\)"):
        pgd(model, images, labels, torch.ones(11))
    with pytest.raises(SoftlabError, match=r"step must be from 0 to 1, as pixels are, not -1"):
        pgd(model, images, labels, 0.1, step=-1)
    with pytest.raises(SoftlabError, match=r"unknown loss 'margins'; did you mean 'margin'\?"):
        pgd(model, images, labels, 0.1, loss="margins")
    for steps, restarts in ((0, 1), (1, 0)):
        with pytest.raises(SoftlabError, match=f"not {steps} and {restarts}"):
            pgd(model, images, labels, 0.1, steps=steps, restarts=restarts)


IN_255THS = {
    "pgd": lambda *given: pgd(*given, 8),
    "fgsm": lambda *given: fgsm(*given, torch.full((12,), 2.0)),
    "step": lambda *given: pgd(*given, 2 / 255, step=2),
    "curve": lambda *given: robustness_curve(*given, [2, 4, 8], {"fgsm": lambda *five: fgsm(*five[:4])}),
    "autoattack": lambda *given: autoattack(*given, 8, attacks=("apgd-ce",)),
}


@pytest.mark.parametrize("name", IN_255THS)
def test_a_radius_in_255ths_is_refused(name):
    with pytest.raises(
        SoftlabError, match=r"must be from 0 to 1, as pixels are, not (8|2|16) .*divide by 255"
    ) as caught:
        IN_255THS[name](*network_problem())
    assert "\n" not in str(caught.value)


def test_a_radius_at_which_any_image_can_turn_grey_is_warned_of():
    problem = network_problem()
    for radius in (0.5, 1, torch.linspace(0, 0.6, 12)):
        with pytest.warns(UntrustedAttack, match="any image can turn grey: if 255ths were meant"):
            pgd(*problem, radius, steps=1)
    pgd(*problem, 0.49, steps=1)  # without a word


# --- what networks return


class Returns(nn.Module):
    """A network whose logits come wrapped."""

    def __init__(self, model, wrap):
        super().__init__()
        self.model = model
        self.wrap = wrap

    def forward(self, images):
        return self.wrap(self.model(images))


@dataclasses.dataclass
class Output:
    logits: torch.Tensor
    hidden: torch.Tensor | None = None


@pytest.mark.parametrize(
    "wrap",
    [
        lambda logits: (logits,),
        lambda logits: [logits, None],
        lambda logits: {"logits": logits, "features": logits.square()},
        lambda logits: {"scores": logits, "loss": logits.sum()},
        lambda logits: Output(logits, hidden=logits.square()),
    ],
)
@pytest.mark.parametrize("name", ATTACKS)
def test_logits_inside_something_are_attacked_as_logits_are(name, wrap):
    model, images, labels = network_problem()
    plain, wrapped = (ATTACKS[name](each, images, labels) for each in (model, Returns(model, wrap)))
    if isinstance(plain, AttackResult):
        plain, wrapped = plain.images, wrapped.images
    assert torch.equal(plain, wrapped)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda model: Returns(model, lambda logits: (logits, logits.square())),
            r"'0' \(N, 3\) .* and '1' .*which are",
        ),
        (
            lambda model: Returns(model, lambda logits: {"a": {"logits": logits}, "b": {"logits": -logits}}),
            "'b.logits'",
        ),
        (lambda model: Returns(model, lambda logits: None), "a NoneType of no tensor: which are its logits"),
        (lambda model: lambda images: model(images), "must be a torch.nn.Module, not function"),
        (lambda model: torch.jit.trace(model, torch.zeros(2, 2, 5, 5)), "scripted or traced"),
    ],
)
@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.filterwarnings("ignore:.*jit:FutureWarning")
def test_what_holds_no_logits_for_certain_is_refused_in_one_line(name, change, message):
    model, images, labels = network_problem()
    with pytest.raises(SoftlabError, match=message) as caught:
        ATTACKS[name](change(model), images, labels)
    assert "\n" not in str(caught.value)


def test_probabilities_are_attacked_with_a_warning():
    model, images, labels = network_problem()
    with pytest.warns(UntrustedAttack, match="gives probabilities"):
        pgd(nn.Sequential(*model, nn.Softmax(1)), images, labels, 0.05)


def test_an_answer_that_depends_on_the_batch_is_no_answer():
    model, images, labels = network_problem()
    kept = nn.Sequential(*model)
    kept[1] = nn.BatchNorm2d(6, track_running_stats=False)
    with pytest.raises(SoftlabError, match="the batch normalisation '1' keeps no running statistics"):
        pgd(kept, images, labels, 0.05)

    class Compared(nn.Module):
        """Subtracts what the batch has on average, as some losses do with features."""

        def forward(self, logits):
            return logits - logits.mean(0)

    with pytest.raises(SoftlabError, match="otherwise alone than in a batch"):
        pgd(nn.Sequential(*model, Compared()), images, labels, 0.05)


def test_what_is_outside_by_rounding_is_attacked_from_the_end_of_the_range():
    model, images, labels = network_problem()
    images[3, 0, 1, 1] = 0
    images[4, 0, 1, 1] = 1
    near = images.clone()
    near[3, 0, 1, 1] = -3e-8
    near[4, 0, 1, 1] = 1 + 2.4e-7
    assert torch.equal(pgd(model, near, labels, 0.02).images, pgd(model, images, labels, 0.02).images)
    near[3, 0, 1, 1] = -1e-6
    with pytest.raises(SoftlabError, match="image 3 has pixels outside"):
        pgd(model, near, labels, 0.02)


def test_a_curve_without_a_ladder_is_named():
    model, images, labels = network_problem()
    ladder = {"fgsm": lambda *five: fgsm(*five[:4])}
    for epsilons, attacks in itertools.product(([], [0.2, 0.1], [0.1, 0.1]), (ladder,)):
        with pytest.raises(SoftlabError, match="ascending epsilons"):
            robustness_curve(model, images, labels, epsilons, attacks)
    with pytest.raises(SoftlabError, match="not 0 attacks"):
        robustness_curve(model, images, labels, [0.1], {})
