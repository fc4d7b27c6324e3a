"""Any network, examined: its head is found or asked for, it stays untouched, and all lenses are applied to it."""

import collections
import copy
import dataclasses
import json
import re

import numpy as np
import pandas
import pytest
import safetensors.torch
import torch
import torchvision
from PIL import Image
from torch import nn

import softlab
from softlab import SoftlabError, cli, examine, representation
from softlab.inspector import foreign, heads, network_files, pages
from softlab.inspector import pictures as pictures_of
from softlab.inspector.comparison import compare
from softlab.inspector.examination import Examination
from softlab.lenses import attacks
from softlab.numbers.look import applied, together
from softlab.numbers.quantities import LENSES, QUANTITIES, Look, Samples
from softlab.representation import Representation
from softlab.training.data import split_test

CLASSES = 4
SIDE = 6
FEW = {"attacked": 4, "steps": 2}


def pictures(number=80, classes=CLASSES, channels=3, seed=0):
    """uint8 images, each class with a bright quarter of its own, and labels."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(number) % classes
    images = torch.randint(0, 120, (number, channels, SIDE, SIDE), generator=generator)
    half = SIDE // 2
    for image, label in zip(images, labels % 4, strict=True):
        row, column = divmod(int(label), 2)
        image[:, row * half : (row + 1) * half, column * half : (column + 1) * half] += 110
    return images.to(torch.uint8), labels


def mlp(channels=3, classes=CLASSES, width=8):
    torch.manual_seed(1)
    size = channels * SIDE * SIDE
    return nn.Sequential(nn.Flatten(), nn.Linear(size, width), nn.ReLU(), nn.Linear(width, classes))


def fitted(model, images, labels, steps=60):
    """The same model after a little training."""
    optimizer = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(images.float() / 255), labels).backward()
        optimizer.step()
    return model


class Heads(nn.Module):
    """A body and two heads; what it returns is for each test to say."""

    def __init__(self, returned):
        super().__init__()
        torch.manual_seed(2)
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 8), nn.ReLU())
        self.fc = nn.Linear(8, CLASSES)
        self.auxiliary = nn.Linear(8, CLASSES)
        self.unused = nn.Linear(8, CLASSES)
        self.returned = returned

    def forward(self, images):
        return self.returned(self, self.body(images))


def state(model):
    """Everything about a model that examining it could change, to be compared by ==."""
    tensors = list(model.state_dict().values()) + [one.grad for one in model.parameters()]
    values = [one if one is None else (one.dtype, one.device, one.tolist()) for one in tensors]
    flags = [one.requires_grad for one in model.parameters()], [one.training for one in model.modules()]
    hooks = [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in model.modules()]
    return values, flags, hooks, list(map(id, model.modules())), list(map(id, model.parameters()))


# The head is found


@pytest.mark.parametrize(
    ("returned", "head"),
    [
        (lambda net, f: net.fc(f), "fc"),
        (lambda net, f: (net.auxiliary(f), net.fc(f))[1], "fc"),
        (lambda net, f: (net.fc(f), net.auxiliary(f))[0], "fc"),
        (lambda net, f: net.fc(f).clone(), "fc"),
        (lambda net, f: net.fc(f)[:, :, None].flatten(1), "fc"),
        (lambda net, f: (net.fc(-f), net.fc(f))[1], "fc"),  # used twice; the last is what counts
    ],
)
def test_the_head_is_the_layer_whose_output_is_the_models(returned, head):
    assert examine(Heads(returned), *pictures(), **FEW).head == head


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda net, f: (net.fc(f), net.auxiliary(f)), r"head=…: .*'fc' \(4 classes\), 'auxiliary' \(4 classes\)"),
        (lambda net, f: {"a": net.fc(f), "b": net.auxiliary(f)}, r"head=…: .*; or the output, output=…: 'a', 'b'"),
        (lambda net, f: net.fc(f).softmax(1), r"no linear layer gives .* head=…: .*'fc' \(4 classes\)"),
        (lambda net, f: net.fc(f) + net.auxiliary(f), "no linear layer gives the model's logits, W f [+] b"),
        (
            lambda net, f: -net.fc(f),
            "softlab needs a layer that does: the model returns .N, 4. from .* gives .N, 4. from",
        ),
    ],
)
def test_where_no_layer_gives_the_output_one_line_says_what_to_name(returned, message):
    with pytest.raises(SoftlabError, match=message) as caught:
        examine(Heads(returned), *pictures(), **FEW)
    assert "\n" not in str(caught.value)
    assert "unused" not in str(caught.value)


VECTOR = torch.tensor([1.0, 0.0, -1.0, 0.5])


@pytest.mark.parametrize(
    ("returned", "factor", "vector"),
    [
        (lambda net, f: 30 * net.fc(f), 30, 0),  # a logit scale
        (lambda net, f: net.fc(f) / 9, 1 / 9, 0),
        (lambda net, f: net.fc(f).mul_(2), 2, 0),  # in place
        (lambda net, f: net.fc(f) + VECTOR, 1, VECTOR),
        (lambda net, f: 5 * net.fc(f) + VECTOR, 5, VECTOR),
    ],
)
def test_a_factor_and_a_vector_after_the_head_are_folded_in_and_said(returned, factor, vector):
    images, labels = pictures()
    model = Heads(returned)
    logits = model(images / 255)
    for head in ("fc", None):
        found = examine(model, images, labels, head=head, **FEW)
        scored = split_test(labels)[1]
        torch.testing.assert_close(found.tested.logits, logits[scored].detach())
        adapted = foreign.adapt(model, images, head, [0.0], [1.0])
        torch.testing.assert_close(adapted.head.weight, factor * model.fc.weight.detach())
        torch.testing.assert_close(adapted.head.bias, factor * model.fc.bias.detach() + vector)
        (note,) = found.notes
        assert ("times what the layer 'fc' gives" in note) == (factor != 1)
        assert ("plus a vector" in note) == isinstance(vector, torch.Tensor)
        assert note in found.findings()
    assert model.fc.weight.abs().max() < 1  # the model itself is untouched


def test_beside_features_the_factor_is_found_too():
    images, labels = pictures()
    scaled = examine(Heads(lambda net, f: 30 * net.fc(f)), images, labels, **FEW)
    found = examine(Heads(lambda net, f: {"y": 30 * net.fc(f), "f": f}), images, labels, head="fc", **FEW)
    torch.testing.assert_close(found.tested.logits, scaled.tested.logits)


@pytest.mark.parametrize(
    "returned",
    [
        lambda net, f: -net.fc(f),
        lambda net, f: 0 * net.fc(f),
        lambda net, f: 5 * net.fc(f).tanh(),
        lambda net, f: net.fc(f) * f.norm(dim=1, keepdim=True),  # a factor for each image
        lambda net, f: net.fc(f)[:, :3],
        lambda net, f: net.fc(f).sigmoid(),
        lambda net, f: net.fc(f).argmax(1),
        lambda net, f: torch.tensor([1.0, 2.0, 3.0, 4.0]) * net.fc(f),  # by class, as a normalisation behind the head
        lambda net, f: (30 * net.fc(f)).softmax(1),
        lambda net, f: (200 * net.fc(f)).softmax(1),  # so sure that most probabilities are 0 or 1
    ],
)
def test_anything_else_after_the_head_is_refused_with_what_both_give(returned):
    with pytest.raises(SoftlabError, match=r"the model returns \(N.*from .*'fc' gives \(N, 4\) from") as caught:
        examine(Heads(returned), *pictures(), head="fc", **FEW)
    assert "\n" not in str(caught.value)


def test_two_outputs_that_could_be_the_logits_are_refused():
    with pytest.raises(SoftlabError, match=r"what the layer 'fc' gives and 30 times what .* cannot tell which"):
        examine(Heads(lambda net, f: (lambda z: (z, 30 * z))(net.fc(f))), *pictures(), head="fc", **FEW)


def test_the_factor_must_hold_for_all_images_not_only_for_those_tried():
    images, labels = pictures(320)
    tried = set(torch.linspace(0, len(images) - 1, foreign.PROBED).long().tolist())
    odd = next(row for row in split_test(labels)[1].tolist() if row not in tried)
    images[:, 0, 0, 0], images[odd, 0, 0, 0] = 0, 255

    class Once(Heads):
        def forward(self, images):
            factor = torch.where(images[:, :1, 0, 0] == 1, 7.0, 30.0)
            return factor * self.fc(self.body(images))

    with pytest.raises(SoftlabError, match="30 times what the layer 'fc' gives on some images, and not on all"):
        examine(Once(None), images, labels, **FEW)


def test_attacks_run_on_the_model_as_it_is():
    images, _ = pictures()
    model = Heads(lambda net, f: (30 * net.fc(f)).clamp(-1e3, 1e3))  # never reached by these images
    adapted = foreign.adapt(model, images, "fc", [0.0], [1.0])
    points = 1e4 * images / 255
    torch.testing.assert_close(adapted(points), model(points))
    assert adapted(points).abs().max() == 1e3


@pytest.mark.parametrize(
    "returned",
    [
        lambda net, f: (net.auxiliary(f), net.fc(f)),
        lambda net, f: {"y": net.fc(f)},
        lambda net, f: net.fc(f).softmax(1),
    ],
)
def test_a_named_head_gives_the_logits_whatever_the_model_returns(returned):
    images, labels = pictures()
    plain = examine(Heads(lambda net, f: net.fc(f)), images, labels, **FEW)
    model = Heads(returned)
    for head in ("fc", model.fc):
        found = examine(model, images, labels, head=head, **FEW)
        assert found.head == "fc"
        assert found.numbers == plain.numbers


@pytest.mark.parametrize(
    ("head", "message"),
    [
        ("auxilary", "unknown linear layer 'auxilary'; did you mean 'auxiliary'"),
        ("body", "unknown linear layer 'body'.*allowed: .*fc"),
        ("unused", "the layer 'unused' does not give the model's logits.*'fc'"),
        (nn.Linear(8, 4), "unknown linear layer 'Linear"),
    ],
)
def test_a_head_that_cannot_be_is_named(head, message):
    with pytest.raises(SoftlabError, match=message):
        examine(Heads(lambda net, f: net.fc(f)), *pictures(), head=head, **FEW)
    with pytest.raises(SoftlabError, match="the layer 'fc' does not give"):  # used twice, of which one is lost
        examine(Heads(lambda net, f: net.fc(f) + net.fc(f.square())), *pictures(), head="fc", **FEW)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Conv2d(3, CLASSES, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), "softlab needs a layer that"),
        (nn.Sequential(nn.Flatten(2), nn.Linear(SIDE * SIDE, CLASSES)), "W f [+] b in a row for each image; softlab"),
        (nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1)), "softlab needs a layer that does"),
        (nn.Sequential(nn.Flatten(), nn.Linear(108, CLASSES), nn.Softmax(1)), "head=…: '1' [(]4 classes[)]"),
        (lambda images: images, "must be a torch.nn.Module, not function"),
    ],
)
def test_models_without_a_linear_head_are_refused_in_one_line(model, message):
    with pytest.raises(SoftlabError, match=message):
        examine(model, *pictures(), **FEW)


# Where nobody has to be asked


@dataclasses.dataclass
class Output:
    """As Hugging Face's: `loss` may be None, and logits are called so."""

    logits: torch.Tensor
    loss: torch.Tensor | None = None
    hidden_states: tuple[torch.Tensor, ...] | None = None


