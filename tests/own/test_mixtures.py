"""Mixtures: torchvision's own for the same draw, timm's rule, draws of workers and epochs, and what is refused."""

import copy
import math

import pytest
import torch
import torch.nn.functional as functional
from torch.utils.data import DataLoader
from torchvision.transforms import v2

import softlab
from softlab import SoftlabError, regularizers

CLASSES = 4
BUILT_IN = tuple(name for name, method in regularizers.REGISTRY.items() if "softlab" in method.__module__)


@pytest.fixture
def images():
    return torch.rand(6, 3, 9, 7, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def labels():
    return torch.tensor([0, 1, 2, 3, 3, 1])


def seed_of(generator):
    """What softlab draws to seed torchvision's transform, without moving the generator on."""
    state = generator.get_state()
    drawn = int(torch.randint(2**62, (), generator=generator))
    generator.set_state(state)
    return drawn


@pytest.mark.parametrize(("name", "peer"), [("mixup", v2.MixUp), ("cutmix", v2.CutMix)])
@pytest.mark.parametrize("size", [(9, 7), (1, 1), (32, 32)])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.float64])
def test_mixtures_are_torchvisions_for_the_same_draw(name, peer, size, kind, labels):
    images = torch.rand(6, 3, *size).to(kind)
    mix = softlab.mixture(name, beta=0.7, classes=CLASSES, seed=5)
    for _ in range(4):
        torch.manual_seed(seed_of(mix.generator))
        expected = peer(alpha=0.7, num_classes=CLASSES)(images, labels)
        mixed, targets = mix(images, labels)
        assert torch.equal(mixed, expected[0])
        assert torch.allclose(targets, expected[1])
        assert torch.allclose(targets.sum(1), torch.ones(6))


def test_mixup_by_hand(monkeypatch):
    """λ = ¾: each image keeps three quarters, and takes a quarter of the one before it."""
    monkeypatch.setattr(torch.distributions.Beta, "sample", lambda *_: torch.tensor([0.75]))
    images = torch.tensor([0.0, 1.0, 4.0]).view(3, 1, 1, 1)
    mixed, targets = softlab.mixture("mixup", classes=3)(images, torch.tensor([0, 1, 2]))
    assert mixed.flatten().tolist() == [1.0, 0.75, 3.25]
    assert targets.tolist() == [[0.75, 0, 0.25], [0.25, 0.75, 0], [0, 0.25, 0.75]]


def test_normalised_before_or_after_is_the_same(images, labels):
    for name in ("mixup", "cutmix", "mixup_or_cutmix", "regmixup", "cutmix_images", "mixup_labels"):
        alone, _ = softlab.mixture(name, classes=CLASSES, seed=1)(images, labels)
        normalised, _ = softlab.mixture(name, classes=CLASSES, seed=1)((images - 0.3) / 0.2, labels)
        assert torch.allclose((alone - 0.3) / 0.2, normalised, atol=1e-5), name


def test_mixup_or_cutmix_takes_turns_and_smooths_both_labels_as_timm_does(images, labels):
    mix = softlab.mixture("mixup_or_cutmix", alpha=0.2, classes=CLASSES, seed=0)
    turns = []
    for _ in range(200):
        mixed, targets = mix(images, labels)
        inside = (mixed[..., None] == torch.stack([images, images.roll(1, 0)], -1)).any(-1)
        turns.append(bool(inside.all()))  # CutMix only moves pixels
        own = 0.8 * functional.one_hot(labels, CLASSES) + 0.2 / CLASSES  # timm: off = α/K, on = 1 - α + α/K
        share = ((targets[0] - own.roll(1, 0)[0]) / (own - own.roll(1, 0))[0])[0]
        assert torch.allclose(targets, share * own + (1 - share) * own.roll(1, 0), atol=1e-5)
    assert 70 < sum(turns) < 130


def test_timms_targets_are_ours():
    timm = pytest.importorskip("timm.data.mixup", reason="timm is not installed: an extra of nobody's")
    labels = torch.tensor([0, 3])  # timm mixes with the mirrored batch: of two images that is the one before
    _, targets = softlab.mixture("mixup_or_cutmix", alpha=0.2, classes=CLASSES, seed=0)(torch.rand(2, 1, 4, 4), labels)
    share = float((targets[0, 0] - 0.05) / 0.8)
    assert torch.allclose(targets, timm.mixup_target(labels, CLASSES, share, smoothing=0.2), atol=1e-6)


