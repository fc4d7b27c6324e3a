"""Which layer gives a network's logits, and how: a linear layer or a convolution, and what the network makes of it.

A convolution counts where it is linear in one feature for each image: if it sees one pixel at a time, and its output is
averaged over the positions (so that the feature is its input's average), or if it sees all of its input at once.

Nothing is guessed: the layer's output must be what the model returns, up to one factor and one vector. Whatever else a
network makes of its last layer is refused, and the person asked for `head` or `output`.
"""

import math
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.checks import are_probabilities
from softlab.errors import SoftlabError, check_known
from softlab.returned import candidates, described

CLOSE = 1e-5  # of the range of the logits: what the model returns, and what is made of a layer's output
Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True)
class Relation:
    """How what a model returns comes from a layer's output z: factor · z + shift, in a row for each image.

    output: which of the things that the model returns (empty: it returns a tensor).  factor: above 0.  shift: (K,)
    float64.  exact: it is that; else only its softmax is, as of probabilities, or of logits less one number an image.
    """

    output: str
    factor: float
    shift: Tensor
    exact: bool = True

    @property
    def plain(self) -> bool:
        """Is it the layer's output itself?"""
        return self.factor == 1 and not self.shift.any()

    def text(self, name: str) -> str:
        """`30 times what the layer 'fc' gives, plus a vector`."""
        times = "" if self.factor == 1 else f"{self.factor:.4g} times "
        return f"{times}what the layer {name!r} gives" + ", plus a vector" * bool(self.shift.any())


def features_of(layer: Layer, given: object) -> Tensor | None:
    """(N, D): what a layer's logits are linear in, of what it was given; None where there is no such thing."""
    if not isinstance(given, Tensor):
        return None
    if isinstance(layer, nn.Linear):
        return given if given.ndim == 2 else None
    if given.ndim != 4 or layer.groups > 1 or layer.padding not in (0, (0, 0), "valid", "same"):
        return None  # outputs that do not see all channels, or that see what was put around the image
    if layer.kernel_size == (1, 1) and layer.stride == (1, 1):
        return given.mean((2, 3))
    whole = given.shape[2:] == layer.kernel_size and layer.padding != "same"
    return given.flatten(1) if whole else None


def weight_of(layer: Layer) -> Tensor:
    """(K, D), that belongs to `features_of`."""
    return layer.weight.detach().flatten(1)


@torch.no_grad()
def find(model: nn.Module, images: Tensor, head: str | None, output: str | None) -> tuple[str, Relation]:
    """The layer that the model's logits come from, and how.

    images: (N, C, H, W), as the model takes them.  head, output: what a person says of the layer, and of which of the
    things that the model returns; then it suffices that the softmax of both is the same.
    Raises SoftlabError, with the names to choose from, where there is none, or where there are several.
    """
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Layer)}
    if head is not None:
        check_known("linear layer", head, layers)
    made, returned = _outputs(model, layers, images)
    parts = candidates(returned, output)
    able = [
        (name, relation)
        for name, logits in made.items()
        for called, tensor in parts.items()
        if (relation := relation_between(logits, tensor, called))
    ]
    named = head is not None or output is not None
    fitting = [pair for pair in able if pair[0] == (head or pair[0]) and (named or pair[1].exact)]
    fitting.sort(key=lambda pair: (not pair[1].exact, not pair[1].plain))
    different = {(name, one.factor, *one.shift.tolist()) for name, one in fitting}
    if fitting and (len(parts) == 1 or len(different) == 1):
        return fitting[0]
    raise SoftlabError(_refusal(head, made, able, len(fitting), returned))


def _outputs(model: nn.Module, layers: Mapping[str, Layer], images: Tensor) -> tuple[dict[str, Tensor], object]:
    """What layers give that make W f + b in a row for each image, (N, K) by name; and what the model returns."""
    made: dict[str, Tensor | None] = {}

    def look(name: str):
        def hook(layer, inputs, output) -> None:  # of a layer that is called again, the last output is the one
            made[name] = _logits_of(layer, inputs[0] if inputs else None, output, len(images))

        return hook

    with ExitStack() as hooks:
        for name, layer in layers.items():
            hooks.enter_context(layer.register_forward_hook(look(name)))
        try:
            returned = model(images)
        except Exception as error:  # whatever the model's parts raise
            raise SoftlabError(f"the model fails on images {tuple(images.shape[1:])}: {one_line(error)}") from error
    return {name: logits for name, logits in made.items() if logits is not None}, returned