Named = collections.namedtuple("Named", ["features", "scores"])


@pytest.mark.parametrize(
    ("returned", "place"),
    [
        (lambda net, f: Output(net.fc(f), hidden_states=(f, net.auxiliary(f))), "logits"),
        (lambda net, f: {"logits": net.fc(f), "auxiliary": net.auxiliary(f)}, "logits"),
        (lambda net, f: collections.OrderedDict(out=net.fc(f), features=f), "out"),
        (lambda net, f: (f, net.fc(f)), "1"),
        (lambda net, f: [{"y": net.fc(f)}, f], "0.y"),
        (lambda net, f: Named(f, net.fc(f)), "scores"),
    ],
)
def test_an_output_called_logits_or_the_only_one_is_taken_and_said(returned, place):
    images, labels = pictures()
    plain = examine(Heads(lambda net, f: net.fc(f)), images, labels, **FEW)
    found = examine(Heads(returned), images, labels, **FEW)
    assert (found.head, found.numbers) == ("fc", plain.numbers)
    assert f"{place!r} was taken for its logits" in found.findings()[-1]


@pytest.mark.parametrize(
    ("returned", "output", "head"),
    [
        (lambda net, f: {"a": net.fc(f), "b": net.auxiliary(f)}, "b", "auxiliary"),
        (lambda net, f: (net.fc(f), net.auxiliary(f)), 1, "auxiliary"),
        (lambda net, f: {"all": [net.fc(f), net.auxiliary(f)]}, "all.0", "fc"),
        (lambda net, f: {"logits": net.fc(f), "y": 30 * net.auxiliary(f)}, "y", "auxiliary"),
        (lambda net, f: {"p": net.fc(f).softmax(1), "f": f}, "p", "fc"),
    ],
)
def test_a_named_output_is_taken(returned, output, head):
    assert examine(Heads(returned), *pictures(), output=output, **FEW).head == head


@pytest.mark.parametrize(
    ("returned", "output", "message"),
    [
        (lambda net, f: {"scores": net.fc(f)}, "score", "unknown output 'score'; did you mean 'scores'"),
        (lambda net, f: net.fc(f), "logits", "nothing with a name: leave output='logits' out"),
        (lambda net, f: {"a": [f, f], "b": [f, net.fc(f)]}, "1", "unknown output '1'; .*a.0, a.1, b.0, b.1"),
        (lambda net, f: {"a": f, "b": net.fc(f)}, "a", "no linear layer gives the model's logits"),
    ],
)
def test_an_output_that_cannot_be_is_named(returned, output, message):
    with pytest.raises(SoftlabError, match=message) as caught:
        examine(Heads(returned), *pictures(), output=output, **FEW)
    assert "\n" not in str(caught.value)


def convolutional(*layers):
    torch.manual_seed(4)
    return nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU(), *layers)


