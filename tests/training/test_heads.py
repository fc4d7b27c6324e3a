"""A new head on a trained body: by hand, beside scikit-learn, and as an experiment of its own."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from sklearn.linear_model import LogisticRegression
from torch import nn

from softlab import Experiment, SoftlabError, extract, fit_or_load, refit_head
from softlab.lenses.steepness import length
from softlab.training.heads import optimal_head
from softlab.training.loop import build_model, make_optimizer, training_set
from softlab.training.runs import dataset_of

DECAY = 5e-4


def drawn(count=120, dimension=5, classes=3):
    """Features that overlap, so that no class is certain, and labels."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(count) % classes
    centers = 2 * torch.randn(classes, dimension, generator=generator)
    return centers[labels] + 2 * torch.randn(count, dimension, generator=generator), labels


def smoothed(labels, alpha, classes=3):
    return (1 - alpha) * functional.one_hot(labels, classes).double() + alpha / classes


def test_without_a_feature_the_bias_is_the_log_of_the_shares():
    """Three images of class 0 and one of class 1: probabilities 3/4 and 1/4, biases ± log(3)/2."""
    weight, bias = optimal_head(torch.zeros(4, 2), smoothed(torch.tensor([0, 0, 0, 1]), 0.0, 2), DECAY)
    assert not weight.any()
    assert bias.tolist() == pytest.approx([math.log(3) / 2, -math.log(3) / 2])


def test_two_features_by_hand():
    """f = ±1 for class 0 and 1, W = (w, -w): at the optimum the derivative 2λw equals 2p, p = 1 / (1 + exp 2w)."""
    features = torch.tensor([[1.0], [-1.0]])
    weight, bias = optimal_head(features, smoothed(torch.tensor([0, 1]), 0.0, 2), 0.1)
    w = float(weight[0, 0])
    assert weight[:, 0].tolist() == pytest.approx([w, -w])
    assert bias.tolist() == pytest.approx([0, 0], abs=1e-9)
    assert 0.1 * w == pytest.approx(1 / (1 + math.exp(2 * w)))


@pytest.mark.parametrize("alpha", [0.0, 0.1])
def test_it_is_the_optimum_that_scikit_learn_finds(alpha):
    """There a smoothed label is an image K times, once with each class, weighted by the label."""
    features, labels = drawn()
    weight, bias = optimal_head(features, smoothed(labels, alpha), DECAY)
    peer = LogisticRegression(C=1 / (len(labels) * DECAY), tol=1e-10, max_iter=10_000)
    often = np.repeat(features.double().numpy(), 3, axis=0)
    peer.fit(often, np.tile([0, 1, 2], len(labels)), sample_weight=smoothed(labels, alpha).numpy().ravel())
    assert np.abs(peer.coef_ - weight.numpy()).max() < 1e-4
    assert np.abs(peer.intercept_ - bias.numpy()).max() < 1e-4


def test_more_features_than_images_and_no_bias():
    features, labels = drawn(count=6, dimension=20)
    weight, bias = optimal_head(features, smoothed(labels, 0.0), DECAY, bias=False)
    assert not bias.any()
    assert (features.double() @ weight.T).argmax(1).tolist() == labels.tolist()


