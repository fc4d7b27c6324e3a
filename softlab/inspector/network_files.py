"""Networks from files: torchvision's and timm's, with weights as safetensors. Nothing that is loaded can run code."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from softlab.errors import SoftlabError, check_known
from softlab.inspector.heads import one_line

USUAL = 1000  # classes of a network before its weights say how many
WRAPPERS = ("_orig_mod", "module")  # what torch.compile, DataParallel and AveragedModel put into names


@dataclass(frozen=True)
class Architecture:
    """A network by name: `build(classes)`; normalisation (3,) and size in pixels that belong to it (None: nobody says).

    note: where these come from.
    """

    name: str
    build: Callable[[int], nn.Module]
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    size: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Given:
    """A network, and what was decided on the way."""

    model: nn.Module
    notes: tuple[str, ...]


def architecture_of(name: str) -> Architecture:
    """A network of torchvision's, or of timm's where that is installed: `timm/NAME`, or a name that only timm has.

    Of timm's, normalisation and size are those of its `pretrained_cfg`.  Raises SoftlabError, with the nearest name,
    for another; no name is a path or an address.
    """
    from torchvision import models

    names = models.list_models(module=models)
    if name in names:
        return Architecture(name, lambda classes: models.get_model(name, weights=None, num_classes=classes))
    try:
        timm: Any = importlib.import_module("timm")
    except ModuleNotFoundError:
        if name.startswith("timm/"):
            raise SoftlabError(f"{name!r} needs timm, which is not installed: pip install timm") from None
        check_known("architecture", name, names)
        raise
    wanted = name.removeprefix("timm/")
    plain, _, tag = wanted.partition(".")
    known = timm.list_models() if name != wanted else [*names, *timm.list_models()]
    if plain not in known:
        check_known("architecture", wanted, known)
    if tag:
        check_known("architecture", wanted, timm.list_models(f"{plain}.*", pretrained=True))
    about = timm.get_pretrained_cfg(wanted, allow_unregistered=False)
    size = about.input_size[-1]
    how = f"mean {_listed(about.mean)}, std {_listed(about.std)}, {size} × {size} pixels"
    note = f"Normalisation and size, unless given, are those of timm's pretrained_cfg of {wanted}: {how}, not cropped."
    return Architecture(
        name=plain,
        build=lambda classes: timm.create_model(wanted, pretrained=False, num_classes=classes),
        mean=about.mean,
        std=about.std,
        size=size,
        note=note,
    )


def _listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def network_of(weights: str | Path, architecture: Architecture) -> Given:
    """The network with the weights of a safetensors file, and as many classes as its last layer has there.

    Names of weights may have what torch.compile and DataParallel add, or a beginning in common.
    Raises SoftlabError for a file that is none, or weights that do not fit, with the first names of each kind.
    """
    path = Path(weights).expanduser()
    try:
        given = safetensors.torch.load(path.read_bytes())
    except (safetensors.SafetensorError, OSError) as error:
        advice = "Save it by safetensors.torch.save_file(model.state_dict(), …): other files could execute code"
        raise SoftlabError(f"{path} cannot be read as safetensors: {one_line(error)}. {advice}") from None
    model = architecture.build(USUAL)
    given, renamed = _unwrapped(given, model.state_dict())
    last = list(model.state_dict())[-1]  # weight or bias of the layer that gives the logits
    classes = len(given[last]) if last in given and given[last].ndim else USUAL
    if classes != USUAL:
        model = architecture.build(classes)
    if wrong := _differences(given, model.state_dict()):
        raise SoftlabError(f"{path.name} does not fit {architecture.name}: {wrong}")
    model.load_state_dict(given)
    return Given(model, tuple(note for note in (architecture.note, renamed) if note))


def classes_of(model: nn.Module) -> int:
    """How many classes a network of torchvision's or timm's has: the rows of its last weight or bias."""
    return len(list(model.state_dict().values())[-1])


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