@pytest.mark.parametrize(
    ("layers", "head"),
    [
        ([nn.AdaptiveAvgPool2d(1), nn.Conv2d(5, CLASSES, 1), nn.Flatten()], "3"),
        ([nn.AdaptiveAvgPool2d(1), nn.Conv2d(5, CLASSES, 1)], "3"),  # (N, K, 1, 1)
        ([nn.Conv2d(5, CLASSES, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()], "2"),
        ([nn.Conv2d(5, CLASSES, 4, bias=False), nn.Flatten()], "2"),  # as large as its input
    ],
)
def test_a_convolution_gives_the_logits_where_it_is_linear_in_one_feature(layers, head):
    images, labels = pictures()
    model = convolutional(*layers)
    found = examine(model, images, labels, **FEW)
    assert (found.head, found.problems) == (head, {})
    rows = split_test(labels)[1]
    torch.testing.assert_close(found.tested.logits, model(images[rows] / 255).flatten(1).detach())
    weight = model[int(head)].weight.detach().flatten(1)
    bias = model[int(head)].bias
    made = nn.functional.linear(found.tested.features, weight, None if bias is None else bias.detach())
    torch.testing.assert_close(made, found.tested.logits)
    assert any("is a convolution" in text for text in found.findings())


def test_the_feature_of_a_convolution_that_is_averaged_is_its_input_averaged():
    pooled = convolutional(nn.AdaptiveAvgPool2d(1), nn.Conv2d(5, CLASSES, 1), nn.Flatten())
    averaged = nn.Sequential(*pooled[:2], pooled[3], pooled[2], pooled[4])
    images, labels = pictures()
    first, second = (examine(model, images, labels, **FEW) for model in (pooled, averaged))
    torch.testing.assert_close(first.tested.features, second.tested.features)


def test_a_convolution_behind_which_there_is_a_relu_gives_no_logits():
    """As SqueezeNet's."""
    model = convolutional(nn.Conv2d(5, CLASSES, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(SoftlabError, match="softlab needs a layer that does"):
        examine(model, *pictures(), **FEW)


@pytest.mark.filterwarnings("ignore:.*weight_norm.*:FutureWarning")
@pytest.mark.parametrize("wrap", [nn.utils.weight_norm, nn.utils.parametrizations.weight_norm])
@pytest.mark.parametrize("used", [False, True])
def test_a_weight_normed_head_is_a_head(wrap, used):
    """The old one leaves a tensor in the module that copy.deepcopy refuses once the network was used."""
    images, labels = pictures()
    plain = fitted(mlp(), images, labels)
    model = copy.deepcopy(plain)
    model[3] = wrap(model[3])
    if used:
        model(images / 255).sum().backward()
    found = examine(model, images, labels, **FEW)
    assert found.head == "3"
    expected = examine(plain, images, labels, **FEW).numbers
    assert found.numbers == pytest.approx(expected, rel=1e-3, abs=1e-3, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("mobilenet_v3_small", "classifier.3"),
        pytest.param("swin_t", "head", marks=pytest.mark.slow),
        ("resnet18", "fc"),
    ],
)
def test_torchvision_networks_have_their_heads_found(name, head):
    model = torchvision.models.get_model(name, weights=None, num_classes=CLASSES)
    images, labels = pictures(16)
    found = examine(model, images.repeat(1, 1, 6, 6)[:, :, :32, :32], labels, attacked=1, steps=1)
    assert found.head == head
    assert set(found.numbers) == set(QUANTITIES)


def test_a_vision_transformer_has_its_head_found_and_says_which_size_it_takes():
    options = {"patch_size": 8, "num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 16}
    model = torchvision.models.VisionTransformer(image_size=16, num_classes=CLASSES, **options)
    images, labels = pictures(16)
    with pytest.raises(SoftlabError, match=r"fails on images .3, 6, 6.: AssertionError: Wrong image height"):
        examine(model, images, labels)
    images = images.repeat(1, 1, 3, 3)[:, :, :16, :16]
    assert examine(model, images, labels, attacked=1, steps=1).head == "heads.head"


# It stays as it was


class Fragile(nn.Module):
    """Batch normalisation, dropout, half of it frozen; in training mode, with gradients and a hook."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(3)
        self.convolution = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(6 * 16, CLASSES)
        self.convolution.requires_grad_(False)
        self.seen = []

    def forward(self, images):
        self.seen.append(len(images))
        hidden = self.norm(self.convolution(images)).relu()
        return self.fc(self.dropout(hidden.view(len(hidden), -1)))  # a view: only this layout of the memory will do


@pytest.mark.parametrize("broken", [False, True])
def test_the_model_is_bit_for_bit_as_before_also_after_an_error(broken):
    images, labels = pictures()
    model = Fragile().train()
    model.dropout.eval()
    model.fc.register_forward_hook(lambda *_: None)
    model(images.float() / 255).sum().backward()
    before = state(model)
    seen = list(model.seen)
    generator = torch.random.get_rng_state()
    if broken:
        with pytest.raises(SoftlabError, match="classes are 0 to 3, but there are labels"):
            examine(model, images, labels + 1)
    else:
        with torch.inference_mode():
            found = examine(model, images, labels, **FEW)
        assert (found.head, found.problems) == ("fc", {})
    assert state(model) == before
    assert model.seen == seen
    assert torch.equal(torch.random.get_rng_state(), generator)
    assert torch.is_grad_enabled()


def test_a_network_in_training_mode_has_the_numbers_of_evaluation():
    model = Fragile()
    images, labels = pictures()
    trained = examine(model.train(), images, labels, **FEW).numbers
    assert trained == examine(model.eval(), images, labels, **FEW).numbers


def test_inside_inference_mode_attacks_still_have_their_gradients():
    images, labels = pictures()
    model = fitted(mlp(), images, labels)
    outside = examine(model, images, labels, attacked=100, steps=2)
    assert outside.numbers["accuracy"] > 0.9
    assert outside.attacked == len(outside.tested.labels) == 60  # no more than there are
    with torch.inference_mode():
        inside = examine(copy.deepcopy(model), images.clone(), labels.clone(), attacked=100, steps=2)
    assert inside.numbers == pytest.approx(outside.numbers, rel=0, abs=0, nan_ok=True)  # the very same
    assert not inside.problems


def test_a_network_that_draws_in_evaluation_mode_leaves_the_random_numbers_alone():
    class Noisy(nn.Sequential):
        def forward(self, images):
            return super().forward(images + 0.1 * torch.rand_like(images))

    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = examine(Noisy(*mlp()), *pictures(), **FEW)
    assert any("other logits when asked again" in text for text in first.warnings)
    torch.random.set_rng_state(before)
    assert examine(Noisy(*mlp()), *pictures(), **FEW).numbers == first.numbers


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_are_examined_in_single_precision(dtype):
    model = mlp().to(dtype)
    found = examine(model, *pictures(), **FEW)
    assert found.numbers == examine(copy.deepcopy(model).float(), *pictures(), **FEW).numbers
    assert {one.dtype for one in model.parameters()} == {dtype}


def test_a_model_that_cannot_be_copied_is_refused():
    class Uncopied(nn.Sequential):
        def __deepcopy__(self, memo):
            raise TypeError("cannot pickle\n'generator' object")

    with pytest.raises(SoftlabError, match=r"cannot be copied .*TypeError: cannot pickle 'generator' object") as caught:
        examine(Uncopied(*mlp()), *pictures())
    assert "\n" not in str(caught.value)


# Numbers


def test_the_numbers_are_those_of_the_lenses(tiny):
    run = softlab.fit_or_load(tiny)
    dataset = softlab.dataset_of(tiny)
    images = dataset.test_images[:200]
    labels = dataset.test_labels[:200]
    fit, rest = split_test(labels)
    parts = [(images[rows], labels[rows]) for rows in (fit, rest)]
    reference = (dataset.train_images[:100], dataset.train_labels[:100])

    def lenses(reference):
        look = Look(run.model, Samples(reference, *parts, 4, 2))
        return together([applied(lens, look) for lens in LENSES.values()]).values

    found = examine(run.model, images, labels, reference=reference, **FEW)
    assert (len(found.tested.labels), found.fitted, found.attacked, found.head) == (150, 50, 4, "head")
    assert found.numbers == pytest.approx(lenses(reference), rel=1e-4, abs=1e-5)
    own = examine(run.model, images, labels, **FEW)
    assert own.numbers == pytest.approx(lenses(parts[0]), rel=1e-4, abs=1e-5)


def test_a_normalisation_given_is_one_that_the_model_owns():
    images, labels = pictures()
    mean = torch.tensor([0.5, 0.4, 0.3])
    std = torch.tensor([0.2, 0.3, 0.4])

    class Owned(nn.Sequential):
        def forward(self, images):
            return super().forward((images - mean[:, None, None]) / std[:, None, None])

    found = examine(mlp(), images, labels, mean=mean, std=std.tolist(), **FEW)
    assert found.numbers == pytest.approx(examine(Owned(*mlp()), images, labels, **FEW).numbers, rel=1e-5)
    assert found.numbers != examine(mlp(), images, labels, **FEW).numbers


def test_large_images_go_through_in_parts_with_the_same_gradients(monkeypatch):
    images, labels = pictures()
    model = fitted(mlp(), images, labels)
    whole = examine(model, images, labels, **FEW).numbers
    monkeypatch.setattr(representation, "PIXELS", 3 * SIDE * SIDE * 3)  # three images at a time
    sizes = set()
    own = foreign.Adapted.forward
    monkeypatch.setattr(foreign.Adapted, "forward", lambda self, some: sizes.add(len(some)) or own(self, some))
    assert examine(model, images, labels, **FEW).numbers == pytest.approx(whole, rel=1e-5, nan_ok=True)
    assert max(sizes) == 3
    adapted = foreign.adapt(model, images, None, [0.0], [1.0])
    points = (images[:7].float() / 255).requires_grad_()
    adapted(points).logsumexp(1).sum().backward()
    again = points.detach().clone().requires_grad_()
    model(again).logsumexp(1).sum().backward()
    torch.testing.assert_close(points.grad, again.grad)


def test_uint8_and_floats_give_the_same_and_images_of_one_channel_work():
    images, labels = pictures(channels=1)
    model = mlp(channels=1)
    assert examine(model, images, labels, **FEW).numbers == examine(model, images / 255, labels.int(), **FEW).numbers


def test_more_classes_than_are_seen():
    images, labels = pictures()
    found = examine(fitted(mlp(classes=30), images, 7 * labels), images, 7 * labels, **FEW)
    assert not found.problems
    assert set(found.numbers) == set(QUANTITIES)
    # At a temperature for which every image is right no gradient is left, and nothing points anywhere.
    lacking = {name for name, value in found.numbers.items() if not np.isfinite(value)}
    assert lacking <= {"inward, gradient at T", "inward, gradient at T, row space", "confidence when wrong"}


def test_a_network_that_is_always_right_and_one_that_says_always_the_same():
    images, labels = pictures()
    sure = fitted(mlp(), images, labels, 300)
    found = examine(sure, images, labels, **FEW)
    assert found.numbers["accuracy"] == 1
    assert not any("confidence" in text and "right from wrong" in text for text in found.findings())
    constant = mlp()
    nn.init.zeros_(constant[3].weight)
    found = examine(constant, images, labels, **FEW)
    assert "no better than chance" in found.findings()[0]
    assert set(found.problems) == {"cones", "cosines", "on_fit", "variation"}
    assert any(text.startswith("Not computed (cones)") for text in found.findings())
    assert "Not computed (cosines)" in found._repr_html_()


# Pixels, and answers, that would make every number wrong


MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def shades(number=160):
    """Grey images of four shades, a class each; with the normalisation of ImageNet they lie on both sides of 0."""
    labels = torch.arange(number) % CLASSES
    noise = torch.randint(0, 20, (number, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    return (noise + 60 * labels[:, None, None, None]).to(torch.uint8), labels


def knows_shades(prepared=lambda images: images):
    """A network that is right on `shades`, of which its own `prepared` makes the pixels that it was trained on."""
    images, labels = shades()
    torch.manual_seed(0)
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), 0.05)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(prepared(images / 255)), labels).backward()
        optimizer.step()
    return model


@pytest.mark.parametrize(
    ("prepared", "words"),
    [
        (lambda x: (x - MEAN) / STD, "with mean 0.485, 0.456, 0.406 and std 0.229, 0.224, 0.225 .that of ImageNet."),
        (lambda x: 2 * x - 1, "with mean 0.5 and std 0.5 .pixels from -1 to 1."),
        (lambda x: (x - 0.39) / 0.264, "with mean 0.39, .* and std 0.26.* .that of these images."),
    ],
)
def test_a_network_trained_on_normalised_images_and_given_others_says_so(prepared, words):
    images, labels = shades()
    found = examine(knows_shades(prepared), images, labels, attacked=0)
    assert found.numbers["accuracy"] < 0.9
    (text,) = [one for one in found.warnings if "it would be right on" in one]
    assert re.match(words, text)
    assert f"Warning: {text}." in found.findings()


def test_with_its_own_normalisation_nothing_is_said_and_with_one_too_many_it_is():
    images, labels = shades()
    mean = MEAN.flatten()
    std = STD.flatten()
    right = examine(knows_shades(lambda x: (x - MEAN) / STD), images, labels, mean=mean, std=std, attacked=0)
    assert right.numbers["accuracy"] == 1
    assert not any("would be right" in one for one in right.warnings)
    twice = examine(knows_shades(), images, labels, mean=mean, std=std, attacked=0)
    assert any("with mean 0 and std 1 (pixels as they are) it would be right on 100 %" in one for one in twice.warnings)


def test_a_network_that_divides_by_255_itself_says_so_on_pixels_that_were_divided():
    class Divides(nn.Sequential):
        def forward(self, images):
            return super().forward(images / 255)

    found = examine(Divides(*knows_shades()), *shades(), attacked=0)
    assert found.numbers["accuracy"] == 0.25
    said = "with mean 0 and std 0.00392 (pixels from 0 to 255) it would be right on 100 % of 40 images for fitting"
    assert any(one.startswith(said) for one in found.warnings)


def test_red_and_blue_swapped_is_seen():
    """Classes are red, green, blue and dark: of images that another library has read, half are taken for others."""
    labels = torch.arange(160) % CLASSES
    images = torch.randint(0, 60, (160, 3, SIDE, SIDE), generator=torch.Generator().manual_seed(0))
    for channel in range(3):
        images[labels == channel, channel] += 120
    images = images.to(torch.uint8)
    model = fitted(mlp(), images, labels)
    assert not any("swapped" in one for one in examine(model, images, labels, attacked=0).warnings)
    swapped = examine(model, images.flip(1), labels, attacked=0)
    assert swapped.numbers["accuracy"] == 0.5
    assert any("with red and blue swapped it would be right on 100 %" in one for one in swapped.warnings)


def test_what_is_outside_by_rounding_is_taken_for_the_end():
    images, labels = pictures()
    images[0, 0, 0, 0] = 0
    images[1, 0, 0, 0] = 255
    model = fitted(mlp(), images, labels)
    plain = examine(model, images / 255, labels, **FEW).numbers
    below = images / 255
    below[0, 0, 0, 0] = -3e-8
    above = images / 255
    above[1, 0, 0, 0] = 1 + 3e-7
    for pixels in (below, above, below.double()):
        assert examine(model, pixels, labels, **FEW).numbers == pytest.approx(plain, nan_ok=True, abs=1e-9)
    half = ((images / 255 - MEAN) / STD).bfloat16() * STD.bfloat16() + MEAN.bfloat16()
    assert half.min() < 0, "as people's are who undo a normalisation in half precision"
    assert examine(model, half, labels, **FEW).numbers["accuracy"] == plain["accuracy"]


class Together(nn.Module):
    """Tells shades by what batch normalisation makes of them, with the statistics of the batch."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm
        self.fc = nn.Linear(3, CLASSES)
        means = torch.linspace(-1.35, 1.35, CLASSES)[:, None].expand(-1, 3)  # what the four shades are, normalised
        self.fc.weight.data = means.clone()
        self.fc.bias.data = -means.square().sum(1) / 2

    def forward(self, images):
        return self.fc(self.norm(images.mean((2, 3), keepdim=True)).flatten(1))


class Hidden(nn.Module):
    """As a normalisation does that its author calls in training mode."""

    def forward(self, images):
        return nn.functional.batch_norm(images, None, None, training=True)


@pytest.mark.parametrize(
    ("norm", "message"),
    [
        (nn.BatchNorm2d(3, track_running_stats=False), "'norm' keeps no running statistics"),
        (nn.SyncBatchNorm(3, track_running_stats=False), "'norm' keeps no running statistics"),
        (Hidden(), "otherwise alone than in a batch"),
    ],
)
def test_a_network_whose_answers_depend_on_the_batch_is_refused(norm, message):
    images, labels = shades()
    model = Together(norm).eval()
    if not isinstance(norm, nn.SyncBatchNorm):  # which takes a GPU
        together = model(images / 255).argmax(1)
        alike = torch.cat([model(image.expand(2, -1, -1, -1))[:1] for image in (images / 255).split(1)]).argmax(1)
        assert (together == labels).float().mean() > 0.95
        assert (alike == labels).float().mean() < 0.3
    for ask in (lambda: examine(model, images, labels), lambda: attacks.pgd(model, images, labels, 1 / 255)):
        with pytest.raises(SoftlabError, match=message) as caught:
            ask()
        assert "\n" not in str(caught.value)


def test_a_network_that_draws_says_so_also_without_attacks():
    class Dropped(nn.Sequential):
        def forward(self, images):
            return super().forward(nn.functional.dropout(images, 0.3, training=True))

    found = examine(Dropped(*mlp()), *pictures(), attacked=0)
    assert any("other logits when asked again" in one for one in found.warnings)


def test_one_that_is_sure_and_no_better_than_chance_hears_of_pixels():
    half = [True, False] * 100
    assert "was trained on other pixels" in findings([0.99] * 200, half)[0]
    assert "other pixels" not in findings([0.6] * 200, [True] * 100 + [False] * 100)[0]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_probabilities_in_half_precision_are_probabilities(dtype):
    """Of a thousand classes they sum to .998 in bfloat16."""
    images, _ = pictures()
    torch.manual_seed(0)
    plain = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 1000))

    class Halved(nn.Module):
        def __init__(self):
            super().__init__()
            self.plain = plain

        def forward(self, pixels):
            return (self.plain(pixels).softmax(1)).to(dtype)

    adapted = foreign.adapt(Halved(), images, "plain.1", [0.0], [1.0])
    with torch.no_grad():
        torch.testing.assert_close(adapted(images / 255), plain(images / 255))


# Findings


def findings(confidences, right, **changes):
    """Sentences about two-class predictions of these confidences, of which `right` say which are right."""
    confidence = torch.tensor(confidences)
    right = torch.tensor(right)
    logits = torch.stack([(confidence / (1 - confidence)).log(), torch.zeros(len(confidence))], 1)
    labels = (~right).long()
    numbers = {"ECE": 0.1, "temperature": 2.0, "ECE at T": 0.02, "accuracy": float(right.float().mean())} | changes
    tested = Representation(torch.ones(len(labels), 2), logits, labels)
    return Examination("Net", "fc", numbers, {}, (), 50, 10, tested).findings()


@pytest.mark.parametrize(
    ("confidences", "right", "changes", "words"),
    [
        ([0.9] * 200, [True] * 120 + [False] * 80, {"ECE": 0.3}, r"^Overconfident.*30.0 ±.*2.00.*30.0 % to 2.0 %"),
        ([0.6] * 200, [True] * 180 + [False] * 20, {"ECE": 0.3}, r"^Underconfident.*-30.0 ± "),
        ([0.8] * 200, [True] * 160 + [False] * 40, {"ECE": 0.01}, r"1.0 %\.$"),
        ([0.9] * 200, [True] * 120 + [False] * 80, {"ECE": 0.3, "ECE at T": 0.31}, "No temperature mends"),
        (
            [0.9] * 100 + [0.6] * 100,
            [True] * 60 + [False] * 40 + [True] * 90 + [False] * 10,
            {"ECE": 0.3},
            "^Over- and underconfident",
        ),
    ],
)
def test_what_is_said_of_calibration_follows_its_numbers(confidences, right, changes, words):
    assert re.search(words, findings(confidences, right, **changes)[1])


def test_the_interval_over_images_is_that_of_the_mean():
    text = findings([0.9] * 200, [True] * 120 + [False] * 80, ECE=0.3)[1]
    mean, half = map(float, re.search(r"by (\d+\.\d) ± (\d+\.\d) points", text).groups())
    assert mean == 30
    assert half == pytest.approx(2 * 100 * (0.24 / 200) ** 0.5, rel=0.03)


def test_a_confidence_may_tell_right_from_wrong_and_an_accuracy_may_be_chance():
    told = findings([0.95] * 320 + [0.6] * 80, ([True] * 15 + [False]) * 20 + [True] * 20 + [False] * 60)[2]
    assert re.match(r"Its confidence tells right from wrong: it is 92.\d % where it is right and 6\d.\d %", told)
    assert "hardly" in findings([0.9] * 200, [True] * 120 + [False] * 80)[2]  # all are equally confident
    assert "hardly" in findings([0.6] * 160 + [0.95] * 40, [True] * 150 + [False] * 50)[2]  # surer where it is wrong
    assert "chance" in findings([0.9] * 200, [True] * 100 + [False] * 100)[0]


def test_how_sure_how_steep_and_how_far_is_said_in_a_line_each():
    """A margin of 3 in logits 6 long, 510 a pixel steep: 2 for each 1/255, so that the border is 1.5/255 away."""
    logs = {"log margin": 3, "log length": 6, "log slope": 510, "log first-order radius": 1.5 / 255}
    numbers = {name: float(np.log(value)) for name, value in logs.items()}
    numbers |= {f"estimate, {reach}/255": 0.6 - reach / 20 for reach in (0.4, 1, 2, 4, 8)}
    (text,) = [one for one in findings([0.9] * 20, [True] * 12 + [False] * 8, **numbers) if one.startswith("How sure")]
    assert "typically 3 above the second, 0.50 times the length of its logits" in text
    assert "takes 2 off that for every 1/255" in text
    assert "typically 1.5/255 away" in text
    assert "58.0 % at 0.4/255, 55.0 % at 1/255, 50.0 % at 2/255, 40.0 % at 4/255, 20.0 % at 8/255" in text
    flat = findings([0.9] * 20, [True] * 12 + [False] * 8, **numbers | {"log slope": float(np.log(1e-9))})
    assert not any("How sure" in one for one in flat)


# Wrong input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, y: {"images": (x.float() / 255 - 0.5) / 0.25}, r"they reach from -2 to .*mean=… and std=…"),
        (
            lambda x, y: {"images": (x / 255).index_fill(0, torch.tensor(3), torch.nan)},
            "image 3 has pixels .* from nan",
        ),
        (lambda x, y: {"images": x / 255 - 1e-3}, "image 0 has pixels outside"),
        (lambda x, y: {"images": x / 255 / 255}, "all images are black, .*divided by 255 twice"),
        (lambda x, y: {"images": (x / 255).byte()}, "all images are black, .*turned into bytes"),
        (lambda x, y: {"model": torch.jit.trace(mlp(), x[:2] / 255)}, "scripted or traced.*that it was made from"),
        (lambda x, y: {"model": type(mlp())}, "must be a torch.nn.Module, not type"),
        (lambda x, y: {"images": x.long()}, "must be uint8, or floats in .*int64"),
        (lambda x, y: {"images": x[0]}, r"images must be \(N, C, H, W\) with N > 0, not \(3, 6, 6\)"),
        (lambda x, y: {"images": x[:0], "labels": y[:0]}, r"not \(0, 3, 6, 6\)"),
        (lambda x, y: {"images": x[:, :1]}, "fails on images .1, 6, 6.: RuntimeError: .*mat1 and mat2"),
        (
            lambda x, y: {"labels": y[1:]},
            r"^labels must be whole numbers \(80,\), one for each image, not torch.int64 \(79,\)",
        ),
        (lambda x, y: {"labels": y.float()}, "^labels must be whole numbers .*, not torch.float32"),
        (lambda x, y: {"labels": nn.functional.one_hot(y)}, r"\(80, 4\)"),
        (lambda x, y: {"labels": y + 1}, r"classes are 0 to 3, but there are labels \[4\]"),
        (lambda x, y: {"labels": y - 1}, r"labels \[-1\]"),
        (lambda x, y: {"labels": torch.zeros_like(y)}, "80 images of 1 classes are too few: at least two classes"),
        (lambda x, y: {"images": x[:15], "labels": y[:15]}, "15 images of 4 classes are too few: .*4 images of each"),
        (lambda x, y: {"reference": (x[:16], y[:16] + 4)}, r"classes are 0 to 3, but there are labels \[4, 5, 6\]"),
        (lambda x, y: {"reference": (x[:4], y[:4])}, "4 images of 4 classes are too few"),
        (lambda x, y: {"mean": [0.5] * 2}, r"must be \(3,\)"),
        (lambda x, y: {"mean": [0.5] * 3, "std": [0.5, 0, 0.5]}, "std above 0"),
        (lambda x, y: {"mean": [123.675, 116.28, 103.53]}, r"those of pixels in \[0, 1\], .* not .*by 255"),
        (lambda x, y: {"mean": [0.485] * 3, "std": [58.395] * 3}, r"those of pixels in \[0, 1\], .*58.395.*by 255"),
        (lambda x, y: {"mean": [-0.5]}, r"those of pixels in \[0, 1\], .*not \[-0.5\]"),
    ],
)
def test_wrong_input_is_one_line(change, message):
    images, labels = pictures()
    with pytest.raises(SoftlabError, match=message) as caught:
        examine(**{"model": mlp(), "images": images, "labels": labels, **FEW} | change(images, labels))
    assert "\n" not in str(caught.value)


