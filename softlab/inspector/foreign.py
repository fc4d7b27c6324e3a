"""Networks that softlab did not build: a copy to look at, with its head found."""

import warnings
from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.checks import check_unmasked
from softlab.errors import SoftlabError
from softlab.inspector import heads
from softlab.inspector.heads import Layer, Relation, one_line
from softlab.lenses import answers
from softlab.representation import Representation, at_once, device_of, frozen_copy, head_of, tap
from softlab.returned import tensors_in

PROBED = 32  # images, spread over all, on which layers are compared with what the model returns
CLOSE_ON_ALL = 1e-3  # of the range of the logits: where the layer is computed anew, perhaps on another device
TRIED = 200  # images, on which other pixels than those given are tried
NORMALISATIONS = {
    "that of ImageNet": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    "pixels from -1 to 1": ([0.5], [0.5]),
    "pixels from 0 to 255": ([0.0], [1 / 255]),
    "pixels as they are": ([0.0], [1.0]),
}


class Head(nn.Linear):
    """Features (N, D) -> logits (N, K), W f + b. Given logits that the model made of them, it passes these on.

    So whoever taps this layer sees features go in, and what the model itself says of them come out.
    """

    def forward(self, features: Tensor, logits: Tensor | None = None) -> Tensor:
        return super().forward(features) if logits is None else logits


