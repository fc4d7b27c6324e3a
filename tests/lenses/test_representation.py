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


class Returns(torch.nn.Module):
    """A network whose logits come wrapped."""

    def __init__(self, network, wrap):
        super().__init__()
        self.network = network
        self.head = network.head
        self.wrap = wrap

    def forward(self, images):
        return self.wrap(self.network(images))


IMAGES = torch.linspace(0, 1, 6 * 28 * 28).reshape(6, 1, 28, 28)
LABELS = torch.arange(6) % 4


@pytest.mark.parametrize(
    "wrap",
    [
        lambda z: (z, z.square()),
        lambda z: {"logits": z, "scaled": 30 * z},
        lambda z: [{"y": z}],
        lambda z: z[:, :, None],
    ],
)
def test_extract_takes_what_networks_return(model, wrap):
    assert torch.equal(extract(Returns(model, wrap), IMAGES, LABELS).logits, extract(model, IMAGES, LABELS).logits)


@pytest.mark.parametrize(
    "wrap",
    [lambda z: (30 * z, z.square()), lambda z: {"logits": 30 * z, "z": z}, lambda z: z[:, :3], lambda z: z.argmax(1)],
)
def test_extract_refuses_logits_that_are_not_those_of_the_head(model, wrap):
    with pytest.raises(SoftlabError, match="returns other logits than its head gives"):
        extract(Returns(model, wrap), IMAGES, LABELS)


@pytest.mark.filterwarnings("ignore:.*jit:FutureWarning")
def test_what_extract_cannot_look_into_is_one_line(model):
    convolution = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 28), torch.nn.Flatten())
    batch = torch.nn.Sequential(torch.nn.BatchNorm2d(1, track_running_stats=False), torch.nn.Flatten())
    for network, options, message in (
        (lambda images: images, {}, "must be a torch.nn.Module, not function"),
        (torch.jit.trace(model.eval(), IMAGES), {}, "scripted or traced"),
        (convolution, {}, "has no part called `head`: name the layer"),
        (convolution, {"head": convolution[0]}, r"is given \(N, 1, 28, 28\) .* not features \(N, D\)"),
        (model, {"head": torch.nn.Linear(4, 4)}, "is given a NoneType of no tensor"),
        (batch, {"head": batch[1]}, "'0' keeps no running statistics"),
    ):
        with pytest.raises(SoftlabError, match=message) as caught:
            extract(network, IMAGES, LABELS, **options)
        assert "\n" not in str(caught.value)


def test_extract_refuses_pixels_that_are_normalised_or_not_divided(model):
    for wrong, message in ((2 * IMAGES - 1, "reach from -1 to"), (255 * IMAGES, "divide those of 0 to 255")):
        with pytest.raises(SoftlabError, match=message):
            extract(model, wrong, LABELS)
    near = IMAGES.clone()
    near[0, 0, 0, 0] = -3e-8
    near[5, 0, 27, 27] = 1 + 2e-7
    assert torch.equal(extract(model, near, LABELS).logits, extract(model, IMAGES, LABELS).logits)