class Wrapped(nn.Module):
    """Somebody's network, whose last layer has a name of its own."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(36, 8), nn.ReLU())
        self.classifier = nn.Linear(8, 3)

    def forward(self, images):
        return self.classifier(self.body(images))


def test_any_network_with_a_linear_head_gets_a_new_one_and_stays_as_it_was():
    torch.manual_seed(0)
    model = Wrapped()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = torch.rand(30, 1, 6, 6)
    labels = torch.arange(30) % 3
    new = refit_head(model, images, labels, alpha=0.1, head="classifier")
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(new.body(images), model.body(images))
    features = model.body(images).detach()
    weight, bias = optimal_head(features, smoothed(labels, 0.1), DECAY)
    assert torch.allclose(new.classifier.weight, weight.float())
    assert torch.allclose(new.classifier.bias, bias.float())


def test_what_cannot_be_refitted_is_said_in_a_line():
    model = Wrapped()
    images = torch.rand(6, 1, 6, 6)
    labels = torch.arange(6) % 3
    for given, said in (
        ({"head": "clasifier"}, "unknown linear layer 'clasifier'; did you mean 'classifier'"),
        ({"head": "body"}, "the layer 'body' is no linear layer but Sequential"),
        ({"head": "classifier", "alpha": 1}, "alpha must be a number from 0.0 to 0.999, not 1"),
        ({"head": "classifier", "weight_decay": 0}, "weight_decay must be a number from 1e-12"),
    ):
        with pytest.raises(SoftlabError, match=said):
            refit_head(model, images, labels, **given)
    nn.utils.parametrizations.weight_norm(model.classifier)
    with pytest.raises(SoftlabError, match="is computed from others"):
        refit_head(model, images, labels, head="classifier")


def test_an_experiment_with_a_new_head_has_the_body_of_the_one_without(tiny):
    body = fit_or_load(tiny)
    hard = fit_or_load(tiny.replace(new_head={"alpha": 0}))
    long = fit_or_load(tiny.replace(new_head={"log_length": 1.5}))
    held_out = fit_or_load(tiny.replace(new_head={"alpha": 0.1, "images": "fit"}))
    assert len({run.id for run in (body, hard, long, held_out)}) == 4
    assert hard.provenance["body"]["id"] == body.id
    with pytest.raises(SoftlabError, match=f"has a new head, and no snapshots: those are of {body.id}"):
        hard.snapshot(0)
    dataset = dataset_of(tiny)
    fitted = (dataset.fit_images, dataset.fit_labels)
    plain, *others = (extract(run.model, *fitted) for run in (body, hard, long, held_out))
    assert all(torch.equal(one.features, plain.features) for one in others)
    assert float(length(others[1].logits).log().mean()) == pytest.approx(1.5, abs=1e-5)
    assert torch.equal(others[1].logits.argmax(1), plain.logits.argmax(1)), "as with a temperature"
    own = extract(body.model, *training_set(tiny, dataset, "cpu"))
    for run, where, alpha in ((hard, own, 0.0), (held_out, plain, 0.1)):
        weight, _ = optimal_head(where.features, smoothed(where.labels, alpha, 10), DECAY)
        assert torch.allclose(run.model.head.weight, weight.float(), atol=1e-6)


def test_a_new_head_comes_as_one_thing_and_to_a_linear_head():
    for given, said in (
        ({"new_head": {"alpha": 0.1, "log_length": 1}}, "one of them"),
        ({"new_head": {"images": "fit"}}, "one of them"),
        ({"new_head": {"alhpa": 0.1}}, "did you mean 'alpha'"),
        ({"new_head": {"log_length": 1, "images": "fit"}}, "images only with alpha"),
        ({"new_head": {"alpha": 0.1, "images": "test"}}, "unknown images of new_head 'test'"),
        ({"new_head": 0.1}, "new_head must map"),
        ({"new_head": {"alpha": 0}, "head": "two_layers"}, "takes a network with a linear head"),
    ):
        with pytest.raises(SoftlabError, match=said):
            Experiment(**given)


def test_the_head_may_have_a_weight_decay_of_its_own(tiny):
    model = build_model(tiny, dataset_of(tiny))

    def decays(**changes):
        optimizer = make_optimizer(model, tiny.replace(**changes), {})
        by_id = {id(one): group["weight_decay"] for group in optimizer.param_groups for one in group["params"]}
        return {name: by_id[id(parameter)] for name, parameter in model.named_parameters()}

    plain = decays()
    own = decays(weight_decay_head=0.05)
    assert {name for name in plain if own[name] != plain[name]} == {"head.weight"}
    assert own["head.weight"] == 0.05
    assert plain["head.weight"] == tiny.weight_decay
    weights = [
        fit_or_load(tiny.replace(weight_decay_head=decay)).model.head.weight for decay in (None, tiny.weight_decay, 0.5)
    ]
    assert torch.equal(weights[0], weights[1]), "the same by another way"
    assert weights[2].norm() < weights[0].norm()
