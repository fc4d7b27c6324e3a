"""Networks from files: torchvision's and timm's, with weights as safetensors. Nothing that is loaded can run code."""

import importlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
from torch import Tensor, nn

from softlab.errors import SoftlabError, check_known
from softlab.inspector.heads import one_line

USUAL = 1000  # classes of a network before its weights say how many
SHARD = re.compile(r"(.*)-(\d+)-of-(\d+)\.safetensors")  # one of the files that large networks are split into
BY_ITSELF = "num_batches_tracked"  # what torch does without
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

    weights: the file, or the index of several, NAME.safetensors.index.json, beside which they lie.
    Names of weights may have what torch.compile and DataParallel add, or a beginning in common; what torch does without
    may be missing (num_batches_tracked).
    Raises SoftlabError for a file that is none, or weights that do not fit, in torch's words.
    """
    path = Path(weights).expanduser()
    given = _read(path)
    model = architecture.build(USUAL)
    given, renamed = _unwrapped(given, model.state_dict())
    last = list(model.state_dict())[-1]  # weight or bias of the layer that gives the logits
    classes = len(given[last]) if last in given and given[last].ndim else USUAL
    if classes != USUAL:
        model = architecture.build(classes)
    try:
        model.load_state_dict(given)
    except RuntimeError as error:
        raise SoftlabError(f"{path.name} does not fit {architecture.name}: {one_line(error)}") from None
    return Given(model, tuple(note for note in (architecture.note, renamed) if note))


def _read(path: Path) -> dict[str, Tensor]:
    """The weights in a file, or in all those that an index beside them names."""
    if part := SHARD.fullmatch(path.name):
        stem, number, count = part.groups()
        index = f"{stem}.safetensors.index.json"
        raise SoftlabError(f"{path.name} is part {int(number)} of {int(count)} of a network: give {index} beside it")
    files = _indexed(path) if path.name.endswith(".index.json") else [path]
    weights: dict[str, Tensor] = {}
    for file in files:
        try:
            found = safetensors.torch.load(file.read_bytes())
        except (safetensors.SafetensorError, OSError) as error:
            advice = "Save it by safetensors.torch.save_file(model.state_dict(), …): other files could execute code"
            raise SoftlabError(f"{file} cannot be read as safetensors: {one_line(error)}. {advice}") from None
        if twice := sorted(weights.keys() & found.keys()):
            raise SoftlabError(f"{path} has {twice[0]!r} in two of its files: which of them counts?")
        weights |= found
    return weights


def _indexed(path: Path) -> list[Path]:
    """The files that an index names. A name that is no plain one of a shard is refused: it could lead anywhere."""
    try:
        names = set(json.loads(path.read_bytes())["weight_map"].values())
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise SoftlabError(f"{path} cannot be read as the index of a network's files: {one_line(error)}") from None
    for name in names:
        if not isinstance(name, str) or not SHARD.fullmatch(name) or Path(name).name != name:
            raise SoftlabError(f"{path} names {name!r}, which is no NAME-00001-of-00002.safetensors beside it")
    return [path.parent / name for name in sorted(names)]


def classes_of(model: nn.Module) -> int:
    """How many classes a network of torchvision's or timm's has: the rows of its last weight or bias."""
    return len(list(model.state_dict().values())[-1])


def _unwrapped(given: dict[str, Tensor], expected: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights under the names that a network expects, where only wrappers or one beginning differ; what was done.

    What does not have that beginning, as a criterion's own weights, is left out.
    Raises SoftlabError where several beginnings lead to a whole network: which one is meant?
    """
    counter = {"n_averaged"} - expected.keys()  # AveragedModel's own
    plain = {
        name: ".".join(part for part in name.split(".") if part not in WRAPPERS) for name in given.keys() - counter
    }
    beginnings = _beginnings(plain.values(), expected)
    if len(beginnings) > 1:
        ways = " and ".join(repr(one) for one in beginnings)
        raise SoftlabError(f"the weights hold several networks, {ways}: save the one that is meant alone")
    (common,) = beginnings or [""]
    names = {
        name: name if name in expected else new.removeprefix(common)
        for name, new in plain.items()
        if new.startswith(common)
    }
    fitting = len(set(names.values()) & expected.keys())
    if fitting <= len(given.keys() & expected.keys()) or len(set(names.values())) < len(names):
        return given, ""
    dropped = [f"{part}." for part in WRAPPERS if any(part in name.split(".") for name in names)]
    dropped += [common] * bool(common)
    dropped += sorted(counter & given.keys())
    note = f"Left out of the weights' names: {', '.join(dropped)}"
    foreign = sorted(plain.keys() - names.keys())
    note += f"; left out, as no weights of the network: {', '.join(foreign)}" * bool(foreign)
    return {new: given[name] for name, new in names.items()}, note


def _beginnings(names: Iterable[str], expected: Mapping[str, Tensor]) -> list[str]:
    """What may stand before the names that a network expects: after it each of them is there, or most of them are."""
    held = set(names)
    needed = [name for name in expected if not name.endswith(BY_ITSELF)]
    first = needed[0]
    possible = {name.removesuffix(first) for name in held if name == first or name.endswith(f".{first}")}
    whole = sorted(one for one in possible if all(one + name in held for name in needed))
    nearest = sorted(possible, key=lambda one: sum(one + name in held for name in needed))[-1:]
    return [""] if "" in whole else whole or nearest
