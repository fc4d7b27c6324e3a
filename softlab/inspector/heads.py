"""Which layer gives a network's logits, and how: a linear layer or a convolution, and what the network makes of it.

A convolution counts where it is linear in one feature for each image: if it sees one pixel at a time, and its output is
averaged over the positions (so that the feature is its input's average), or if it sees all of its input at once.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.errors import SoftlabError, check_known

CLOSE = 1e-5  # of the range of the logits: what the model returns, and what is made of a layer's output
Layer = nn.Linear | nn.Conv2d


@dataclass(frozen=True)
class Relation:
    """How what a model returns comes from a layer's output z: factor · z + shift, in a row for each image.

    place: keys that lead to it in what the model returns (none: it is a tensor).  factor, shift: (K,) float64; factor
    above 0, usually the same for all classes.
    exact: it is that; else only its softmax is, as of probabilities, or of logits less one number an image.
    """

    place: tuple[Any, ...]
    factor: Tensor
    shift: Tensor
    exact: bool

    @property
    def plain(self) -> bool:
        """Is it the layer's output itself?"""
        return bool((self.factor == 1).all()) and not self.shift.any()

    def text(self, name: str) -> str:
        """`30 times what the layer 'fc' gives, plus a vector`."""
        low, high = self.factor.aminmax()
        times = f"{low:.4g} to {high:.4g} times, by class, " if low != high else f"{low:.4g} times "
        times = times * bool((self.factor != 1).any())
        return f"{times}what the layer {name!r} gives" + ", plus a vector" * bool(self.shift.any())


@dataclass(frozen=True)
class Wanted:
    """What a person says of a network's logits: the layer, and which of the things that it returns; None: not said."""

    head: str | None = None
    output: str | None = None


@dataclass
class Seen:
    """What last went through a layer: features (N, D) and outputs (N, K), None where it has no such rows; its calls."""

    features: Tensor | None = None
    output: Tensor | None = None
    calls: int = 0


def layers_of(model: nn.Module) -> dict[str, Layer]:
    """The layers that could give logits, by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, Layer) and _whole(layer)}


def _whole(layer: Layer) -> bool:
    """Does every output of a layer see all channels, and nothing that was added around the image?"""
    return isinstance(layer, nn.Linear) or (layer.groups == 1 and layer.padding in (0, (0, 0), "valid", "same"))


def features_of(layer: Layer, given: object) -> Tensor | None:
    """(N, D): what a layer's logits are linear in, of what it was given; None where there is no such thing."""
    if not isinstance(given, Tensor):
        return None
    if isinstance(layer, nn.Linear):
        return given if given.ndim == 2 else None
    if given.ndim != 4 or not _whole(layer):
        return None
    if layer.kernel_size == (1, 1) and layer.stride == (1, 1):
        return given.mean((2, 3))
    whole = given.shape[2:] == layer.kernel_size and layer.padding != "same"
    return given.flatten(1) if whole else None


def weight_of(layer: Layer) -> Tensor:
    """(K, D), that belongs to `features_of`."""
    return layer.weight.detach().flatten(1)


@contextmanager
def watched(layer: Layer) -> Iterator[Seen]:
    """Look at copies of a layer's features and outputs; the hook never outlives the block."""
    seen = Seen()

    def look(_, inputs, output):
        features = features_of(layer, inputs[0] if inputs else None)
        seen.calls += 1
        if features is None or not isinstance(output, Tensor):
            seen.features = None
            seen.output = None
            return
        seen.features = features.clone()
        seen.output = output.clone() if output.ndim == 2 else output.mean((2, 3))

    handle = layer.register_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@torch.no_grad()