class Adapted(nn.Module):
    """A copy of a network as the lenses want it: images in [0, 1] -> features (N, D) -> `head` -> logits (N, K).

    It is in evaluation mode and float32, and owns the normalisation.  name: of the layer whose output its logits come
    from.  head: that layer, with the factor and the vector that the model puts on its output folded in.
    """

    mean: Tensor
    std: Tensor
    head: Head
    relation: Relation

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor):
        super().__init__()
        self.model = frozen_copy(model)
        self.name = ""
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])
        self.eval()

    def choose(self, name: str, relation: Relation) -> None:
        """Take the logits from this layer."""
        self.name = name
        self.relation = relation
        weight = heads.weight_of(self.layer)
        bias = self.layer.bias
        if not relation.plain:
            shift = relation.shift.to(weight.dtype).to(weight.device)
            bias = shift if bias is None else relation.factor * bias.detach() + shift
            weight = relation.factor * weight
        self.head = Head(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        self.head.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            self.head.bias = nn.Parameter(bias.detach(), requires_grad=False)

    @property
    def layer(self) -> Layer:
        """The model's own layer; looked up by name, so that a copy of this network has its own."""
        return cast(Layer, self.model.get_submodule(self.name))

    def forward(self, images: Tensor) -> Tensor:
        with tap(self.layer) as seen:
            returned = self.model((images - self.mean) / self.std)
        returned = tensors_in(returned)[self.relation.output].reshape(len(images), -1)
        features = heads.features_of(self.layer, seen.input)
        if self.relation.exact:
            return self.head(features, returned.float())
        logits = self.head(features)
        if not torch.is_grad_enabled() and not heads.same_softmax(logits, returned):
            raise SoftlabError(_not_on_all(self))
        return logits


def adapt(
    model: nn.Module,
    images: Tensor,
    head: str | nn.Module | None,
    mean: Sequence[float],
    std: Sequence[float],
    output: str | int | None = None,
) -> Adapted:
    """A copy of a network with its head found, or checked if given (a dotted name, or the layer).

    images: (N, C, H, W), uint8 or in [0, 1]; some of them go through the network.  mean, std: (C,), or (1,).
    output: which of the things that the model returns are its logits (None: see heads.find).
    Raises SoftlabError, with the names to choose from, where no linear layer gives one row of logits per image, or
    where the model makes something else of them than a positive multiple plus a vector; also where its answer to an
    image depends on the others in its batch.  Warns if it gives other logits when asked again.
    """
    shift, scale = _normalisation(mean, std, images.shape[1])
    if isinstance(head, nn.Module):
        head = next((name for name, module in model.named_modules() if module is head), str(head))
    try:
        found = Adapted(model, shift, scale).to(device_of(model))
    except Exception as error:  # whatever the model's parts raise
        raise SoftlabError(f"the model cannot be copied by copy.deepcopy: {one_line(error)}") from error
    number = min(len(images), max(4, at_once(images, PROBED)))
    probed = images[torch.linspace(0, len(images) - 1, number).long()]
    pixels = as_pixels(probed.to(device_of(model)))
    normalised = (pixels - found.mean) / found.std
    found.choose(*heads.find(found.model, normalised, head, None if output is None else str(output)))
    some = pixels[: max(2, at_once(images, PROBED))]
    with torch.no_grad():
        logits = found(some)
    if answers.are_drawn(found, some, logits):
        warnings.warn(answers.RANDOM, stacklevel=2)
    return found


def _normalisation(mean: Sequence[float], std: Sequence[float], channels: int) -> tuple[Tensor, Tensor]:
    """The two as tensors, (C,) or (1,). Raises SoftlabError where pixels in [0, 1] have no such mean and deviation."""
    shift = as_tensor(mean, "mean", torch.float32).detach().cpu()
    scale = as_tensor(std, "std", torch.float32).detach().cpu()
    fit = {shift.shape, scale.shape} <= {(1,), (channels,)}
    if not fit or not ((shift >= 0) & (shift <= 1) & (scale > 0) & (scale <= 1)).all():  # or NaN
        what = f"mean and std must be ({channels},) and those of pixels in [0, 1], std above 0, not {mean} and {std}"
        raise SoftlabError(f"{what}: divide those of 0 to 255 by 255")
    return shift, scale


@torch.no_grad()
def warn_of_pixels(network: Adapted, images: Any, labels: Tensor) -> None:
    """Warn where a network is right far more often on pixels of another kind: those it was trained on.

    images: (N, C, H, W), uint8 or in [0, 1], or Pictures; up to TRIED of them go through the network a few times.
    labels: (N,).  Far more often: by three standard errors, and on a twentieth of the images at least.
    """
    rows = torch.linspace(0, len(labels) - 1, min(TRIED, len(labels))).long()
    pixels = as_pixels(images[rows])

    def right(pixels: Tensor) -> Tensor:
        parts = pixels.split(at_once(pixels, PROBED))
        return torch.cat([network(part.to(network.mean.device)).argmax(1).cpu() for part in parts]) == labels[rows]

    given = right(pixels)
    tried = {way: right(other) for way, other in _other_pixels(network, pixels).items()}
    best = max(tried, key=lambda way: int(tried[way].sum()))
    gained = int((tried[best] & ~given).sum())
    lost = int((given & ~tried[best]).sum())
    if gained - lost <= max(3 * (gained + lost) ** 0.5, len(rows) / 20):
        return
    before, after = (100 * float(some.float().mean()) for some in (given, tried[best]))
    said = f"with {best} it would be right on {after:.0f} % of {len(rows)} images for fitting, not on {before:.0f} %"
    warnings.warn(f"{said}: every number here is of pixels unlike those that it was trained on", stacklevel=1)


def _other_pixels(network: Adapted, pixels: Tensor) -> dict[str, Tensor]:
    """What to give the network so that its model sees pixels (N, C, H, W) normalised otherwise; how -> images."""
    over = (0, 2, 3)
    spread = {"that of these images": (pixels.mean(over).tolist(), pixels.std(over).tolist())}
    ways = {"red and blue swapped": pixels.flip(1)} if pixels.shape[1] == 3 else {}
    for way, (mean, std) in (NORMALISATIONS | spread).items():
        if len(mean) in (1, pixels.shape[1]) and min(std) > 0:
            shift, scale = (torch.tensor(values)[:, None, None] for values in (mean, std))
            shown = (", ".join(f"{value:.3g}" for value in values) for values in (mean, std))
            seen = (pixels - shift) / scale
            ways["mean {} and std {} ({})".format(*shown, way)] = seen * network.std.cpu() + network.mean.cpu()
    return ways


def check_on_all(network: Adapted, seen: Representation) -> None:
    """Raise SoftlabError unless the logits (N, K) are what the head makes of the features, for every image."""
    made = functional.linear(seen.features, *head_of(network))
    if (seen.logits - made).abs().max() > CLOSE_ON_ALL * made.abs().max():
        raise SoftlabError(_not_on_all(network))


def _not_on_all(network: Adapted) -> str:
    logits = f"the model's logits are {network.relation.text(network.name)} on some images, and not on all"
    return f"{logits}: softlab needs W f + b with one W and b for all images"


def as_tensor(values: object, what: str, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor of what is given: a tensor, an array of any strides and byte order, a list.

    Raises SoftlabError if it is nothing that torch takes.
    """
    check_unmasked(values, what)
    try:
        if isinstance(values, np.ndarray):
            values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        return torch.as_tensor(values, dtype=dtype)
    except Exception as error:  # torch raises many kinds
        raise SoftlabError(f"{what} must be a tensor, or an array of numbers: {one_line(error)}") from None
