"""Networks: two halves that make a whole, the papers' sizes, and one initialisation for all methods."""

import pytest
import torch
import torchvision
from torch import nn

from softlab import SoftlabError, fit_or_load
from softlab.representation import head_of
from softlab.training import data, loop, models
from softlab.training.experiment import MODELS
from softlab.training.loop import build_model
from softlab.training.runs import name_of


@pytest.mark.parametrize("name", models.ARCHITECTURES)
@pytest.mark.parametrize(("channels", "size", "stem_stride"), [(3, 32, 1), (3, 32, 2), (1, 28, 1)])
def test_the_head_on_the_features_gives_the_logits(name, channels, size, stem_stride):
    model = models.build(name, 7, channels, width=8, stem_stride=stem_stride, image_size=size).eval()
    images = torch.rand(2, channels, size, size)
    features = model.features(images)
    assert features.shape == (2, model.head.in_features)
    of_any_sign = name in ("swin_t", "convnext_t", "vit_s")  # these end in a layer normalisation
    assert (features >= 0).all() != of_any_sign
    assert torch.equal(model.head(features), model(images))


@pytest.mark.parametrize("name", models.ARCHITECTURES)
def test_every_network_learns_and_resumes_with_the_same_bits(name, tiny):
    mini = data.load("fashion-mini")
    transformer = name in ("swin_t", "convnext_t", "vit_s")
    recipe = {"optimizer": "adamw", "learning_rate": 1e-3} if transformer else {"learning_rate": 0.01}
    experiment = tiny.replace(model=name, width=16, stem_stride=1, epochs=3, precision="fp32", **recipe)
    for state in loop.epochs(experiment, mini):
        if state.epoch == 1:
            kept = {key: value.clone() for key, value in state.model.state_dict().items()}
            averages = {key: value.clone() for key, value in state.averages.items()}
            history = {key: list(values) for key, values in state.history.items()}
    assert state.history["loss"][-1] < state.history["loss"][0]
    fresh = loop.build_model(experiment, mini)
    fresh.load_state_dict(kept)
    *_, again = loop.epochs(experiment, mini, resume=loop.TrainingState(1, fresh, averages, history))
    for key, value in state.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key


@pytest.mark.parametrize(
    ("name", "theirs", "stem"),
    [
        ("resnet18", "resnet18", 64 * 3 * (7 * 7 - 3 * 3)),
        ("resnet50", "resnet50", 64 * 3 * (7 * 7 - 3 * 3)),
        ("mobilenet_v2", "mobilenet_v2", 0),
        ("swin_t", "swin_t", (4 * 4 - 2 * 2) * 3 * 96),
        ("convnext_t", "convnext_tiny", (4 * 4 - 2 * 2) * 3 * 96),
    ],
)
def test_torchvisions_networks_have_its_weights_but_for_the_stem(name, theirs, stem):
    ours = sum(parameter.numel() for parameter in models.build(name, 1000, 3).parameters())
    whole = sum(parameter.numel() for parameter in torchvision.models.get_model(theirs).parameters())
    windows = 3 * (13 * 13 - 7 * 7) * sum((3 * 2, 6 * 2, 12 * 6, 24 * 2)) // 3 if name == "swin_t" else 0
    assert whole - ours == stem + windows  # Swin: a table of relative positions, (2 · 7 - 1)² against (2 · 4 - 1)²


def test_resnet8_has_the_size_that_counting_by_hand_gives():
    model = models.build("resnet8", 10, 1, width=16)
    stages = [2 * 9 * 16 * 16, 9 * 16 * 32 + 9 * 32 * 32 + 16 * 32, 9 * 32 * 64 + 9 * 64 * 64 + 32 * 64]
    norms = 2 * (16 + 2 * 16 + 3 * 32 + 3 * 64)
    assert sum(parameter.numel() for parameter in model.parameters()) == 9 * 16 + sum(stages) + norms + 64 * 10 + 10


def test_airbench_has_the_size_that_counting_by_hand_gives():
    """Jordan 2024: blocks of 64, 256, 256 channels; here the whitening filters are not trained, norms have a factor."""
    model = models.build("airbench", 10, 3)
    convolutions = 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256)
    norms = 2 * 2 * (64 + 256 + 256)
    assert sum(one.numel() for one in model.parameters()) == 24 + convolutions + norms + 256 * 10 + 10
    features = model.eval().features(torch.rand(3, 3, 32, 32))
    assert features.shape == (3, 256)
    assert features.min() >= 0


