"""Images or labels alone, and features pulled towards a direction of their class: by hand, and in training."""

import math

import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from softlab import SoftlabError, extract, fit_or_load, head_of, regularizers
from softlab.lenses.geometry.centers import class_centers
from softlab.lenses.geometry.head import cosine_to
from softlab.regularizers.mixing import shares_of
from softlab.training.loop import training_set
from softlab.training.runs import dataset_of


def batch(count=8, classes=4):
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 1, 6, 6, generator=generator)
    targets = functional.one_hot(torch.arange(count) % classes, classes).float()
    return images, targets


def drawn(method, seed, **given):
    return regularizers.get(method, **given).transform(*batch(), torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("mixture", ["mixup", "cutmix"])
@pytest.mark.parametrize("seed", range(6))  # λ on either side of one half
def test_two_of_the_six_cells_are_todays_methods_and_the_others_take_one_half_of_them(mixture, seed):
    images, targets = batch()
    mixed, mixture_labels = drawn(mixture, seed)
    images_alone, hard = drawn(f"{mixture}_images", seed)
    whole, labels_alone = drawn(f"{mixture}_labels", seed)
    assert torch.equal(images_alone, mixed), "the mixture's own images, to the bit"
    assert set(hard.sum(1).tolist()) == {1.0}
    assert set(hard.flatten().tolist()) == {0.0, 1.0}
    different = mixture_labels.amax(1) < 0.999  # of two classes
    assert torch.equal(hard[different].argmax(1), mixture_labels[different].argmax(1)), "the larger share's class"
    assert torch.allclose(labels_alone.sort().values, mixture_labels.sort().values), "the mixture's own labels"
    for image, label in zip(whole, labels_alone, strict=True):
        (place,) = [number for number, one in enumerate(images) if torch.equal(one, image)]
        assert label.argmax() == targets[place].argmax(), "each with the image of its larger share"


def test_shares_by_hand():
    """Of a mixture of image 1 and image 2 with weights .7 and .3 the shares are those."""
    images, _ = batch(2)
    mixed, shares = shares_of("mixup", 1.0, images, torch.Generator().manual_seed(3))
    weight = float(shares[0, 0])
    assert shares.flatten().tolist() == pytest.approx([weight, 1 - weight, 1 - weight, weight])
    assert torch.allclose(mixed[0], weight * images[0] + (1 - weight) * images[1])


def network(classes=3, features=4):
    model = nn.Module()
    model.head = nn.Linear(features, classes)
    return model


@pytest.mark.parametrize("side", [0.9, 0.3])
def test_the_pull_by_hand_and_from_either_side(side):
    """cos = .6 for each feature: |.9 - .6| and |.3 - .6| are .3, but pull in opposite directions."""
    model = network(2, 2)
    method = regularizers.get("toward_center", strength=2.0, cosine=side)
    method.prepare(model)
    model.head.directions.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    features = torch.tensor([[3.0, 4.0], [4.0, 3.0]], requires_grad=True)
    logits = torch.zeros(2, 2)
    loss = method.loss(logits, torch.eye(2), features, model.head, 0.0)
    assert loss.tolist() == pytest.approx([math.log(2) + 2 * 0.3] * 2)
    (gradient,) = torch.autograd.grad(loss.mean(), features)
    towards = functional.cosine_similarity(features.detach() - 0.01 * gradient, torch.eye(2)).mean()
    assert (towards > 0.6) == (side > 0.6)


def test_the_length_is_held_from_either_side():
    model = network(2, 2)
    method = regularizers.get("toward_center", strength=0.0, log_length=math.log(2), hold=1.0)
    method.prepare(model)
    for long, further in ((3.0, -1), (1.0, 1)):
        logits = torch.tensor([[long, -long], [-long, long]]) / math.sqrt(2)  # ‖z - z̄‖ = long
        logits.requires_grad_()
        plain = regularizers.cross_entropy(logits, torch.eye(2))
        loss = method.loss(logits, torch.eye(2), torch.ones(2, 2), model.head, 0.0)
        assert (loss - plain).tolist() == pytest.approx([abs(math.log(long / 2))] * 2, abs=1e-6)
        (gradient,) = torch.autograd.grad((loss - plain).mean(), logits)
        assert torch.sign(-(gradient * logits).sum()) == further


def test_each_control_pulls_towards_what_it_says():
    weight = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    bias = torch.tensor([0.1, -0.1])
    sums = torch.tensor([[2.0, 0.0], [3.0, 3.0]])
    lengths = torch.tensor([2.0, 6.0])
    counts = torch.tensor([2.0, 3.0])
    parts = (weight, bias, sums, lengths, counts)

    def aims(name):
        return regularizers.get(name).aims(*parts)

    assert aims("toward_row")[0].tolist() == weight.tolist()
    assert aims("toward_mean")[0].tolist() == [[1.0, 0.0], [1.0, 1.0]]
    directions, origin = aims("toward_centred_mean")
    assert origin.tolist() == [1.0, 0.5]
    assert directions.tolist() == [[0.0, -0.5], [0.0, 0.5]]
    centers, _ = class_centers(weight, bias, torch.tensor([1.0, 2.0]), nonnegative=False)
    assert torch.allclose(aims("toward_center")[0], centers.float(), atol=1e-3)


def test_a_class_without_an_image_is_pulled_nowhere():
    weight = torch.eye(3)
    parts = (weight, None, torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0]]), torch.tensor([1.0, 1, 0]))
    counts = torch.tensor([1.0, 1, 0])
    for name in ("toward_mean", "toward_centred_mean"):
        directions, _ = regularizers.get(name).aims(*parts, counts)
        assert directions[2].tolist() == [0, 0, 0]
        assert directions.isfinite().all()
    directions, _ = regularizers.get("toward_center").aims(*parts, counts)
    assert directions.isfinite().all()


def ball_cosine(run):
    """Mean cosine of the training features to Park's centre of their class."""
    dataset = dataset_of(run.experiment)
    seen = extract(run.model, *training_set(run.experiment, dataset, "cpu"))
    weight, bias = head_of(run.model)
    centers, _ = class_centers(weight, bias, float(seen.features.norm(dim=1).mean()), nonnegative=False)
    return float(cosine_to(seen.features, centers.float(), seen.labels).nanmean())


def test_trained_with_it_features_turn_to_parks_centre_and_the_controls_do_so_less(tiny):
    longer = tiny.replace(train_size=200, epochs=12)
    cosines = {"baseline": ball_cosine(fit_or_load(longer))}
    for method in ("toward_center", "toward_mean", "toward_random"):
        run = fit_or_load(longer.replace(method=method, method_parameters={"strength": 1.0}))
        cosines[method] = ball_cosine(run)
    assert cosines["toward_center"] > cosines["baseline"] + 0.05
    assert cosines["toward_center"] > max(cosines["toward_mean"], cosines["toward_random"]) + 0.03


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"cosine": 1.5}, "cosine must be a number from -1 to 1, not 1.5"),
        ({"log_length": "long"}, "log_length must be a number from -10 to 10, not 'long'"),
        ({"strength": -1}, "strength must be a number above 0, not -1"),
        ({"hold": True}, "hold must be a number above 0, not True"),
        ({"beta": 1.0}, "unknown parameter of toward_center 'beta'"),
    ],
)
def test_wrong_parameters_are_said_in_a_line(given, said):
    with pytest.raises(SoftlabError, match=said):
        regularizers.get("toward_center", **given)


def test_it_takes_a_linear_head(tiny):
    with pytest.raises(SoftlabError, match="takes a network with a linear head"):
        fit_or_load(tiny.replace(method="toward_row", head="two_layers"))