def find(model: nn.Module, images: Tensor, wanted: Wanted) -> tuple[str, Relation]:
    """The layer that is wanted, or that the model's output comes from, and how.

    images: (N, C, H, W), as the model takes them.
    Raises SoftlabError, with the names to choose from, where there is none, or where there are several.
    """
    layers = layers_of(model)
    if wanted.head is not None:
        check_known("linear layer", wanted.head, layers)
    made, returned = _outputs(model, layers, images)
    parts = _named(returned, wanted.output)
    able = {name: relations for name, output in made.items() if (relations := _relations(output, parts))}
    if wanted.head in able:
        return wanted.head, _only(able[wanted.head], wanted.head)
    if wanted.head is None and (found := _obvious(able, wanted.output is not None)):
        return found
    raise SoftlabError(_no_head(wanted, made, able, returned))


def _obvious(able: Mapping[str, list[Relation]], named: bool) -> tuple[str, Relation] | None:
    """The layer, and how, where nobody has to be asked; None where it could be another.

    Of a model that returns a tensor, or something called `logits`, the layer that gives just that comes first; of one
    that returns several things the only layer that gives one of them. named: one of them was asked for.
    """
    pairs = [(name, one) for name, relations in able.items() for one in relations if one.exact or named]
    sure = [pair for pair in pairs if named or not pair[1].place or pair[1].place[-1] == "logits"]
    if sure:
        return min(sure, key=lambda pair: (not pair[1].exact, not pair[1].plain))
    return pairs[0] if len(pairs) == 1 else None


def _outputs(model: nn.Module, layers: Mapping[str, Layer], images: Tensor) -> tuple[dict[str, Tensor], object]:
    """What layers give that make W f + b in a row for each image, (N, K) by name; and what the model returns."""
    with ExitStack() as watchers:
        seen = {name: watchers.enter_context(watched(layer)) for name, layer in layers.items()}
        try:
            returned = model(images)
        except Exception as error:  # whatever the model's parts raise
            raise SoftlabError(f"the model fails on images {tuple(images.shape[1:])}: {one_line(error)}") from error
    made = {}
    for name, look in seen.items():
        last = isinstance(returned, Tensor) and look.output is not None and _equal(look.output, returned)
        if look.output is not None and (look.calls == 1 or last) and _gives_logits(layers[name], look, len(images)):
            made[name] = look.output  # of a layer that is called more than once, which output would count?
    return made, returned


def _gives_logits(layer: Layer, look: Seen, count: int) -> bool:
    """Does a layer make W f + b in a row for each of so many images, of at least two classes?"""
    weight = weight_of(layer)
    if look.features is None or look.output is None or look.output.shape != (count, len(weight)) or len(weight) < 2:
        return False
    affine = functional.linear(look.features, weight, layer.bias)
    return torch.allclose(look.output, affine, rtol=1e-3, atol=1e-4, equal_nan=True)


def _only(relations: Sequence[Relation], name: str) -> Relation:
    """Of a layer's ways to what the model returns the only one. Raises SoftlabError where there are several."""
    if len(relations) > 1:
        several = " and ".join(relation.text(name) for relation in relations)
        places = ", ".join(repr(place_name(relation.place)) for relation in relations)
        what = f"the model returns {several}: softlab cannot tell which are its logits"
        raise SoftlabError(f"{what}; name the output, output=…: {places}")
    return relations[0]


def place_name(place: tuple[Any, ...]) -> str:
    """How a thing that a model returns is called: `logits`, `1`, `heads.0`."""
    return ".".join(map(str, place))


def _named(returned: object, output: str | None) -> list[tuple[tuple, Tensor]]:
    """The tensors in what a model returns, or the one that is called so: by its keys, or by the last of them."""
    parts = list(tensors_in(returned))
    if output is None:
        return parts
    for called in (lambda place: place_name(place), lambda place: str(place[-1]) if place else ""):
        chosen = [part for part in parts if called(part[0]) == output]
        if len(chosen) == 1:
            return chosen
    names = [place_name(place) for place, _ in parts if place]
    same = [name for name in names if name.rpartition(".")[2] == output]
    if len(same) > 1:
        raise SoftlabError(f"the model returns several things called {output!r}: {', '.join(same)}")
    if not names:
        raise SoftlabError(f"the model returns {described(returned)}, nothing with a name: leave output={output!r} out")
    check_known("output", output, names)
    return parts


