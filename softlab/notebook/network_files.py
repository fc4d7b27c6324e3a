"""Networks and images from files: torchvision's networks with weights as safetensors, images of a folder."""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from softlab.errors import SoftlabError, check_known
from softlab.notebook.heads import one_line
from softlab.training import folders

NUMBER = re.compile(r"0|[1-9][0-9]*")
WRAPPERS = ("_orig_mod", "module")  # what torch.compile, DataParallel and AveragedModel put into names


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