def test_regmixup_is_both_losses(images, labels):
    """Cross-entropy of the original images + eta · that of their mixture."""
    mixed, targets = softlab.mixture("regmixup", classes=CLASSES, seed=0)(images, labels)
    assert torch.equal(mixed[:6], images)
    logits = torch.randn(12, CLASSES, generator=torch.Generator().manual_seed(0))
    halves = [functional.cross_entropy(logits[rows], targets[rows]) for rows in (slice(6), slice(6, 12))]
    criterion = softlab.criterion("regmixup", eta=0.5)
    assert torch.allclose(criterion(logits, targets), halves[0] + 0.5 * halves[1])
    with pytest.raises(SoftlabError, match=r"mixture\('regmixup'\) made, with distributions"):
        criterion(logits, torch.zeros(12).long())
    with pytest.raises(SoftlabError, match="an even number of rows"):
        criterion(logits[1:], targets[1:])


def test_distributions_are_mixed_as_they_are(images, labels):
    one_hot = functional.one_hot(labels, CLASSES).float()
    for name in ("mixup", "cutmix"):
        by_number = softlab.mixture(name, classes=CLASSES, seed=3)(images, labels)
        by_row = softlab.mixture(name, seed=3)(images, one_hot)
        assert torch.equal(by_number[0], by_row[0])
        assert torch.equal(by_number[1], by_row[1])


def test_one_image_is_mixed_with_itself(images, labels):
    for name in ("mixup", "cutmix"):
        mixed, targets = softlab.mixture(name, classes=CLASSES)(images[:1], labels[:1])
        assert torch.allclose(mixed, images[:1])
        assert torch.allclose(targets, torch.eye(CLASSES)[:1])


def test_cutmix_moves_whole_numbers(labels):
    images = torch.randint(256, (6, 3, 8, 8), dtype=torch.uint8)
    mixed, _ = softlab.mixture("cutmix", classes=CLASSES, seed=0)(images, labels)
    assert mixed.dtype == torch.uint8
    floats, _ = softlab.mixture("cutmix", classes=CLASSES, seed=0)(images.float(), labels)
    assert torch.equal(mixed.float(), floats)


# Draws


def test_a_seed_a_generator_and_torchs_own(images, labels):
    def twice(make):
        return [make()(images, labels)[0] for _ in range(2)]

    generator = torch.Generator()
    for make in (
        lambda: softlab.mixture("mixup", classes=CLASSES, seed=2),
        lambda: softlab.mixture("mixup", classes=CLASSES, generator=generator.manual_seed(2)),
        lambda: (torch.manual_seed(2), softlab.mixture("mixup", classes=CLASSES))[1],
    ):
        assert torch.equal(*twice(make))
    mix = softlab.mixture("mixup", classes=CLASSES, seed=2)
    assert not torch.equal(*twice(lambda: mix))  # it moves on
    before = torch.random.get_rng_state()
    mix(images, labels)
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_copy_draws_on_from_where_the_original_is(images, labels):
    mix = softlab.mixture("mixup", classes=CLASSES, seed=2)
    mix(images, labels)
    other = copy.deepcopy(mix)
    assert torch.equal(mix(images, labels)[0], other(images, labels)[0])


class Numbered(torch.utils.data.Dataset):
    """Sixteen images of one grey value each, its place."""

    def __len__(self):
        return 16

    def __getitem__(self, place):
        return torch.full((1, 2, 2), float(place)), place % CLASSES


def shares(loader):
    """λ of each batch, and which batch it was."""
    return [round(float(targets[0].max()), 6) for _, targets in loader]


def loader_of(mix, seed, workers=2, **given):
    drawing = torch.Generator().manual_seed(seed)
    return DataLoader(Numbered(), batch_size=2, collate_fn=mix, num_workers=workers, generator=drawing, **given)


@pytest.mark.parametrize("seeded", [False, True])
def test_workers_draw_their_own_anew_each_epoch_and_the_same_again(seeded):
    mix = softlab.mixture("mixup", beta=5.0, classes=CLASSES, seed=7 if seeded else None)
    loader = loader_of(mix, seed=0)
    first = shares(loader)
    second = shares(loader)
    assert len({*first, *second}) == 16  # eight batches, two epochs, two workers: no draw twice
    again = loader_of(mix, seed=0)
    assert [shares(again), shares(again)] == [first, second]
    assert shares(loader_of(mix, seed=1)) != first
    if seeded:
        other = softlab.mixture("mixup", beta=5.0, classes=CLASSES, seed=8)
        assert shares(loader_of(other, seed=0)) != first


@pytest.mark.slow
def test_workers_that_start_afresh_or_stay_draw_their_own_too():
    mix = softlab.mixture("mixup", beta=5.0, classes=CLASSES, seed=7)
    loader = loader_of(mix, seed=0, persistent_workers=True, multiprocessing_context="spawn")
    first = shares(loader)
    second = shares(loader)
    assert len({*first, *second}) == 16
    assert first == shares(loader_of(mix, seed=0))