def _no_head(wanted: Wanted, made: Mapping[str, Tensor], able: Mapping[str, list[Relation]], returned: object) -> str:
    """Why no layer gives the logits: what the model returns, what the layer gives, and the names to choose from."""
    what = f"the layer {wanted.head!r} does not give" if wanted.head else "no linear layer gives"
    choice = ", ".join(f"{name!r} ({made[name].shape[1]} classes)" for name in able)
    places = {place_name(one.place): None for relations in able.values() for one in relations if one.place}
    if choice and len(places) > 1:
        choice += f"; or the output, output=…: {', '.join(map(repr, places))}"
    if choice:
        choice = f"name the one that does, head=…: {choice}"
    else:
        near = [wanted.head] if wanted.head else [name for name, output in made.items() if output.shape[1] > 1][-1:]
        gives = "".join(f", {name!r} gives {described(made[name])}" for name in near if name in made)
        related = " (no positive multiple plus a vector)" * bool(gives)
        choice = f"softlab needs a layer that does: the model returns {described(returned)}{gives}{related}"
    return f"{what} the model's logits, W f + b in a row for each image; {choice}"


def described(returned: object) -> str:
    """`(N, 4) from -1.2 to 3.4`, or what is inside."""
    if isinstance(returned, Tensor):
        shape = ", ".join(["N", *map(str, returned.shape[1:])])
        low, high = returned.cpu().double().aminmax() if returned.numel() and not returned.is_complex() else (0, 0)
        return f"({shape}) from {low:.3g} to {high:.3g}"
    parts = [described(tensor) for _, tensor in tensors_in(returned)]
    return f"a {type(returned).__name__} of {' and '.join(parts) or 'no tensor'}"


def _relations(made: Tensor, parts: Sequence[tuple[tuple, Tensor]]) -> list[Relation]:
    """How tensors come from a layer's output (N, K): the ways that differ, exact ones first."""
    found: list[Relation] = []
    for place, tensor in parts:
        rows = tensor.ndim > 0 and len(tensor) == len(made) and tensor.numel() == made.numel()
        if rows and tensor.is_floating_point() and (one := relation_between(made, tensor.reshape(made.shape), place)):
            found.append(one)
    different: list[Relation] = []
    for one in sorted(found, key=lambda relation: not relation.exact):
        if not any(_alike(one, other) for other in different):
            different.append(one)
    return different


def _alike(one: Relation, other: Relation) -> bool:
    """Do they give the same softmax?"""
    shifts = [relation.shift - relation.shift.mean() for relation in (one, other)]
    close = torch.allclose(*shifts, rtol=1e-3, atol=1e-3)
    return close and torch.allclose(one.factor, other.factor, rtol=1e-3, atol=0)


def relation_between(made: Tensor, returned: Tensor, place: tuple = ()) -> Relation | None:
    """Which positive factors and which vector make of `made` (N, K) what is returned (N, K), if there are any."""
    zero = torch.zeros(made.shape[1], dtype=torch.float64)
    itself = Relation(place, zero + 1, zero, True)
    if _equal(made, returned):
        return itself
    rounding = max(1e-6, torch.finfo(returned.dtype).eps)
    made = made.cpu().double()  # in this order: MPS has no float64
    returned = returned.cpu().double()
    if not (made.isfinite().all() and returned.isfinite().all()):
        return None
    for by_class in (False, True):
        if fitted := _fitted(made, returned, rounding, by_class):
            return Relation(place, *fitted, True)
    rows = torch.ones(len(made), dtype=torch.bool)
    logarithm = returned
    if _are_probabilities(returned):
        rows = (returned > 1e-37).all(1)  # of smaller ones the logarithm is lost
        logarithm = returned.log()
    before, after = (values[rows] - values[rows].mean(1, keepdim=True) for values in (made, logarithm))
    if rows.any() and (before - after).abs().max() <= rounding * max(1.0, float(before.abs().max())):
        return dataclasses.replace(itself, exact=False)  # also where all rows are alike: no factor could be fitted
    if rows.sum() > 1 and (fitted := _fitted(before, after, rounding)):
        return Relation(place, *fitted, False)
    if not rows.all() and same_softmax(made, returned):
        return dataclasses.replace(itself, exact=False)
    return None