def test_whitening_makes_patches_uncorrelated_and_is_stored_with_the_weights(tiny):
    dataset = data.load("fashion-mini")
    experiment = tiny.replace(model="airbench", width=8, stem_stride=1)
    network = build_model(experiment, dataset)
    assert torch.equal(network.body[0].weight, build_model(experiment.replace(seed=9), dataset).body[0].weight)
    images = (dataset.train_images[: loop.FITTED].float() / 255 - network.mean) / network.std
    found = network.body[0](images).detach().transpose(0, 1).flatten(1)
    filters = len(found) // 2
    assert torch.allclose(found[:filters], -found[filters:], atol=1e-4)
    spread = found[:filters].cov()
    assert (spread - spread.diag().diag()).abs().max() < 1e-2
    assert spread.diag().amax() <= 1.001
    assert spread.diag()[-1] == pytest.approx(1, abs=1e-2)  # where there is much contrast, all of it is kept
    assert "body.0.weight" in network.state_dict()
    assert "body.0.weight" not in dict(network.named_parameters())


def test_the_normalisation_is_inside():
    plain = models.build("resnet8", 3, 1, width=4).eval()
    normal = models.build("resnet8", 3, 1, width=4, mean=torch.tensor([0.3]), std=torch.tensor([0.2])).eval()
    normal.load_state_dict(plain.state_dict() | {"mean": normal.mean, "std": normal.std})
    images = torch.rand(4, 1, 28, 28)
    assert torch.allclose(normal(images), plain((images - 0.3) / 0.2), atol=1e-6)


def test_heads_and_feature_dimensions_on_request():
    images = torch.rand(3, 1, 28, 28)
    flat = models.build("resnet8", 5, 1, width=4, feature_dimension=2).eval()
    assert flat.features(images).shape == (3, 2)
    deep = models.build("resnet8", 5, 1, width=4, head="two_layers").eval()
    assert torch.equal(deep.head(deep.features(images)), deep(images))
    assert models.build("resnet8", 5, 1, width=4, head_bias="zero").head.bias.abs().max() == 0
    with pytest.raises(SoftlabError, match="no linear layer but Sequential"):
        head_of(deep)
    weight, bias = head_of(flat)
    assert torch.allclose(flat.features(images) @ weight.T + bias, flat(images), atol=1e-6)


def test_every_method_starts_from_the_same_weights_and_other_seeds_do_not(tiny):
    dataset = data.load("fashion-mini")
    before = torch.get_rng_state()
    weights = [build_model(tiny.replace(method=method), dataset).head.weight for method in ("baseline", "maxsup")]
    assert torch.equal(*weights)
    assert not torch.equal(weights[0], build_model(tiny.replace(seed=1), dataset).head.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_the_names_that_an_experiment_knows_are_those_that_can_be_built():
    assert set(MODELS) == set(models.ARCHITECTURES)


@pytest.fixture
def flat():
    """Networks `flat`, of one layer with a bias or without, which are forgotten afterwards."""

    def register(bias):
        @models.register("flat", width=3)
        def body(width, in_channels, stem_stride, image_size):
            return nn.Sequential(nn.Flatten(), nn.Linear(in_channels * image_size**2, width, bias)), width

    yield register
    models.ARCHITECTURES.pop("flat")
    MODELS.remove("flat")


def test_a_network_of_ones_own_trains_and_its_code_is_part_of_its_name(tiny, flat):
    flat(True)
    experiment = tiny.replace(model="flat", width=None)
    run = fit_or_load(experiment)
    assert run.model.features(torch.rand(2, 1, 28, 28)).shape == (2, 3)
    flat(False)
    assert name_of(experiment, "images") != name_of(tiny, "images")
    assert fit_or_load(experiment).id != run.id
    with pytest.raises(SoftlabError, match="cannot name a network"):
        models.register("My net", width=3)


def test_misuse_is_named():
    with pytest.raises(SoftlabError, match="did you mean 'resnet18'"):
        models.build("resnet16", 10, 3)
    with pytest.raises(SoftlabError, match="at least two classes"):
        models.build("resnet8", 1, 3)
    with pytest.raises(SoftlabError, match="patches of 8 pixels: 28 is no multiple"):
        models.build("vit_s", 10, 1, stem_stride=2, image_size=28)
    with pytest.raises(SoftlabError, match="28 is less"):
        models.build("convnext_t", 10, 1, stem_stride=2, image_size=28)
