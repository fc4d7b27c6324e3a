"""Corruptions: repeatable, harder step by step, and each what its constants say."""

import itertools
import math
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from softlab import SoftlabError
from softlab.lenses.corruptions import SEVERITIES, corrupt
from softlab.training import data

# torchvision's codec will move to another package one day; the test against Pillow says what to expect of it.
pytestmark = pytest.mark.filterwarnings("ignore:The image decoding and encoding:DeprecationWarning")
ALL = pytest.mark.parametrize(("kind", "severity"), list(itertools.product(SEVERITIES, range(1, 6))))


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def clothes():
    """Real images: (100, 1, 28, 28) uint8."""
    return data.load("fashion-mini").test_images[:100]


@pytest.fixture(scope="module")
def colours():
    """(6, 3, 20, 24) uint8 that JPEG does not have to destroy: slopes, of another direction in each channel."""
    across = torch.linspace(0, 1, 24).expand(20, 24)
    down = torch.linspace(0, 1, 20)[:, None].expand(20, 24)
    image = torch.stack([across, down, (across + down) / 2])
    return (255 * image * torch.linspace(0.3, 1, 6)[:, None, None, None]).to(torch.uint8)


@ALL
def test_what_comes_out_are_images_and_what_went_in_is_as_it_was(clothes, colours, kind, severity):
    for images in (clothes, colours, clothes.float() / 255, colours.float() / 255):
        before = images.clone()
        found = corrupt(images, kind, severity, noise())
        assert images.equal(before)
        assert found.shape == images.shape
        assert found.dtype == torch.float32
        assert 0 <= found.min() < found.max() <= 1
        assert found.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("kind", SEVERITIES)
def test_each_severity_changes_more_than_the_one_before(clothes, kind):
    pixels = clothes.float() / 255
    changes = [float((corrupt(clothes, kind, severity, noise()) - pixels).abs().mean()) for severity in range(1, 6)]
    assert changes[0] > 1e-3
    assert all(small < large for small, large in itertools.pairwise(changes)), changes


@pytest.mark.parametrize("kind", SEVERITIES)
def test_corruptions_can_be_repeated(clothes, kind):
    state = torch.get_rng_state()
    first = corrupt(clothes, kind, 3, noise(1))
    assert first.equal(corrupt(clothes, kind, 3, noise(1)))
    assert first.equal(corrupt(clothes, kind, 3, noise(2))) == (kind != "noise")
    assert torch.get_rng_state().equal(state)  # the global generator is left alone


@pytest.mark.parametrize("kind", SEVERITIES)
def test_each_image_is_corrupted_on_its_own(clothes, kind):
    whole = corrupt(clothes, kind, 4, noise())
    if kind == "noise":
        assert whole[:1].equal(corrupt(clothes[:1], kind, 4, noise()))
    else:
        torch.testing.assert_close(whole[7:9], corrupt(clothes[7:9], kind, 4), rtol=0, atol=1e-6)


@pytest.mark.parametrize("severity", range(1, 6))
def test_noise_has_the_stated_deviation(severity):
    grey = torch.full((100, 3, 32, 32), 0.5)  # the nearest limit is five deviations away
    added = corrupt(grey, "noise", severity, noise()) - 0.5
    sigma = (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1]
    assert float(added.std()) == pytest.approx(sigma, rel=0.01)
    assert float(added.mean()) == pytest.approx(0, abs=4 * sigma / added.numel() ** 0.5)
    unlike = added[:3].reshape(9, -1).corrcoef() - torch.eye(9)  # nine channels of three images
    assert unlike.abs().max() < 0.13  # four standard errors of 1 / 32
    black = corrupt(0 * grey, "noise", severity, noise())
    assert float((black == 0).float().mean()) == pytest.approx(0.5, abs=0.01)  # what is below 0 is cut off


def test_contrast_keeps_means_and_scales_deviations(clothes, colours):
    for images in (clothes, colours):
        pixels = images.float() / 255
        for severity, factor in enumerate((0.75, 0.5, 0.4, 0.3, 0.15), 1):
            found = corrupt(images, "contrast", severity)
            torch.testing.assert_close(found.mean((2, 3)), pixels.mean((2, 3)))
            torch.testing.assert_close(found.std((2, 3)), factor * pixels.std((2, 3)))


@pytest.mark.parametrize("severity", range(1, 6))
def test_blur_is_that_of_another_library(clothes, colours, severity):
    sigma = (0.4, 0.6, 0.7, 0.8, 1.0)[severity - 1]
    for images in (clothes, colours):
        sigmas = (0, 0, sigma, sigma)
        peer = ndimage.gaussian_filter(images.double().numpy() / 255, sigmas, mode="mirror", truncate=4)
        np.testing.assert_allclose(corrupt(images, "blur", severity).numpy(), peer, atol=2e-6)