def _logits_of(layer: Layer, given: object, output: object, count: int) -> Tensor | None:
    """A copy of what a layer makes, (N, K), where that is W f + b in a row for each of so many images; else None."""
    features = features_of(layer, given)
    if features is None or not isinstance(output, Tensor):
        return None
    logits = output.clone() if output.ndim == 2 else output.mean((2, 3))
    weight = weight_of(layer)
    if logits.shape != (count, len(weight)) or len(weight) < 2:
        return None
    affine = functional.linear(features, weight, layer.bias)
    return logits if torch.allclose(logits, affine, rtol=1e-3, atol=1e-4, equal_nan=True) else None


def _refusal(
    head: str | None, made: Mapping[str, Tensor], able: list[tuple[str, Relation]], fitting: int, returned: object
) -> str:
    """Why no layer is taken: what the model returns, what the layer gives, and the names to choose from."""
    who = f"the layer {head!r} does not give" if head else "no linear layer gives"
    what = f"{who} the model's logits, W f + b in a row for each image"
    if fitting > 1:
        ways = " and ".join(dict.fromkeys(relation.text(name) for name, relation in able))
        what = f"the model returns {ways}: softlab cannot tell which are its logits"
    if not able:
        near = [head] if head else [name for name, output in made.items()][-1:]
        gives = "".join(f", {name!r} gives {described(made[name])}" for name in near if name in made)
        related = " (no positive multiple plus a vector)" * bool(gives)
        return f"{what}; softlab needs a layer that does: the model returns {described(returned)}{gives}{related}"
    choice = ", ".join(dict.fromkeys(f"{name!r} ({made[name].shape[1]} classes)" for name, _ in able))
    places = ", ".join(dict.fromkeys(repr(one.output) for _, one in able if one.output))
    return f"{what}; name the one that does, head=…: {choice}" + f"; or the output, output=…: {places}" * bool(places)


def relation_between(made: Tensor, returned: Tensor, output: str = "") -> Relation | None:
    """Which positive factor and which vector make of `made` (N, K) what is returned, in as many rows, if there are any.

    By least squares; not where rows are all alike, so that any factor would do.
    """
    rows = returned.is_floating_point() and returned.ndim > 0 and len(returned) == len(made)
    if not rows or returned.numel() != made.numel():
        return None
    returned = returned.reshape(made.shape)
    itself = Relation(output, 1.0, torch.zeros(made.shape[1], dtype=torch.float64))
    if _equal(made, returned):
        return itself
    if not (made.isfinite().all() and returned.isfinite().all()):
        return None
    rounding = max(1e-6, torch.finfo(returned.dtype).eps)
    before = made.cpu().double()  # in this order: MPS has no float64
    after = returned.cpu().double()
    moved = before - before.mean(0)
    followed = after - after.mean(0)
    spread = followed.abs().max()
    error = rounding * max(before.abs().max(), after.abs().max())
    allowed = CLOSE * spread + error
    if moved.abs().max() > 1e-6 * before.abs().max() and error <= 1e-2 * spread:
        factor = float((moved * followed).sum() / (moved**2).sum())
        factor = 1.0 if abs(factor - 1) < max(CLOSE, rounding) else factor
        shift = (after - factor * before).mean(0)
        if factor > 0 and (after - factor * before - shift).abs().max() <= allowed:
            return Relation(output, factor, shift if shift.abs().max() > allowed else itself.shift)
    return Relation(output, 1.0, itself.shift, exact=False) if same_softmax(made, returned) else None


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same numbers, NaN included."""
    return one.shape == other.shape and torch.allclose(one, other.to(one), rtol=0, atol=0, equal_nan=True)


def same_softmax(logits: Tensor, returned: Tensor) -> bool:
    """Are these the softmax of the logits (N, K), or logits that have the same one, as far as their precision tells?

    Compared by their logarithms, so that a network that is sure is not taken for one that is twice as sure.
    """
    if returned.shape != logits.shape:
        return False
    precision = torch.finfo(returned.dtype)
    expected = logits.cpu().double().log_softmax(1)
    told = returned.cpu().double()
    probabilities = are_probabilities(returned)
    size = 1 if probabilities else float(told.abs().max())
    told = told.log() if probabilities else told.log_softmax(1)
    close = 1e-3 + 4 * precision.eps * size + 1e-5 * float(logits.abs().max())
    lost = math.log(precision.smallest_normal)  # below it a logarithm says nothing
    return bool((((told - expected).abs() <= close) | ((told <= lost) & (expected <= lost + close))).all())


def one_line(error: Exception) -> str:
    """What went wrong inside somebody else's code, not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