def test_logits_that_are_not_finite_are_named():
    model = mlp()
    with torch.no_grad():
        model[3].bias[1] = torch.nan
    with pytest.raises(SoftlabError, match="the network is broken: some of its logits are not finite"):
        examine(model, *pictures())


def test_a_comparison_passes_on_what_its_networks_warn_of():
    images, labels = shades()
    normed = examine(knows_shades(lambda x: 2 * x - 1), images, labels, attacked=0)
    plain = examine(knows_shades(), images, labels, attacked=0)
    said = compare({"plain": [plain], "normed": [normed]}).findings()
    assert any(one.startswith("Warning, normed: with mean 0.5 and std 0.5") for one in said)


# Pages and the command


def test_a_page_is_self_contained_and_what_it_is_given_is_escaped(tmp_path):
    hostile = type("<script>alert(1)</script>", (nn.Sequential,), {})
    found = examine(hostile(*mlp()), *pictures(), **FEW)
    path = found.save(tmp_path / "deep" / "page.html")
    text = path.read_text(encoding="utf-8")
    assert "<script" not in text
    assert len(found.table()) == len(QUANTITIES)
    assert "&lt;script&gt;" in text
    assert not re.search(r"(https?:)?//[a-z]", re.sub(r"base64,[^\"]*", "", text))
    assert re.search(r'<img alt="[^"]+" src="data:image/png;base64,', text)
    assert [name.name for name in path.parent.iterdir()] == ["page.html"]
    with pytest.raises(SoftlabError, match=r"ends in .html"):
        found.save(tmp_path / "page.txt")