def test_after_a_loader_or_by_it_is_the_same():
    by_it = [*loader_of(softlab.mixture("cutmix", classes=CLASSES, seed=7), seed=0, workers=0)]
    mix = softlab.mixture("cutmix", classes=CLASSES, seed=7)
    after = [mix(images, labels) for images, labels in DataLoader(Numbered(), batch_size=2)]
    whole = softlab.mixture("cutmix", classes=CLASSES, seed=7)
    at_once = [whole(batch) for batch in DataLoader(Numbered(), batch_size=2)]
    for one, two, three in zip(by_it, after, at_once, strict=True):
        assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(one, two, three, strict=True))


# What is refused


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_method_that_mixes_nothing_says_what_to_use(name):
    if "mix" in name and name != "feature_mixup":
        softlab.mixture(name, classes=CLASSES)
        return
    with pytest.raises(SoftlabError, match=r"use softlab\.criterion\(|train with softlab\.fit\(") as refused:
        softlab.mixture(name, classes=CLASSES)
    assert "\n" not in str(refused.value)


def image(*shape):
    return torch.zeros(shape)


WRONG = {
    "a class number of four": ((image(2, 1, 4, 4), torch.tensor([0, 4])), "4 at place 1 must be from 0 to 3"),
    "one to ignore": ((image(2, 1, 4, 4), torch.tensor([0, -100])), "-100 at place 1 must be from 0 to 3"),
    "another K": ((image(2, 1, 4, 4), torch.ones(2, 3) / 3), "this mixture is for 4 classes"),
    "no distribution": ((image(2, 1, 4, 4), torch.ones(2, 4)), "sample 0 is no distribution"),
    "one label too few": ((image(2, 1, 4, 4), torch.tensor([0])), r"class numbers \(2,\)"),
    "an empty batch": ((image(0, 1, 4, 4), torch.zeros(0).long()), "N > 0"),
    "images without channels": ((image(2, 4, 4), torch.tensor([0, 1])), r"\(N, C, H, W\)"),
    "whole numbers": ((image(2, 1, 4, 4).byte(), torch.tensor([0, 1])), r"images\.float\(\) / 255"),
    "class numbers as floats": ((image(2, 1, 4, 4), torch.zeros(2)), r"targets\.long\(\)"),
    "images of two sizes": (([(image(1, 4, 4), 0), (image(1, 5, 5), 1)],), "tensors of one size"),
    "no pairs": (([image(1, 4, 4), image(1, 4, 4), image(1, 4, 4)],), "a pair"),
    "an empty list": (([],), "a list of pairs"),
    "no tensors": (("cat", "dog"), "put ToTensor"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_wrong_input_is_one_line(mistake):
    given, said = WRONG[mistake]
    with pytest.raises(SoftlabError, match=said) as refused:
        softlab.mixture("mixup", classes=CLASSES)(*given)
    assert "\n" not in str(refused.value)


def test_wrong_arguments_are_one_line(images, labels):
    with pytest.raises(SoftlabError, match="classes=K"):
        softlab.mixture("mixup")(images, labels)
    with pytest.raises(SoftlabError, match="not both"):
        softlab.mixture("mixup", seed=1, generator=torch.Generator())
    with pytest.raises(SoftlabError, match="seed must be"):
        softlab.mixture("mixup", seed=-1)
    with pytest.raises(SoftlabError, match="on the CPU"):
        softlab.mixture("mixup", generator=3)
    with pytest.raises(SoftlabError, match="beta must be a number above 0"):
        softlab.mixture("mixup", beta=math.inf)


@pytest.mark.parametrize("beta", [1e-6, 1e-3, 0.02])
def test_the_smaller_beta_the_nearer_a_share_is_to_all_or_nothing(beta):
    """P(.05 < λ < .95) of Beta(β, β) is β ln(.95/.05) for small β, and λ is above 1/2 as often as below."""
    mix = softlab.mixture("mixup", beta=beta, classes=2, seed=0)
    images = torch.tensor([0.0, 1.0]).reshape(2, 1, 1, 1)
    shares = torch.stack([mix(images, torch.tensor([0, 1]))[1][0, 0] for _ in range(1000)])
    between = ((shares > 0.05) & (shares < 0.95)).float().mean()
    assert between == pytest.approx(beta * math.log(19), abs=0.02)
    assert (shares > 0.5).float().mean() == pytest.approx(0.5, abs=0.06)
