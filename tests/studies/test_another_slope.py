"""Same answers, another slope: what is held, and what moves."""

import pytest
import torch
from torch import nn

from softbook.studies import another_slope
from softlab import Experiment
from softlab.training.data import load
from softlab.training.loop import training_set


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 3)).eval()


@pytest.fixture
def images():
    return torch.rand(200, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def test_of_a_linear_network_the_slope_is_exact():
    linear = nn.Sequential(nn.Flatten(), nn.Linear(3, 2, bias=False))
    linear[1].weight.data = torch.tensor([[2.0, -1.0, 0.0], [0.0, 0.0, 0.0]])
    pixels = torch.tensor([0.5, 0.5, 0.5]).reshape(1, 3, 1, 1)
    logits, log_slope = another_slope.logits_and_slope(linear, pixels)
    assert logits.tolist() == [[0.5, 0.0]]
    assert log_slope.exp().item() == pytest.approx(3.0, rel=1e-4)  # |2| + |-1| + |0|, and each pixel has room
    edge = torch.tensor([0.0, 0.5, 0.5]).reshape(1, 3, 1, 1)  # z₁ - z₂ = -.5: the second class leads
    _, log_slope = another_slope.logits_and_slope(linear, edge)
    assert log_slope.exp().item() == pytest.approx(3.0, rel=1e-4)  # the first pixel rises, for which it has all room
    weights = torch.autograd.grad(another_slope.logits_and_slope(linear, pixels)[1].sum(), linear[1].weight)[0]
    assert weights[0].tolist() == pytest.approx([1 / 3, -1 / 3, 0.0], abs=1e-4), "of log (|w₁| + |w₂| + |w₃|)"


def test_the_slope_goes_where_it_is_drawn_and_answers_stay(network, images, monkeypatch):
    monkeypatch.setattr(another_slope, "STEPS", 300)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    labels = network(images).argmax(1)
    seen = {tau: another_slope.retrained(network, images, tau, 0.3, seed=0) for tau in (0.5, 1.0, 2.0)}
    changes = {tau: another_slope.change(network, other, images, labels) for tau, other in seen.items()}
    assert changes[0.5].log_slope < -0.1 < 0.1 < changes[2.0].log_slope
    assert abs(changes[0.5].log_length) < 0.05
    assert changes[1.0].log_slope == pytest.approx(0, abs=1e-5), "there is nothing to do"
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_the_sham_is_disturbed_by_as_much_as_the_others_have_moved(network):
    one, two = (another_slope.disturbed(network, dict.fromkeys(before(network), size), 3) for size in (0.2, 0.4))
    lengths = another_slope.moved(network, [one, two])
    assert lengths == pytest.approx(dict.fromkeys(before(network), 0.3), rel=1e-5)
    other = another_slope.disturbed(network, lengths, 4)
    assert another_slope.moved(network, [other]) == pytest.approx(lengths, rel=1e-5)


def before(network):
    return dict(network.named_parameters())


@pytest.mark.parametrize(
    ("change", "admitted"),
    [
        ((0.05, -0.05, 9.0, 0.01), True),
        ((0.051, 0.0, 0.0, 0.0), False),
        ((0.0, -0.051, 0.0, 0.0), False),
        ((0.0, 0.0, 0.0, -0.011), False),
    ],
)
def test_a_dose_is_admitted_if_nothing_but_its_slope_is_another(change, admitted):
    assert another_slope.Change(*change).admitted == admitted


def test_answers_are_held_on_training_images_and_others_that_are_no_test_images():
    experiment = Experiment(data="fashion-mini", train_size=100, seed=5)
    dataset = load("fashion-mini")
    held = another_slope.images_of(experiment, dataset)
    assert len(held) == 100 + another_slope.UNLABELLED
    assert torch.equal(held[:100], training_set(experiment, dataset, "cpu")[0])
    bytes_of = {image.numpy().tobytes() for image in held}
    assert not bytes_of & {image.numpy().tobytes() for image in dataset.fit_images}


def test_without_a_record_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(another_slope.records, "RECORDS", tmp_path)
    assert another_slope.recorded("quick").empty