def test_long_entries_of_a_table_are_not_cut():
    text = pages.to_html([pandas.DataFrame({"<b>": ["x" * 200, "&"]})])
    assert "x" * 200 in text
    assert "&lt;b&gt;" in text
    assert "<td>&amp;</td>" in text


def softlab_command(*arguments):
    """Run the command in this process; returns its exit code."""
    try:
        cli.main(list(map(str, arguments)))
    except SystemExit as end:
        return end.code
    return 0


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """A folder with the weights of a small network and images of two sizes, one of them grey."""
    folder = tmp_path_factory.mktemp("given")
    torch.manual_seed(0)
    model = torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=2)
    safetensors.torch.save_file(model.state_dict(), folder / "net.safetensors")
    images, _ = pictures(16, classes=2)
    for number, image in enumerate(images.numpy()):
        path = folder / "images" / ("cat", "dog")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image[0]) if number == 0 else Image.fromarray(image.transpose(1, 2, 0))
        picture.resize((32 + 4 * (number == 1),) * 2).save(path)
    return folder


def options(given, **changes):
    chosen = {"--architecture": "mobilenet_v3_small", "--images": given / "images", "--size": 32} | changes
    weights = chosen.pop("weights", given / "net.safetensors")
    return ["examine", weights, *(part for key, value in chosen.items() if value for part in (key, value))]