def _fitted(made: Tensor, returned: Tensor, rounding: float, by_class: bool = False) -> tuple[Tensor, Tensor] | None:
    """factor > 0 and shift, (K,), with returned = factor · made + shift, by least squares; None where that is not so.

    rounding: relative, of what is returned.  by_class: a factor for each class, as of a normalisation behind the head,
    not one for all.  None as well where rows are all alike, so that any factor would do.
    """
    moved = made - made.mean(0)
    followed = returned - returned.mean(0)
    spread = followed.abs().max()
    error = rounding * max(made.abs().max(), returned.abs().max())
    allowed = CLOSE * spread + error
    if moved.abs().max() <= 1e-6 * made.abs().max() or error > 1e-2 * spread:
        return None
    product = moved * followed
    squares = moved**2
    if by_class and (squares.sum(0) == 0).any():
        return None
    factor = product.sum(0) / squares.sum(0) if by_class else (product.sum() / squares.sum()).expand(made.shape[1])
    factor = torch.where((factor - 1).abs() < max(CLOSE, rounding), 1.0, factor)
    shift = (returned - factor * made).mean(0)
    if (factor <= 0).any() or (returned - factor * made - shift).abs().max() > allowed:
        return None
    return factor, shift if shift.abs().max() > allowed else torch.zeros_like(shift)


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same numbers, NaN included."""
    return one.shape == other.shape and torch.allclose(one, other.to(one), rtol=0, atol=0, equal_nan=True)


def _are_probabilities(values: Tensor) -> bool:
    return bool((values >= 0).all() and ((values.sum(1) - 1).abs() < 1e-4).all())


def same_softmax(logits: Tensor, returned: Tensor) -> bool:
    """Are these the softmax of the logits (N, K), or logits that have the same one?"""
    if returned.shape != logits.shape:
        return False
    wanted = returned if _are_probabilities(returned) else returned.softmax(1)
    return torch.allclose(logits.softmax(1), wanted.to(logits.dtype), rtol=0, atol=1e-4)


def tensors_in(returned: object, place: tuple = ()) -> Iterator[tuple[tuple, Tensor]]:
    """The tensors in what a model returns, with the keys that lead there."""
    if isinstance(returned, Tensor):
        yield place, returned
    elif isinstance(returned, Mapping):
        for key, part in returned.items():
            yield from tensors_in(part, (*place, key))
    elif isinstance(returned, tuple) and hasattr(returned, "_fields"):  # a named tuple
        for name in returned._fields:  # pyright: ignore[reportAttributeAccessIssue]
            yield from tensors_in(getattr(returned, name), (*place, name))
    elif isinstance(returned, list | tuple):
        for key, part in enumerate(returned):
            yield from tensors_in(part, (*place, key))
    elif dataclasses.is_dataclass(returned):
        for field in dataclasses.fields(returned):
            yield from tensors_in(getattr(returned, field.name), (*place, field.name))


def at(returned: Any, place: tuple) -> Tensor:
    """The tensor where these keys lead."""
    for key in place:
        by_name = isinstance(key, str) and not isinstance(returned, Mapping)
        returned = getattr(returned, key) if by_name else returned[key]
    return returned


def one_line(error: Exception) -> str:
    """What went wrong inside somebody else's code, not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
