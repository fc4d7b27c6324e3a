"""Networks that softlab did not build: a copy to look at, with its head found."""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.errors import SoftlabError
from softlab.inspector import heads
from softlab.inspector.heads import Layer, Relation, Wanted, one_line
from softlab.representation import Representation, at_once, device_of, frozen_copy, head_of, tap

PROBED = 32  # images, spread over all, on which layers are compared with what the model returns
CLOSE_ON_ALL = 1e-3  # of the range of the logits: where the layer is computed anew, perhaps on another device


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
            factor, shift = (one.to(weight.dtype).to(weight.device) for one in (relation.factor, relation.shift))
            bias = shift if bias is None else factor * bias.detach() + shift
            weight = factor[:, None] * weight
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
        returned = heads.at(returned, self.relation.place).float().reshape(len(images), -1)
        features = heads.features_of(self.layer, seen.input)
        if self.relation.exact:
            return self.head(features, returned)
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
    where the model makes something else of them than a positive multiple plus a vector.
    """
    shift, scale = (
        as_tensor(values, name, torch.float32).detach().cpu() for values, name in ((mean, "mean"), (std, "std"))
    )
    fit = {shift.shape, scale.shape} <= {(1,), images.shape[1:2]}
    if not fit or not (shift.isfinite() & scale.isfinite() & (scale > 0)).all():
        raise SoftlabError(f"mean and std must be ({images.shape[1]},), finite, std above 0, not {mean} and {std}")
    if isinstance(head, nn.Module):
        head = next((name for name, module in model.named_modules() if module is head), str(head))
    try:
        found = Adapted(model, shift, scale).to(device_of(model))
    except Exception as error:  # whatever the model's parts raise
        raise SoftlabError(f"the model cannot be copied by copy.deepcopy: {one_line(error)}") from error
    number = min(len(images), max(4, at_once(images, PROBED)))
    probed = images[torch.linspace(0, len(images) - 1, number).long()]
    pixels = as_pixels(probed.to(device_of(model)))
    wanted = Wanted(head, None if output is None else str(output))
    found.choose(*heads.find(found.model, (pixels - found.mean) / found.std, wanted))
    return found


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
    try:
        if isinstance(values, np.ndarray):
            values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
        return torch.as_tensor(values, dtype=dtype)
    except Exception as error:  # torch raises many kinds
        raise SoftlabError(f"{what} must be a tensor, or an array of numbers: {one_line(error)}") from None