def test_the_command_reads_weights_and_images_and_writes_a_page(given, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert softlab_command(*options(given), "--mean", 0.5, 0.5, 0.5, "--std", 0.2, 0.2, 0.2) == 0
    said = capsys.readouterr().out
    assert said.startswith("Right on ")
    assert "net.examination.html" in said
    assert (tmp_path / "net.examination.html").stat().st_size > 10_000
    assert "MobileNetV3" in (tmp_path / "net.examination.html").read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--architecture": "mobilenet_v3_smal"}, "did you mean 'mobilenet_v3_small'"),
        ({"--architecture": "resnet18"}, "net.safetensors does not fit resnet18: "),
        ({"--images": "/nowhere/images"}, "has no folder 'images'"),
        ({"--size": None}, "but the images before it are (3, 32, 32)"),
        ({"--head": "classifier.4"}, "did you mean 'classifier.3'"),
        ({"weights": "nowhere.safetensors"}, "nowhere.safetensors cannot be read"),
        ({"weights": "net.pth"}, "net.pth cannot be read as safetensors: "),
    ],
)
def test_misuse_of_the_command_is_one_line_and_exit_code_2(given, changes, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save(nn.Linear(1, 1), "net.pth")
    assert softlab_command(*options(given, **changes)) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def test_weights_are_compared_with_the_architecture(given, capsys, tmp_path):
    tensors = safetensors.torch.load_file(given / "net.safetensors")
    wide = dict(tensors)
    wide["classifier.3.weight"], wide["classifier.3.bias"] = torch.zeros(5, 1024), torch.zeros(5)
    wide["extra"] = torch.zeros(2)
    del wide["features.0.1.bias"]
    safetensors.torch.save_file(wide, tmp_path / "wide.safetensors")
    assert softlab_command(*options(given, weights=tmp_path / "wide.safetensors")) == 2
    said = capsys.readouterr().err
    assert 'Missing key(s) in state_dict: "features.0.1.bias"' in said
    assert 'Unexpected key(s) in state_dict: "extra"' in said
    wide["features.0.1.bias"] = tensors["features.0.1.bias"]
    del wide["extra"]
    safetensors.torch.save_file(wide, tmp_path / "wide.safetensors")
    assert softlab_command(*options(given, weights=tmp_path / "wide.safetensors")) == 2
    assert "the network has 5 classes" in capsys.readouterr().err
    (tmp_path / "text.safetensors").write_text("no tensors")
    assert softlab_command(*options(given, weights=tmp_path / "text.safetensors")) == 2
    assert "cannot be read as safetensors" in capsys.readouterr().err


def test_what_torch_does_without_may_be_missing(given, tmp_path):
    tensors = safetensors.torch.load_file(given / "net.safetensors")
    architecture = network_files.architecture_of("mobilenet_v3_small")
    counted = {name: one for name, one in tensors.items() if not name.endswith("num_batches_tracked")}
    assert len(counted) < len(tensors)
    safetensors.torch.save_file(counted, tmp_path / "few.safetensors")
    loaded = network_files.network_of(tmp_path / "few.safetensors", architecture).model.state_dict()
    assert all(torch.equal(loaded[name], one) for name, one in counted.items())
    model = torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=2)
    model.load_state_dict(counted)  # torch's own strict loading, the peer
    del counted["classifier.0.bias"]
    safetensors.torch.save_file(counted, tmp_path / "fewer.safetensors")
    with pytest.raises(SoftlabError, match=r'few.*: Missing key\(s\) in state_dict: "classifier.0.bias"'):
        network_files.network_of(tmp_path / "fewer.safetensors", architecture)


