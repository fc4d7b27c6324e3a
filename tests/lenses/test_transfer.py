"""Probes and neighbours: small cases by hand, invariants, and scikit-learn's as a peer; averages of networks."""

import math

import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from torch import nn

from softlab import SoftlabError
from softlab.lenses import ensembles, transfer


def blobs(count=300, classes=3, features=6, apart=1.5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    centers = apart * torch.randn(classes, features, generator=torch.Generator().manual_seed(99))
    return centers[labels] + torch.randn(count, features, generator=generator), labels


def test_standardised_by_hand():
    features = torch.tensor([[1.0, 5.0, 7.0], [3.0, 5.0, 7.0]])
    known, other = transfer.standardised(features, torch.tensor([[5.0, 6.0, 8.0]]))
    assert known.tolist() == [[-1.0], [1.0]], "what does not vary is left out"
    assert other.tolist() == [[3.0]]


@pytest.mark.parametrize("strength", [1e-4, 1e-2, 1.0])
def test_the_probe_is_the_minimum_that_scikit_learn_finds(strength):
    features, labels = blobs()
    known, _ = transfer.standardised(features, features)
    weights = transfer.linear_probe(known, labels, strength)
    peer = LogisticRegression(C=1 / (2 * strength * len(labels)), tol=1e-10, max_iter=5000).fit(known, labels)
    ours = (known @ weights[:, :-1].T + weights[:, -1]).softmax(1)
    assert torch.allclose(ours, torch.tensor(peer.predict_proba(known)), atol=1e-4)
    again = transfer.linear_probe(known, labels, strength, start=torch.randn(3, 7, dtype=torch.float64))
    theirs = (known @ again[:, :-1].T + again[:, -1]).softmax(1)
    assert torch.allclose(ours, theirs, atol=1e-3), "the same minimum from wherever it begins"


def test_neighbours_are_scikit_learns():
    features, labels = blobs(apart=0.7)
    test, truth = blobs(apart=0.7, seed=1)
    ours = transfer.neighbours(features, labels, test, truth, count=1)
    known, tested = transfer.standardised(features, test)
    peer = KNeighborsClassifier(1, metric="cosine").fit(known, labels).score(tested, truth)
    assert ours == pytest.approx(peer)
    many = transfer.neighbours(features, labels, test, truth, count=15)
    peer = KNeighborsClassifier(15, metric="cosine").fit(known, labels).score(tested, truth)
    assert many == pytest.approx(peer, abs=0.02), "ties are broken otherwise"


def test_of_as_many_neighbours_the_nearest_decides():
    features = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.1, 0.9], [-1.0, -1.0], [-1.0, -1.0]])
    labels = torch.tensor([0, 1, 1, 0, 2, 2])
    test = torch.tensor([[5.0, -0.2]])  # nearest is the first; of four neighbours two are of each class
    assert transfer.neighbours(features, labels, test, torch.tensor([0]), count=4) == 1.0


def test_a_probe_does_not_depend_on_how_long_features_are():
    features, labels = blobs()
    test, truth = blobs(seed=1)
    scales = torch.tensor([1e-3, 1.0, 1e3, 2.0, 5.0, 0.1])
    found = [
        transfer.probe(features * by, labels, test * by, truth, torch.Generator().manual_seed(0))
        for by in (torch.ones(6), scales)
    ]
    assert found[0].accuracy == pytest.approx(found[1].accuracy)
    assert found[0].strength == found[1].strength


def test_features_that_know_the_class_are_told_from_noise():
    """The positive control, and the null: .98 and a third."""
    features, labels = blobs(apart=3)
    test, truth = blobs(apart=3, seed=1)
    parts = (features, labels, test, truth)
    assert transfer.probe(*parts, torch.Generator().manual_seed(0)).accuracy > 0.95
    noise = torch.randn(300, 6, generator=torch.Generator().manual_seed(5))
    nothing = transfer.probe(noise, labels, noise.flip(0), truth, torch.Generator().manual_seed(0))
    assert nothing.accuracy < 0.45
    few = transfer.probe_of_few(*parts, seed=0, count=10)
    assert 0.85 < few.accuracy <= 1
    assert min(transfer.STRENGTHS) <= few.strength <= max(transfer.STRENGTHS)


def test_few_of_each_are_that_many_of_each():
    labels = torch.tensor([0] * 9 + [1] * 4 + [2] * 2)
    few = transfer.few_of_each(labels, 3, torch.Generator().manual_seed(0))
    assert labels[few].bincount().tolist() == [3, 3, 2]
    assert len(set(few.tolist())) == 8


def test_what_cannot_be_probed_is_said():
    features, labels = blobs(6)
    with pytest.raises(SoftlabError, match="a probe needs 10 images at least, not 6"):
        transfer.probe(features, labels, features, labels, torch.Generator())
    with pytest.raises(SoftlabError, match="D differs"):
        transfer.probe(*blobs(20), blobs(20, features=4)[0], labels, torch.Generator())


def test_networks_together_by_hand():
    logits = [torch.tensor([[math.log(0.8), math.log(0.2)]]), torch.tensor([[math.log(0.4) + 5, math.log(0.6) + 5]])]
    assert ensembles.together(logits).exp().tolist() == [[pytest.approx(0.6), pytest.approx(0.4)]]
    assert torch.allclose(ensembles.together(logits[:1]).softmax(1), logits[0].double().softmax(1))
    with pytest.raises(SoftlabError, match="of one shape"):
        ensembles.together([torch.zeros(2, 3), torch.zeros(2, 4)])


def test_weights_averaged_by_hand():
    networks = [nn.Linear(2, 1), nn.Linear(2, 1)]
    for network, value in zip(networks, (1.0, 4.0), strict=True):
        nn.init.constant_(network.weight, value)
        nn.init.constant_(network.bias, -value)
    mean = ensembles.averaged(networks)
    assert mean.weight.tolist() == [[2.5, 2.5]]
    assert mean.bias.tolist() == [-2.5]
    assert networks[0].weight.tolist() == [[1.0, 1.0]], "the members stay"
