"""Networks that softlab did not build: a copy to look at, its linear head, and networks and images read from files."""

import dataclasses
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors
import safetensors.torch
import torch
import torch.nn.functional as functional
from torch import Tensor, nn

from softlab.batches import as_pixels
from softlab.errors import SoftlabError, check_known
from softlab.representation import Representation, at_once, device_of, frozen_copy, head_of, tap
from softlab.training import folders

PROBED = 32  # images, spread over all, on which layers are compared with what the model returns
CLOSE = 1e-5  # of the range of the logits: what the model returns, and what is made of a layer's output
CLOSE_ON_ALL = 1e-3  # the same where the layer is computed anew, perhaps on another device
NUMBER = re.compile(r"0|[1-9][0-9]*")
WRAPPERS = ("_orig_mod", "module")  # what torch.compile, DataParallel and AveragedModel put into names


class Head(nn.Linear):
    """Features (N, D) -> logits (N, K), W f + b. Given logits that the model made of them, it passes these on.

    So whoever taps this layer sees features go in, and what the model itself says of them come out.
    """

    def forward(self, features: Tensor, logits: Tensor | None = None) -> Tensor:
        return super().forward(features) if logits is None else logits


@dataclass(frozen=True)
class Relation:
    """How what a model returns comes from a layer's output z: factor · z + shift, in a row for each image.

    place: keys that lead to it in what the model returns (none: it is a tensor).  shift: (K,) float64.
    exact: it is that; else only its softmax is, as of probabilities, or of logits less one number an image.
    """

    place: tuple[Any, ...]
    factor: float
    shift: Tensor
    exact: bool

    @property
    def plain(self) -> bool:
        """Is it the layer's output itself?"""
        return self.factor == 1 and not self.shift.any()

    def text(self, name: str) -> str:
        """`30 times what the layer 'fc' gives, plus a vector`."""
        times = f"{self.factor:.4g} times " if self.factor != 1 else ""
        return f"{times}what the layer {name!r} gives" + ", plus a vector" * bool(self.shift.any())


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
        weight = self.layer.weight.detach()
        bias = self.layer.bias
        if not relation.plain:
            shift = relation.shift.to(weight)
            bias = shift if bias is None else relation.factor * bias.detach() + shift
            weight = relation.factor * weight
        self.head = Head(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
        self.head.weight = nn.Parameter(weight, requires_grad=False)
        if bias is not None:
            self.head.bias = nn.Parameter(bias.detach(), requires_grad=False)

    @property
    def layer(self) -> nn.Linear:
        """The model's own layer; looked up by name, so that a copy of this network has its own."""
        return cast(nn.Linear, self.model.get_submodule(self.name))

    def forward(self, images: Tensor) -> Tensor:
        with tap(self.layer) as seen:
            returned = self.model((images - self.mean) / self.std)
        returned = _at(returned, self.relation.place).float().reshape(len(images), -1)
        if self.relation.exact:
            return self.head(seen.input, returned)
        logits = self.head(seen.input)
        if not torch.is_grad_enabled() and not _same_softmax(logits, returned):
            raise SoftlabError(_not_on_all(self))
        return logits


def adapt(
    model: nn.Module, images: Tensor, head: str | nn.Module | None, mean: Sequence[float], std: Sequence[float]
) -> Adapted:
    """A copy of a network with its head found, or checked if given (a dotted name, or the layer).

    images: (N, C, H, W), uint8 or in [0, 1]; some of them go through the network.  mean, std: (C,), or (1,).
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
    found.choose(*_head(found, as_pixels(probed.to(device_of(model))), head))
    return found


def check_on_all(network: Adapted, seen: Representation) -> None:
    """Raise SoftlabError unless the logits (N, K) are what the head makes of the features, for every image."""
    made = functional.linear(seen.features, *head_of(network))
    if (seen.logits - made).abs().max() > CLOSE_ON_ALL * made.abs().max():
        raise SoftlabError(_not_on_all(network))


def _not_on_all(network: Adapted) -> str:
    logits = f"the model's logits are {network.relation.text(network.name)} on some images, and not on all"
    return f"{logits}: softlab needs W f + b with one W and b for all images"


def one_line(error: Exception) -> str:
    """What went wrong inside somebody else's code, not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


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


@torch.no_grad()
def _head(network: Adapted, images: Tensor, wanted: str | None) -> tuple[str, Relation]:
    """The layer that is wanted, or that the model's output comes from, and how. Its output is W f + b."""
    layers = {name: module for name, module in network.model.named_modules() if isinstance(module, nn.Linear)}
    if wanted is not None:
        check_known("linear layer", wanted, layers)
    made, returned = _outputs(network, layers, images)
    able = {name: relations for name, output in made.items() if (relations := _relations(output, returned))}
    if wanted in able:
        return wanted, _only(able[wanted], wanted)
    direct = {name: found[0] for name, found in able.items() if found[0].exact and not found[0].place}
    if wanted is None and direct:  # of a model that returns logits: no choice is open
        name = min(direct, key=lambda name: not direct[name].plain)
        return name, direct[name]
    raise SoftlabError(_no_head(wanted, made, able, layers, returned))


def _outputs(network: Adapted, layers: Mapping[str, nn.Linear], images: Tensor) -> tuple[dict[str, Tensor], object]:
    """What layers give that make W f + b in a row for each image, (N, K) by name; and what the model returns."""
    with ExitStack() as taps:
        seen = {name: taps.enter_context(tap(layer, keep=True)) for name, layer in layers.items()}
        try:
            returned = network.model((images - network.mean) / network.std)
        except Exception as error:  # whatever the model's parts raise
            raise SoftlabError(f"the model fails on images {tuple(images.shape[1:])}: {one_line(error)}") from error
    made = {}
    for name, look in seen.items():
        last = isinstance(returned, Tensor) and isinstance(look.output, Tensor) and _equal(look.output, returned)
        if (look.calls == 1 or last) and _gives_logits(layers[name], look.input, look.output, len(images)):
            made[name] = look.output  # of a layer that is called more than once, which output would count?
    return made, returned


def _gives_logits(layer: nn.Linear, features: object, output: object, count: int) -> bool:
    """Does a layer make W f + b in a row for each of so many images, of at least two classes?"""
    if not isinstance(features, Tensor) or not isinstance(output, Tensor):
        return False  # the layer is not used
    if features.ndim != 2 or output.shape != (count, layer.out_features) or layer.out_features < 2:
        return False
    affine = functional.linear(features, layer.weight, layer.bias)
    return torch.allclose(output, affine, rtol=1e-3, atol=1e-4, equal_nan=True)


def _only(relations: list[Relation], name: str) -> Relation:
    """Of a layer's ways to what the model returns the only one. Raises SoftlabError where there are several."""
    if len(relations) > 1:
        several = " and ".join(relation.text(name) for relation in relations)
        raise SoftlabError(f"the model returns {several}: softlab cannot tell which are its logits")
    return relations[0]


def _no_head(wanted, made, able, layers, returned) -> str:
    """Why no layer gives the logits: what the model returns, what the layer gives, and the names to choose from."""
    what = f"the layer {wanted!r} does not give" if wanted else "no linear layer gives"
    choice = ", ".join(f"{name!r} ({layers[name].out_features} classes)" for name in able)
    if choice:
        choice = f"name the one that does, head=…: {choice}"
    else:
        near = [wanted] if wanted else [name for name, output in made.items() if output.shape[1] > 1][-1:]
        gives = "".join(f", {name!r} gives {_described(made[name])}" for name in near if name in made)
        related = " (no positive multiple plus a vector)" * bool(gives)
        choice = f"softlab needs a layer that does: the model returns {_described(returned)}{gives}{related}"
    return f"{what} the model's logits, W f + b in a row for each image; {choice}"


def _described(returned: object) -> str:
    """`(N, 4) from -1.2 to 3.4`, or what is inside."""
    if isinstance(returned, Tensor):
        shape = ", ".join(["N", *map(str, returned.shape[1:])])
        low, high = returned.double().aminmax() if returned.numel() and not returned.is_complex() else (0, 0)
        return f"({shape}) from {low:.3g} to {high:.3g}"
    parts = [_described(tensor) for _, tensor in _tensors(returned)]
    return f"a {type(returned).__name__} of {' and '.join(parts) or 'no tensor'}"


def _relations(made: Tensor, returned: object) -> list[Relation]:
    """How tensors in what a model returns come from a layer's output (N, K): the ways that differ, exact ones first."""
    found: list[Relation] = []
    for place, tensor in _tensors(returned):
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
    return close and abs(one.factor - other.factor) <= 1e-3 * one.factor


def relation_between(made: Tensor, returned: Tensor, place: tuple = ()) -> Relation | None:
    """Which positive factor and which vector make of `made` (N, K) what is returned (N, K), if there are any."""
    zero = torch.zeros(made.shape[1], dtype=torch.float64)
    if _equal(made, returned):
        return Relation(place, 1.0, zero, True)
    rounding = max(1e-6, torch.finfo(returned.dtype).eps)
    made = made.double().cpu()
    returned = returned.double().cpu()
    if not (made.isfinite().all() and returned.isfinite().all()):
        return None
    if fitted := _fitted(made, returned, rounding):
        factor, shift = fitted
        return Relation(place, factor, shift, True)
    rows = torch.ones(len(made), dtype=torch.bool)
    logarithm = returned
    if _are_probabilities(returned):
        rows = (returned > 1e-37).all(1)  # of smaller ones the logarithm is lost
        logarithm = returned.log()
    before, after = (values[rows] - values[rows].mean(1, keepdim=True) for values in (made, logarithm))
    if rows.any() and (before - after).abs().max() <= rounding * max(1.0, float(before.abs().max())):
        return Relation(place, 1.0, zero, False)  # also where all rows are alike, so that no factor could be fitted
    if rows.sum() > 1 and (fitted := _fitted(before, after, rounding)):
        factor, shift = fitted
        return Relation(place, factor, shift, False)
    if not rows.all() and _same_softmax(made, returned):
        return Relation(place, 1.0, zero, False)
    return None


def _fitted(made: Tensor, returned: Tensor, rounding: float) -> tuple[float, Tensor] | None:
    """factor > 0 and shift (K,) with returned = factor · made + shift, by least squares; None where that is not so.

    rounding: relative, of what is returned.  None as well where rows are all alike, so that any factor would do.
    """
    moved = made - made.mean(0)
    followed = returned - returned.mean(0)
    spread = followed.abs().max()
    error = rounding * max(made.abs().max(), returned.abs().max())
    allowed = CLOSE * spread + error
    if moved.abs().max() <= 1e-6 * made.abs().max() or error > 1e-2 * spread:
        return None
    factor = float((moved * followed).sum() / (moved**2).sum())
    if abs(factor - 1) < max(CLOSE, rounding):
        factor = 1.0
    shift = (returned - factor * made).mean(0)
    if factor <= 0 or (returned - factor * made - shift).abs().max() > allowed:
        return None
    return factor, shift if shift.abs().max() > allowed else torch.zeros_like(shift)


def _equal(one: Tensor, other: Tensor) -> bool:
    """The same numbers, NaN included."""
    return one.shape == other.shape and torch.allclose(one, other.to(one), rtol=0, atol=0, equal_nan=True)


def _are_probabilities(values: Tensor) -> bool:
    return bool((values >= 0).all() and ((values.sum(1) - 1).abs() < 1e-4).all())


def _same_softmax(logits: Tensor, returned: Tensor) -> bool:
    """Are these the softmax of the logits (N, K), or logits that have the same one?"""
    if returned.shape != logits.shape:
        return False
    wanted = returned if _are_probabilities(returned) else returned.softmax(1)
    return torch.allclose(logits.softmax(1), wanted.to(logits.dtype), rtol=0, atol=1e-4)


def _tensors(returned: object, place: tuple = ()) -> Iterator[tuple[tuple, Tensor]]:
    """The tensors in what a model returns, with the keys that lead there."""
    if isinstance(returned, Tensor):
        yield place, returned
    elif isinstance(returned, Mapping):
        for key, part in returned.items():
            yield from _tensors(part, (*place, key))
    elif isinstance(returned, list | tuple):
        for key, part in enumerate(returned):
            yield from _tensors(part, (*place, key))
    elif dataclasses.is_dataclass(returned):
        for field in dataclasses.fields(returned):
            yield from _tensors(getattr(returned, field.name), (*place, field.name))


def _at(returned: Any, place: tuple) -> Tensor:
    """The tensor where these keys lead."""
    for key in place:
        returned = returned[key] if isinstance(returned, Mapping | list | tuple) else getattr(returned, key)
    return returned


@dataclass(frozen=True)
class Given:
    """A network, images (N, 3, H, W) uint8 and labels (N,) int64 from files, and what was decided on the way."""

    model: nn.Module
    images: Tensor
    labels: Tensor
    notes: tuple[str, ...]


def from_files(weights: str | Path, architecture: str, folder: str | Path, size: int | None = None) -> Given:
    """A torchvision network with the weights of a safetensors file, and images of a folder to see.

    folder: with `<class>/<image>`.  Where all names are whole numbers below the network's number of classes, without
    leading zeros, they are the numbers of the classes; else classes are in alphabetical order, as torchvision's
    ImageFolder numbers them, and there must be as many as the network has.  size: in pixels.
    Names of weights may have what torch.compile and DataParallel add, or a beginning in common.
    """
    from torchvision import models

    path = Path(weights).expanduser()
    folder = Path(folder).expanduser().resolve()
    names = models.list_models(module=models)
    check_known("architecture", architecture, names)
    files = folders.class_files(folder.parent, folder.name)
    try:
        given = safetensors.torch.load(path.read_bytes())
    except (safetensors.SafetensorError, OSError) as error:
        advice = "Save it by safetensors.torch.save_file(model.state_dict(), …): other files could execute code"
        raise SoftlabError(f"{path} cannot be read as safetensors: {one_line(error)}. {advice}") from None
    model = models.get_model(architecture, weights=None, num_classes=len(files))
    given, renamed = _unwrapped(given, model.state_dict())
    last = list(model.state_dict())[-1]  # weight or bias of the layer that gives the logits
    classes = len(given[last]) if last in given else len(files)
    if classes != len(files):
        model = models.get_model(architecture, weights=None, num_classes=classes)
    if wrong := _differences(given, model.state_dict()):
        raise SoftlabError(f"{path.name} does not fit {architecture}: {wrong}")
    model.load_state_dict(given)
    numbers, numbered = class_numbers(list(files), classes, folder)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        arrays = folders.decode({"these": files}, size, colour=True)
    labels = torch.tensor(numbers)[torch.from_numpy(arrays["these_labels"])]
    said = [str(one.message) for one in warned if one.category is folders.Unturned]
    notes = tuple(note for note in (renamed, numbered, *said) if note)
    return Given(model, torch.from_numpy(arrays["these_images"]), labels, notes)


def class_numbers(names: Sequence[str], classes: int, folder: Path) -> tuple[list[int], str]:
    """The class of each folder in a network of so many classes, and what to say of it; names in alphabetical order.

    Raises SoftlabError where only some of the names are numbers of classes, where two stand for one number, or where
    they are no numbers and not as many as there are classes.
    """
    numbers = [name for name in names if NUMBER.fullmatch(name) and int(name) < classes]
    padded = all(re.fullmatch("[0-9]+", name) for name in names)  # 00, 01, …: both ways of reading give the same
    if padded and [int(name) for name in names] == list(range(classes)):
        return list(range(classes)), "Folders are named by the numbers of their classes."
    if len(numbers) == len(names):
        note = "Folders are named by the numbers of their classes (torchvision's ImageFolder would sort them as text)."
        return [int(name) for name in names], note
    if numbers:
        other = next(name for name in names if name not in numbers)
        allowed = f"name all folders in {folder} by a class's number, 0 to {classes - 1} without leading zeros, or none"
        raise SoftlabError(f"folder {numbers[0]!r} is named by a class's number, and {other!r} is not: {allowed}")
    values = [int(name) for name in names if re.fullmatch("[0-9]+", name)]
    if len(set(values)) < len(values):
        raise SoftlabError(f"two folders in {folder} are named by the same number: write it without leading zeros")
    if len(names) != classes:
        advice = f"name each folder in {folder} by its class's number, without leading zeros"
        raise SoftlabError(f"the network has {classes} classes, and there are {len(names)} folders: {advice}")
    return list(range(classes)), "Folders are classes in alphabetical order, as torchvision's ImageFolder numbers them."


def _unwrapped(given: dict[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights under the names that a network expects, where only wrappers or one beginning differ; what was done."""
    common: list[str] = []
    if not given.keys() & expected.keys():
        parts = [[part for part in name.split(".") if part not in WRAPPERS] for name in given if name != "n_averaged"]
        common = _beginning(parts)
    counter = {"n_averaged"} - expected.keys()  # AveragedModel's own
    names = {}
    for name in given.keys() - counter:
        kept = [part for part in name.split(".") if part not in WRAPPERS]
        names[name] = name if name in expected else ".".join(kept[len(common) :])
    fitting = len(set(names.values()) & expected.keys())
    if fitting <= len(given.keys() & expected.keys()) or len(set(names.values())) < len(names):
        return given, ""
    dropped = [f"{part}." for part in WRAPPERS if any(part in name.split(".") for name in names)]
    dropped += [".".join([*common, ""])] * bool(common)
    dropped += sorted(counter & given.keys())
    return {new: given[name] for name, new in names.items()}, f"Left out of the weights' names: {', '.join(dropped)}"


def _beginning(parts: list[list[str]]) -> list[str]:
    """What all these lists begin with."""
    common: list[str] = []
    for column in zip(*parts, strict=False):
        if len(set(column)) > 1:
            break
        common.append(column[0])
    return common


def _differences(given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> str:
    """What is wrong with the weights of a network, in one line with a few names of each kind; nothing if they fit."""
    shapes = [
        f'"{name}" is {tuple(given[name].shape)}, not {tuple(tensor.shape)}'
        for name, tensor in expected.items()
        if name in given and given[name].shape != tensor.shape
    ]
    kinds = {
        "Missing key(s) in state_dict": [f'"{name}"' for name in expected if name not in given],
        "Unexpected key(s) in state_dict": [f'"{name}"' for name in given if name not in expected],
        "Other shapes": shapes,
    }
    said = []
    for kind, names in kinds.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            said.append(f"{kind}: {', '.join(names[:3])}{more}")
    return "; ".join(said)