def sharded(folder, tensors):
    """Weights in two files and their index, as Hugging Face writes large networks."""
    names = list(tensors)
    files = {name: f"model-0000{1 + (place > 99)}-of-00002.safetensors" for place, name in enumerate(names)}
    for file in set(files.values()):
        safetensors.torch.save_file({name: tensors[name] for name in names if files[name] == file}, folder / file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": files}))
    return index


def test_all_files_of_an_index_are_read_and_one_of_them_is_refused(given, tmp_path, capsys):
    tensors = safetensors.torch.load_file(given / "net.safetensors")
    index = sharded(tmp_path, tensors)
    architecture = network_files.architecture_of("mobilenet_v3_small")
    loaded = network_files.network_of(index, architecture).model.state_dict()
    assert all(torch.equal(loaded[name], one) for name, one in tensors.items())
    assert softlab_command(*options(given, weights=tmp_path / "model-00002-of-00002.safetensors")) == 2
    said = capsys.readouterr().err
    assert "is part 2 of 2 of a network: give model.safetensors.index.json beside it" in said
    assert said.count("\n") == 1
    (tmp_path / "model-00001-of-00002.safetensors").unlink()
    with pytest.raises(SoftlabError, match=r"model-00001-of-00002\.safetensors cannot be read as safetensors"):
        network_files.network_of(index, architecture)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"weight_map": {"a": "../net.safetensors"}}, r"names '../net.safetensors', which is no"),
        ({"weight_map": {"a": "../model-00001-of-00002.safetensors"}}, "which is no"),
        ({"weight_map": {"a": "/etc/model-00001-of-00002.safetensors"}}, "which is no"),
        ({"weight_map": {"a": 3}}, "names 3, which is no"),
        ({"weight_map": {"a": ["b"]}}, "cannot be read as the index"),
        ({"weights": {}}, "cannot be read as the index of a network's files: KeyError"),
        ([], "cannot be read as the index"),
        ("no JSON", "cannot be read as the index .*JSONDecodeError"),
        ({"weight_map": {"a": "net-00001-of-00002.safetensors", "b": "net-00002-of-00002.safetensors"}}, "in two of"),
    ],
)
def test_an_index_that_leads_elsewhere_or_is_none_is_refused(content, message, tmp_path):
    for number in (1, 2):
        safetensors.torch.save_file({"a": torch.zeros(1)}, tmp_path / f"net-0000{number}-of-00002.safetensors")
    index = tmp_path / "net.safetensors.index.json"
    index.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(SoftlabError, match=message) as caught:
        network_files.network_of(index, network_files.architecture_of("mobilenet_v3_small"))
    assert "\n" not in str(caught.value)


