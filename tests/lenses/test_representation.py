"""Hooks that clean up, and representations that do not depend on how they are computed."""

import pytest
import torch

from softlab import SoftlabError, extract, tap
from softlab.representation import refresh_statistics
from softlab.training import models


@pytest.fixture
def model():
    torch.manual_seed(0)
    return models.build("resnet8", 4, 1, width=4)


def test_tap_sees_input_and_output_and_always_removes_itself(model):
    images = torch.rand(3, 1, 28, 28)
    with tap(model.head) as seen:
        logits = model.eval()(images)
    assert torch.equal(seen.output, logits)
    assert torch.equal(seen.input, model.features(images))
    assert not model.head._forward_hooks
    with pytest.raises(RuntimeError, match="inside"), tap(model.head):
        raise RuntimeError("inside")
    assert not model.head._forward_hooks


def test_extract_does_not_depend_on_batches_and_takes_bytes_or_floats(model):
    images = torch.randint(256, (11, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(11) % 4
    whole = extract(model, images, labels)
    parts = extract(model, images.float() / 255, labels, batch_size=3)
    assert torch.allclose(whole.features, parts.features, atol=1e-6)
    assert torch.allclose(whole.logits, model.eval()(images.float() / 255), atol=1e-6)
    assert whole.features.shape == (11, 16)
    assert not whole.features.requires_grad
    assert whole.accuracy == (whole.logits.argmax(1) == labels).float().mean()


def test_extract_leaves_the_model_as_it_was(model):
    model.train()
    model.body[3].eval()
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    extract(model, torch.rand(5, 1, 28, 28), torch.zeros(5, dtype=torch.long))
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    with pytest.raises(RuntimeError):
        extract(model, torch.rand(5, 3, 28, 28), torch.zeros(5, dtype=torch.long))
    assert [module.training for module in model.modules()] == modes
    assert not model.head._forward_hooks


def test_extract_works_on_a_network_of_another_kind():
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    seen = extract(network, torch.rand(6, 1, 4, 4), torch.zeros(6, dtype=torch.long), head=network[3])
    assert seen.features.shape == (6, 8)
    assert torch.allclose(network[3](seen.features), seen.logits)


def test_refreshed_statistics_are_those_of_the_images(model):
    images = torch.rand(60, 1, 28, 28)
    refresh_statistics(model, images, batch_size=20)
    first = model.body[1]
    seen = model.body[0]((images - model.mean) / model.std)
    assert torch.allclose(first.running_mean, seen.mean(dim=(0, 2, 3)), atol=1e-5)
    assert not model.training
    assert first.momentum == 0.1


def test_misuse_is_named(model):
    with pytest.raises(SoftlabError, match="as many labels as images"):
        extract(model, torch.rand(2, 1, 28, 28), torch.zeros(3, dtype=torch.long))
    with pytest.raises(SoftlabError, match="at least one"):
        extract(model, torch.rand(0, 1, 28, 28), torch.zeros(0, dtype=torch.long))
