"""Methods that ask the network: by hand where the loss is linear, inside ball and box, and without a trace."""

import copy

import pytest
import torch
from torch import nn

from softlab import Experiment, SoftlabError, fit_or_load, regularizers
from softlab.regularizers.base import cross_entropy
from softlab.training import models

METHODS = {"gradient_penalty": {"strength": 0.5}, "adversarial_training": {"epsilon": 0.1, "steps": 3}}
WEIGHT = torch.tensor([[2.0, 0.0], [0.0, 1.0]])


def linear():
    network = nn.Sequential(nn.Flatten(), nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(WEIGHT)
    return network


def draws():
    return torch.Generator().manual_seed(0)


def test_the_penalty_by_hand():
    """∇ₓ CE = Wᵀ (p - y): at x = (.5, 1) both logits are 1, so p - y = (-½, ½) and Wᵀ (p - y) = (-1, ½)."""
    method = regularizers.get("gradient_penalty", strength=0.5)
    images = torch.tensor([[[[0.5, 1.0]]]])
    targets = torch.tensor([[1.0, 0.0]])
    seen, extra = method.with_model(linear(), images, targets, draws())
    assert seen is images
    assert extra.tolist() == pytest.approx([0.5 * (1 + 0.25)], rel=1e-3)


def test_the_penalty_flattens_what_it_penalises():
    """Its gradient reaches the weights: a step down makes it smaller."""
    network = linear()
    method = regularizers.get("gradient_penalty")
    images = torch.rand((8, 1, 1, 2), generator=draws())
    targets = torch.eye(2)[torch.tensor([0, 1] * 4)]
    before = method.with_model(network, images, targets, draws())[1].sum()
    before.backward()
    with torch.no_grad():
        network[1].weight -= 0.01 * network[1].weight.grad
    assert method.with_model(network, images, targets, draws())[1].sum() < before


def test_the_attack_ends_in_the_corner_that_a_linear_loss_asks_for():
    """Logits (2x, y), label 0: the loss grows as x falls and y rises, so both end at the edge of the ball."""
    method = regularizers.get("adversarial_training", epsilon=0.1, steps=7)
    images = torch.tensor([[[[0.5, 0.5]]], [[[0.05, 0.95]]]])
    targets = torch.tensor([[1.0, 0.0]] * 2)
    seen, extra = method.with_model(linear(), images, targets, draws())
    assert extra is None
    assert seen.flatten().tolist() == pytest.approx([0.4, 0.6, 0.0, 1.0])


@pytest.mark.parametrize("steps", [1, 7])
def test_the_attack_stays_in_ball_and_box_and_raises_the_loss(steps):
    torch.manual_seed(0)
    network = models.build("resnet8", 3, 1, width=4, stem_stride=2)
    images = torch.rand((16, 1, 28, 28), generator=draws())
    targets = torch.eye(3)[torch.arange(16) % 3]
    method = regularizers.get("adversarial_training", epsilon=0.05, steps=steps)
    seen, _ = method.with_model(network.train(), images, targets, draws())
    assert (seen - images).abs().max() <= 0.05 + 1e-6
    assert seen.min() >= 0
    assert seen.max() <= 1
    assert not seen.requires_grad
    clean, moved = (cross_entropy(network(one), targets).mean() for one in (images, seen))
    assert moved > clean


@pytest.mark.parametrize("name", METHODS)
def test_statistics_of_batch_normalisations_stay_as_they_were(name):
    network = models.build("resnet8", 3, 1, width=4, stem_stride=2).train()
    before = copy.deepcopy(network.state_dict())
    images = torch.rand((8, 1, 28, 28))
    targets = torch.eye(3)[torch.arange(8) % 3]
    regularizers.get(name, **METHODS[name]).with_model(network, images, targets, draws())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    network(images)
    assert not torch.equal(network.state_dict()["body.1.running_mean"], before["body.1.running_mean"]), "but afterwards"


@pytest.mark.parametrize("name", METHODS)
def test_they_train_and_again_to_the_same_bits(name, tmp_path):
    small = {"train_size": 60, "width": 4, "stem_stride": 2, "epochs": 2, "batch_size": 30, "learning_rate": 0.05}
    experiment = Experiment(**small, method=name, method_parameters=METHODS[name])
    runs = [fit_or_load(experiment, store=tmp_path / place) for place in ("one", "two")]
    weights = [run.model.state_dict() for run in runs]
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())
    plain = fit_or_load(Experiment(**small), store=tmp_path / "one")
    assert not torch.equal(plain.model.state_dict()["head.weight"], weights[0]["head.weight"])


def test_compiled_networks_refuse_them_in_one_line():
    for name in METHODS:
        with pytest.raises(SoftlabError, match="takes compiled=false"):
            fit_or_load(Experiment(train_size=60, width=4, epochs=1, method=name, compiled=True))


@pytest.mark.parametrize(
    ("name", "parameters", "words"),
    [
        ("gradient_penalty", {"strength": 0}, "strength must be a number above 0, not 0"),
        ("adversarial_training", {"epsilon": -1}, "epsilon must be a number above 0"),
        ("adversarial_training", {"steps": 0}, "steps must be a whole number from 1 to 1000, not 0"),
        ("adversarial_training", {"steps": 1.5}, "steps must be a whole number"),
        ("adversarial_training", {"step": 1}, "did you mean 'steps'"),
    ],
)
def test_wrong_parameters_are_one_line(name, parameters, words):
    with pytest.raises(SoftlabError, match=words):
        regularizers.get(name, **parameters)


def test_a_head_without_a_bias_has_the_same_weights():
    torch.manual_seed(0)
    plain = models.build("resnet8", 3, 1, width=4)
    torch.manual_seed(0)
    without = models.build("resnet8", 3, 1, width=4, head_bias="none")
    assert without.head.bias is None
    assert torch.equal(without.head.weight, plain.head.weight)