def test_folders_named_by_number_are_classes_of_a_larger_network(given, tmp_path):
    torch.manual_seed(0)
    model = torchvision.models.get_model("mobilenet_v3_small", weights=None, num_classes=5)
    safetensors.torch.save_file(model.state_dict(), tmp_path / "five.safetensors")
    for name, number in (("cat", 3), ("dog", 1)):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / str(number)).symlink_to(given / "images" / name)
    architecture = network_files.architecture_of("mobilenet_v3_small")
    model = network_files.network_of(tmp_path / "five.safetensors", architecture).model
    assert (model.classifier[3].out_features, network_files.classes_of(model)) == (5, 5)
    given = pictures_of.from_path(tmp_path / "images", 5, size=16)
    assert given.pictures.shape == (16, 3, 16, 16)
    assert given.labels.tolist() == [1] * 8 + [3] * 8
    assert "ImageFolder would sort them as text" in given.notes[0]


def test_folders_named_by_number_are_those_classes_also_if_there_is_one_for_each(tmp_path):
    names = sorted(map(str, range(12)))  # as text: 0, 1, 10, 11, 2, …
    assert pictures_of.class_numbers(names, 12, tmp_path)[0] == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert pictures_of.class_numbers(["0", "10", "2"], 12, tmp_path)[0] == [0, 10, 2]
    assert pictures_of.class_numbers([f"{n:02}" for n in range(12)], 12, tmp_path)[0] == list(range(12))
    numbers, note = pictures_of.class_numbers(["cat", "dog"], 2, tmp_path)
    assert (numbers, "alphabetical order" in note) == ([0, 1], True)
    names = sorted(f"c{n}" for n in range(12))  # c0, c1, c10, c11, c2, …
    numbers, note = pictures_of.class_numbers(names, 12, tmp_path)
    assert numbers == [0, 1, 10, 11, 2, 3, 4, 5, 6, 7, 8, 9]
    assert "would sort them as text): 0 'c0', 1 'c1', 2 'c2', 3 'c3', " in note
    assert note.endswith("11 'c11'.")


@pytest.mark.parametrize(
    ("names", "classes", "message"),
    [
        (["007", "7"], 12, "'7' is named by a class's number, and '007' is not"),
        (["1", "2", "cat"], 3, "'1' is named by a class's number, and 'cat' is not"),
        (sorted(map(str, range(1, 13))), 12, "'12' is not: name all folders in .* 0 to 11"),
        (["007", "07"], 2, "two folders in .* same number"),
        (["cat", "dog"], 5, "the network has 5 classes, and there are 2 folders"),
        (["01", "03"], 5, "without leading zeros"),
        (
            ["Banana", "apple", "cherry"],
            3,
            r"class 0 may be 'Banana' as text \(torchvision\), 'apple' in natural order",
        ),
        (["v1.9", "v1.10"], 2, r"class 0 may be 'v1.10' as text \(torchvision\), 'v1.9' in natural order \(timm\)"),
    ],
)
def test_folders_of_which_the_class_is_not_sure_are_refused(names, classes, message, tmp_path):
    with pytest.raises(SoftlabError, match=message):
        pictures_of.class_numbers(names, classes, tmp_path)


@pytest.mark.parametrize(
    ("rename", "left_out"),
    [
        (lambda name: f"_orig_mod.{name}", "_orig_mod."),
        (lambda name: f"module._orig_mod.{name}", "_orig_mod., module."),
        (lambda name: name.replace("features.", "features._orig_mod."), "_orig_mod."),
        (lambda name: f"model.net.{name}", "model.net."),
    ],
)
def test_what_wrappers_add_to_names_of_weights_is_left_out_and_said(given, tmp_path, rename, left_out):
    tensors = safetensors.torch.load_file(given / "net.safetensors")
    safetensors.torch.save_file({rename(name): one for name, one in tensors.items()}, tmp_path / "wrapped.safetensors")
    architecture = network_files.architecture_of("mobilenet_v3_small")
    found = network_files.network_of(tmp_path / "wrapped.safetensors", architecture)
    assert found.notes[0] == f"Left out of the weights' names: {left_out}"
    assert all(torch.equal(tensors[name], one) for name, one in found.model.state_dict().items())


def test_what_does_not_belong_to_the_network_in_a_wrapper_is_left_out_and_said(given, tmp_path):
    tensors = safetensors.torch.load_file(given / "net.safetensors")
    wrapped = {f"model.{name}": one for name, one in tensors.items()}
    architecture = network_files.architecture_of("mobilenet_v3_small")
    path = tmp_path / "wrapped.safetensors"
    safetensors.torch.save_file(wrapped | {"criterion.weight": torch.ones(2)}, path)
    found = network_files.network_of(path, architecture)
    said = "Left out of the weights' names: model.; left out, as no weights of the network: criterion.weight"
    assert found.notes[0] == said
    assert all(torch.equal(tensors[name], one) for name, one in found.model.state_dict().items())
    averaged = {f"ema.{name}": one.clone() for name, one in tensors.items()}
    safetensors.torch.save_file(wrapped | averaged, path)
    with pytest.raises(SoftlabError, match=r"^the weights hold several networks, 'ema.' and 'model.': save the one"):
        network_files.network_of(path, architecture)
    safetensors.torch.save_file(dict(list(wrapped.items())[:-1]), path)
    with pytest.raises(SoftlabError, match=r"does not fit mobilenet_v3_small: .*Missing key\(s\) in state_dict: \"\w"):
        network_files.network_of(path, architecture)


def test_images_with_channels_last_are_named():
    images = torch.rand(40, 8, 8, 3, generator=torch.Generator().manual_seed(0))
    with pytest.raises(SoftlabError, match=r"\(40, 8, 8, 3\) is \(N, H, W, C\): images.permute\(0, 3, 1, 2\)$"):
        examine(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), images, torch.arange(40) % 4)


def test_arrays_of_any_strides_byte_order_and_of_16_bits_are_taken():
    images, labels = pictures()
    model = fitted(mlp(), images, labels)
    plain = examine(model, images, labels, **FEW).numbers
    flipped = images.flip(3).numpy()[..., ::-1]  # the same images, through a negative stride
    assert examine(model, flipped, labels.flip(0).numpy()[::-1], **FEW).numbers == pytest.approx(plain, nan_ok=True)
    assert examine(model, (images.numpy() / 255).astype(">f4"), labels, **FEW).numbers == pytest.approx(
        plain, nan_ok=True
    )
    deep = torch.from_numpy(images.numpy().astype(np.uint16) * 257)
    assert examine(model, deep, labels, **FEW).numbers == pytest.approx(plain, rel=1e-4, abs=1e-4, nan_ok=True)
    for wrong in (deep.to(torch.uint32), images.to(torch.complex64), np.array([["a"]], object), "abc"):
        with pytest.raises(SoftlabError, match=r"^images must be"):
            examine(model, wrong, labels)


def test_probabilities_of_a_network_whose_answers_hardly_differ_are_those_of_its_head():
    """No factor could be fitted there, and none is needed: the softmax is the head's."""
    torch.manual_seed(0)
    made = torch.randn(10).expand(30, 10) + 1e-6 * torch.randn(30, 10)
    found = heads.relation_between(made, made.softmax(1))
    assert found is not None
    assert found.plain
    assert heads.relation_between(made, made.flip(1).softmax(1)) is None