@pytest.mark.parametrize("severity", range(1, 6))
def test_blur_by_hand(severity):
    sigma = SEVERITIES["blur"][severity - 1]
    point = torch.zeros(1, 1, 15, 15)
    point[0, 0, 7, 7] = 1
    found = corrupt(point, "blur", severity)
    # Weights exp(-x² / 2σ²) in each direction, over their sum.
    total = 1 + 2 * sum(math.exp(-(x**2) / (2 * sigma**2)) for x in range(1, round(4 * sigma) + 1))
    assert float(found[0, 0, 7, 7]) == pytest.approx(1 / total**2, rel=1e-5)
    assert float(found[0, 0, 7, 8]) == pytest.approx(math.exp(-1 / (2 * sigma**2)) / total**2, rel=1e-5)
    assert float(found.sum()) == pytest.approx(1, rel=1e-5)  # the mean is kept, off the border
    for value in (0.0, 0.3, 1.0):
        same = torch.full((2, 3, 12, 12), value)
        torch.testing.assert_close(corrupt(same, "blur", severity), same, rtol=0, atol=1e-6)


def test_jpeg_keeps_what_is_even_and_loses_more_of_what_is_not():
    even = torch.full((2, 1, 16, 16), 128, dtype=torch.uint8)
    uneven = torch.randint(256, (20, 1, 32, 32), generator=noise(), dtype=torch.uint8)
    for severity in range(1, 6):
        assert (corrupt(even, "jpeg", severity) - 128 / 255).abs().max() <= 1 / 255
        assert (corrupt(uneven, "jpeg", severity) - uneven / 255).abs().mean() > 0.02
        levels = 255 * corrupt(uneven, "jpeg", severity)  # of bytes
        torch.testing.assert_close(levels, levels.round(), rtol=0, atol=1e-4)


def test_jpeg_is_about_that_of_another_library(clothes):
    for severity, quality in enumerate((80, 65, 58, 50, 40), 1):
        ours = 255 * corrupt(clothes[:10], "jpeg", severity)
        for image, found in zip(clothes[:10], ours, strict=True):
            file = BytesIO()
            Image.fromarray(image[0].numpy()).save(file, "JPEG", quality=quality)
            peer = np.asarray(Image.open(file), dtype=float)
            assert np.abs(found[0].numpy() - peer).mean() < 0.1  # builds of the codec may round differently


def test_misuse_is_named(clothes):
    for given, nearest in [("nois", "noise"), ("Blur", "blur"), ("JPEG", "jpeg"), ("contrasts", "contrast")]:
        with pytest.raises(SoftlabError, match=f"unknown corruption '{given}'; did you mean '{nearest}'"):
            corrupt(clothes, given, 1)
    with pytest.raises(SoftlabError, match=r"unknown corruption 'fog' \(allowed: blur, contrast, jpeg, noise\)"):
        corrupt(clothes, "fog", 1)
    for severity in (0, 6, -1, 2.5, "3", None):
        with pytest.raises(SoftlabError, match=f"severity must be 1, 2, 3, 4 or 5, not {severity!r}"):
            corrupt(clothes, "noise", severity)


@pytest.mark.parametrize(
    ("images", "kind", "severity", "message"),
    [
        (255 * torch.ones(2, 1, 4, 4), "blur", 1, "image 0 has pixels outside"),
        (torch.full((2, 1, 4, 4), torch.nan), "noise", 1, "image 0 has pixels outside"),
        (torch.rand(1, 4, 4), "contrast", 1, "must be .N, C, H, W."),
        (torch.rand(2, 2, 4, 4), "jpeg", 1, "C = 1 or 3 for jpeg"),
        (torch.rand(2, 1, 4, 4), "blur", 1.0, "severity must be 1, 2, 3, 4 or 5, not 1.0"),
    ],
)
def test_what_is_no_image_or_severity_is_named(images, kind, severity, message):
    with pytest.raises(SoftlabError, match=message):
        corrupt(images, kind, severity)


def test_tiny_images_are_blurred_as_far_as_they_reach():
    """Of one row nothing is taken from above and below: each of its pixels is the mean of its mirrored neighbours."""
    images = torch.rand(2, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    assert corrupt(images, "blur", 5).shape == images.shape
    flat = images[:, :, :1, :1].expand(-1, -1, 1, 4)
    assert torch.allclose(corrupt(flat, "blur", 5), flat, atol=1e-6)
