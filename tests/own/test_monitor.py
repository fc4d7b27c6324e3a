"""The monitor: hand-computed numbers, the lenses' own, nothing changed in passing, and what is refused."""

import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import softlab
from softlab import SoftlabError
from softlab.lenses import calibration, steepness

NAMES = ["accuracy", "gap", "ECE", "NLL at T", "temperature", "log length", "margin", "slope"]


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 3)
    )


@pytest.fixture
def held_out(network):
    """Forty images, of which the network knows three quarters."""
    drawing = torch.Generator().manual_seed(0)
    images = torch.rand(40, 1, 8, 8, generator=drawing)
    with torch.no_grad():
        known = network.eval()(images).argmax(1)
    network.train()
    return images, torch.where(torch.arange(40) % 4 > 0, known, torch.randint(3, (40,), generator=drawing))


def test_by_hand():
    """Two classes, logits ±1 and ±3: lengths √2 and 3√2, margins 2 and 6."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(1, 2, bias=False))
    with torch.no_grad():
        network[1].weight.copy_(torch.tensor([[4.0], [-4.0]]))
    images = torch.tensor([0.25, 0.75, 0.25, 0.75]).view(4, 1, 1, 1)
    with pytest.warns(UserWarning, match="the temperature is cut off"):  # of two images, both right
        seen = softlab.Watch(network, [(images, torch.tensor([0, 0, 1, 0]))])()
    assert list(seen) == NAMES
    confidence = (1 / (1 + math.exp(-2)) + 1 / (1 + math.exp(-6))) / 2
    assert seen["accuracy"] == 0.75
    assert seen["gap"] == pytest.approx(confidence - 0.75)
    assert seen["log length"] == pytest.approx(math.log(math.sqrt(2)) / 2 + math.log(3 * math.sqrt(2)) / 2)
    assert seen["margin"] == pytest.approx(4)
    assert seen["slope"] == pytest.approx(8)


def test_its_numbers_are_the_lenses_on_all_images(network, held_out):
    images, labels = held_out
    loader = DataLoader(TensorDataset(images, labels), batch_size=7)
    seen = softlab.Watch(network, loader, steep=10)()
    with torch.no_grad():
        logits = network.eval()(images)
    probs = logits.softmax(1)
    assert seen["accuracy"] == pytest.approx((logits.argmax(1) == labels).float().mean().item())
    assert seen["ECE"] == pytest.approx(calibration.expected_calibration_error(probs, labels))
    assert seen["gap"] == pytest.approx(calibration.confidence_gap(probs, labels))
    assert seen["margin"] == pytest.approx(steepness.margin(logits).mean().item(), rel=1e-5)
    gradient = steepness.margin_gradient(network, images[:10])
    assert seen["slope"] == pytest.approx(steepness.slope(gradient, images[:10], 4 / 255).mean().item(), rel=1e-5)


def test_the_temperature_is_fitted_on_one_half_and_scored_on_the_other(network, held_out):
    images, labels = held_out
    with torch.no_grad():
        logits = network.eval()(images)
    order = torch.randperm(40, generator=torch.Generator().manual_seed(0)).tolist()
    by_class = sorted(order, key=lambda image: int(labels[image]))  # stable: the order within a class stays
    first, second = by_class[::2], by_class[1::2]
    temperature = calibration.fit_temperature(logits[first], labels[first])
    seen = softlab.Watch(network, [held_out])()
    assert seen["temperature"] == pytest.approx(temperature, rel=1e-5)
    assert seen["NLL at T"] == pytest.approx(calibration.nll(logits[second] / temperature, labels[second]), rel=1e-5)


def test_a_normalisation_is_the_loaders_and_the_slope_that_of_pixels(network, held_out):
    images, labels = held_out
    mean = 0.3
    std = 0.2

    class Normalising(nn.Module):
        def forward(self, pixels):
            return (pixels - mean) / std

    by_pixels = softlab.Watch(nn.Sequential(Normalising(), network), [(images, labels)])()
    by_loader = softlab.Watch(network, [((images - mean) / std, labels)], mean=mean, std=[std])()
    assert by_loader == pytest.approx(by_pixels, rel=1e-4)


def test_bytes_beside_a_normalisation_are_refused(network, held_out):
    images, labels = held_out
    watch = softlab.Watch(network, [((255 * images).byte(), labels)], mean=0.3, std=0.2)
    with pytest.raises(
        SoftlabError, match=r"holds uint8, to which no mean and std were applied: leave mean and std out"
    ):
        watch()


def test_whole_numbers_have_no_slope(network, held_out):
    images, labels = held_out
    with pytest.raises(SoftlabError, match=r"a batch holds int64, of which no slope is taken: give floats from 0 to 1"):
        softlab.Watch(network, [((255 * images).long(), labels)])()


def everything(network):
    """All that a monitor could change, as something to compare."""
    yield from (value.clone() for value in network.state_dict().values())
    yield from (parameter.grad.clone() for parameter in network.parameters())
    yield torch.tensor([module.training for module in network.modules()])
    yield torch.random.get_rng_state()
    yield torch.from_numpy(np.random.get_state()[1].astype(np.int64))
    yield torch.tensor(random.getstate()[1])


@pytest.mark.parametrize("own_generator", [False, True])
def test_nothing_is_changed_in_passing(network, held_out, own_generator):
    class Drawing(TensorDataset):
        def __getitem__(self, place):
            images, labels = super().__getitem__(place)
            return (images * random.random() + np.random.rand() * torch.rand(())).clamp(0, 1), labels

    drawing = torch.Generator().manual_seed(3) if own_generator else None
    loader = DataLoader(Drawing(*held_out), batch_size=8, shuffle=True, generator=drawing)
    network.train()
    network[3].eval()  # one layer is frozen
    network(held_out[0]).sum().backward()
    before = [*everything(network)]
    order = drawing.get_state() if drawing else None
    requires = [parameter.requires_grad for parameter in network.parameters()]
    watch = softlab.Watch(network, loader)
    first = watch()
    assert all(torch.equal(*pair) for pair in zip(before, everything(network), strict=True))
    assert requires == [parameter.requires_grad for parameter in network.parameters()]
    assert drawing is None or torch.equal(order, drawing.get_state())
    assert watch() == first
    broken = softlab.Watch(network, [(held_out[0], held_out[1]), "nonsense"])
    with pytest.raises(SoftlabError):
        broken()
    assert all(torch.equal(*pair) for pair in zip(before, everything(network), strict=True))


def in_bfloat16():
    return torch.autocast("cpu", torch.bfloat16)


@pytest.mark.parametrize("context", [torch.no_grad, torch.inference_mode, torch.enable_grad, in_bfloat16])
def test_it_may_be_called_wherever_a_framework_calls_it(network, held_out, context):
    expected = softlab.Watch(network, [held_out])()
    with context():
        batches = [tuple(part.clone() for part in held_out)]
        assert softlab.Watch(network, batches)() == pytest.approx(expected)


def test_soft_labels_half_precision_bytes_and_dictionaries(network, held_out):
    images, labels = held_out
    soft = torch.eye(3)[labels]
    expected = softlab.Watch(network, [held_out])()
    assert softlab.Watch(network, [(images, soft)])() == pytest.approx(expected, rel=1e-5)
    bytes_ = (255 * images).byte()
    assert softlab.Watch(network, [(bytes_, labels)])() == pytest.approx(expected, rel=0.1)

    class Answers(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network

        def forward(self, pixels):
            return {"logits": self.inner(pixels), "hidden": pixels.flatten(1)}

    assert softlab.Watch(Answers(), [held_out])() == pytest.approx(expected)
    rough = softlab.Watch(network.bfloat16(), [held_out])()
    assert rough["log length"] == pytest.approx(expected["log length"], abs=0.1)


def test_without_a_slope_images_may_be_anything(network, held_out):
    images, labels = held_out
    seen = softlab.Watch(network, [(50 * images - 3, labels)], steep=0)()
    assert list(seen) == NAMES[:-1]


def test_mistakes_are_one_line(network, held_out):
    images, labels = held_out
    for loader, said in (
        ([(images - 0.5, labels)], "pixels must be in"),
        ([(images, labels - 100)], "is not one of 3 classes"),
        ([(images, labels[:-1])], "must have images"),
        ([{"pixels": images}], "batches"),
        ([(images[:2], labels[:2])], "at least 4"),
        ([], "at least 4"),
    ):
        with pytest.raises(SoftlabError, match=said):
            softlab.Watch(network, loader)()
    for given, said in (({"mean": 0.5}, "give both"), ({"steep": -1}, "steep"), ({"mean": 0.0, "std": 0.0}, "std")):
        with pytest.raises(SoftlabError, match=said):
            softlab.Watch(network, [held_out], **given)
    with pytest.raises(SoftlabError, match="again and again"):
        softlab.Watch(network, iter([held_out]))
    with pytest.raises(SoftlabError, match="mean and std"):
        softlab.Watch(network, [held_out], mean=0.5, std=5.0)()
    with pytest.raises(SoftlabError, match=r"torch\.nn\.Module"):
        softlab.Watch(lambda x: x, [held_out])
