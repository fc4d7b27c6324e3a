"""Networks of odd kinds: what torch can differentiate gives the plain network's numbers; the rest is one line."""

import copy
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

import softlab
from softlab import SoftlabError, attacks
from softlab.lenses import steepness

SIDE = 4
COUNT = 24


class Checkpointed(nn.Module):
    """Computes its features again on the way back."""

    def __init__(self, plain):
        super().__init__()
        self.body = plain[:3]
        self.head = plain[3]

    def forward(self, images):
        return self.head(checkpoint(self.body, images, use_reentrant=True))


def plain():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE**2, 8), nn.ReLU(), nn.Linear(8, 4))


def made_in_inference_mode():
    with torch.inference_mode():
        return plain()


def quantized():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.ao.quantization.quantize_dynamic(plain(), {nn.Linear})


def exported():
    return torch.export.export(plain(), (pictures()[0],)).module()


def pictures():
    drawing = torch.Generator().manual_seed(0)
    return torch.rand(COUNT, 3, SIDE, SIDE, generator=drawing), torch.arange(COUNT) % 4


def watched(model):
    return softlab.Watch(model, [pictures()])()


def attacked(model):
    images, labels = pictures()
    return {"moved": attacks.pgd(model, images, labels, epsilon=0.02, loss="margin", restarts=2).images.sum().item()}


def steep(model):
    return {"steep": steepness.margin_gradient(model, pictures()[0]).abs().sum().item()}


def examined(model):
    return softlab.examine(model, *pictures(), attacked=2, steps=2).numbers


LOOKS = (watched, attacked, steep, examined)
SAID = {
    quantized: r"^(no gradient of the logits reaches the images, as through a quantized layer: |no linear layer gives)",
    exported: r"^the model is exported, so that it has one mode and one size of batches: give the torch.nn.Module that",
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("made", [lambda: Checkpointed(plain()), made_in_inference_mode])
def test_what_can_be_differentiated_gives_the_numbers_of_the_plain_network(made, look):
    model = made()
    before = copy.deepcopy(model.state_dict())
    assert look(model) == pytest.approx(look(plain()), rel=1e-5, nan_ok=True)
    assert all(torch.equal(before[name], held) for name, held in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("made", SAID)
def test_what_cannot_is_one_line(made, look):
    with pytest.raises(SoftlabError, match=SAID[made]) as caught:
        look(made())
    assert "\n" not in str(caught.value)


def test_attacks_take_arrays_and_refuse_whole_numbers():
    images, labels = pictures()
    expected = attacks.pgd(plain(), images, labels, epsilon=0.02).images
    assert torch.equal(attacks.pgd(plain(), images.numpy(), labels.numpy(), epsilon=0.02).images, expected)
    for attack in (attacks.pgd, attacks.fgsm):
        with pytest.raises(SoftlabError, match=r"floats in \[0, 1\], not torch.int64: divide by 255"):
            attack(plain(), (255 * images).long(), labels, epsilon=0.02)
    masked = np.ma.masked_greater(images.numpy(), 0.9)
    for look in (
        lambda: attacks.pgd(plain(), masked, labels, epsilon=0.02),
        lambda: softlab.examine(plain(), masked, labels),
    ):
        with pytest.raises(SoftlabError, match="images has masked values: leave their rows out, or fill them"):
            look()
