"""Networks that softlab did not build: a copy to look at, its linear head, and networks and images read from files."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import safetensors
import torch
import torch.nn.functional as functional
import torchvision
from safetensors.torch import load_file
from torch import Tensor, nn

from softlab import folders
from softlab.batches import as_pixels
from softlab.errors import SoftlabError, check_known
from softlab.representation import device_of, frozen_copy, tap


class Subject(nn.Module):
    """A copy of a network as the lenses want it: images in [0, 1] -> features (N, D) -> `head` -> logits (N, K).

    It is in evaluation mode and float32, and owns the normalisation.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, model: nn.Module, mean: Tensor, std: Tensor):
        super().__init__()
        self.model, self.name = frozen_copy(model), ""
        self.register_buffer("mean", mean[:, None, None])
        self.register_buffer("std", std[:, None, None])
        self.eval()

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the logits; looked up by name, so that a copy of this network has its own."""
        return cast(nn.Linear, self.model.get_submodule(self.name))

    def forward(self, images: Tensor) -> Tensor:
        with tap(self.head) as seen:
            self.model((images - self.mean) / self.std)
        return seen.output


def subject(
    model: nn.Module, images: Tensor, head: str | nn.Module | None, mean: Sequence[float], std: Sequence[float]
) -> Subject:
    """A copy of a network with its head found, or checked if given (a dotted name, or the layer).

    images: (N, C, H, W), uint8 or in [0, 1]; a few of them go through the network.  mean, std: (C,), or (1,).
    Raises SoftlabError, with the names to choose from, where no linear layer gives one row of logits per image.
    """
    shift, scale = (torch.as_tensor(one, dtype=torch.float32).detach().cpu() for one in (mean, std))
    fit = {shift.shape, scale.shape} <= {(1,), images.shape[1:2]}
    if not fit or not (shift.isfinite() & scale.isfinite() & (scale > 0)).all():
        raise SoftlabError(f"mean and std must be ({images.shape[1]},), finite, std above 0, not {mean} and {std}")
    if isinstance(head, nn.Module):
        head = next((name for name, module in model.named_modules() if module is head), str(head))
    try:
        found = Subject(model, shift, scale).to(device_of(model))
    except Exception as error:  # whatever the model's parts raise
        raise SoftlabError(f"the model cannot be copied by copy.deepcopy: {one_line(error)}") from error
    found.name = _head_name(found, as_pixels(images[:4].to(device_of(model))), head)
    return found


def one_line(error: Exception) -> str:
    """What went wrong inside somebody else's code, not too long."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


@torch.no_grad()
def _head_name(network: Subject, images: Tensor, wanted: str | None) -> str:
    """The layer that is wanted, or whose output is the model's, if its logits are W f + b, one row for each image."""
    layers = {name: module for name, module in network.model.named_modules() if isinstance(module, nn.Linear)}
    if wanted is not None:
        check_known("linear layer", wanted, layers)
    with ExitStack() as taps:
        seen = {name: taps.enter_context(tap(layer)) for name, layer in layers.items()}
        try:
            output = network.model((images - network.mean) / network.std)
        except Exception as error:  # whatever the model's parts raise
            raise SoftlabError(f"the model fails on images {tuple(images.shape[1:])}: {one_line(error)}") from error
    able: dict[str, bool] = {}  # name of a layer -> is its output the model's?
    for name, one in seen.items():
        if one.input is not None:  # else the layer is not used
            layer, made = layers[name], one.output
            is_output = isinstance(output, Tensor) and (made is output or torch.equal(made, output))
            once = is_output or one.calls == 1  # else: which of its outputs would count?
            rows = one.input.ndim == 2 and made.shape == (len(images), layer.out_features) and layer.out_features > 1
            affine = functional.linear(one.input, layer.weight, layer.bias)
            if once and rows and torch.allclose(made, affine, rtol=1e-3, atol=1e-4, equal_nan=True):
                able[name] = is_output
    name = wanted or next(filter(able.get, able), None)
    if name in able:
        return name
    what = f"the layer {name!r} does not give" if name else "no linear layer gives"
    named = ", ".join(f"{name!r} ({layers[name].out_features} classes)" for name in able)
    choice = f"name the one that does, head=…: {named}" if able else "softlab needs a layer that does"
    raise SoftlabError(f"{what} the model's logits, W f + b in a row for each image; {choice}")


def from_files(
    weights: str | Path, architecture: str, folder: str | Path, size: int | None = None
) -> tuple[nn.Module, Tensor, Tensor]:
    """A torchvision network with the weights of a safetensors file, and images (N, 3, H, W) and labels (N,) to see.

    folder: with `<class>/<image>`, classes in alphabetical order, as torchvision's ImageFolder numbers them; where the
    network has more of them than there are folders, a folder's name must be its class's number.  size: in pixels.
    """
    path, folder = Path(weights).expanduser(), Path(folder).expanduser().resolve()
    names = torchvision.models.list_models(module=torchvision.models)
    check_known("architecture", architecture, names)
    files = folders.class_files(folder.parent, folder.name)
    try:
        given = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        advice = "Save it by safetensors.torch.save_file(model.state_dict(), …): other files could execute code"
        raise SoftlabError(f"{path} cannot be read as safetensors: {one_line(error)}. {advice}") from None
    model = torchvision.models.get_model(architecture, weights=None, num_classes=len(files))
    last = list(model.state_dict())[-1]  # weight or bias of the layer that gives the logits
    classes = len(given[last]) if last in given else len(files)
    if classes != len(files):
        model = torchvision.models.get_model(architecture, weights=None, num_classes=classes)
    try:
        model.load_state_dict(given)
    except RuntimeError as error:
        raise SoftlabError(f"{path.name} does not fit {architecture}: {one_line(error)}") from None
    numbers = range(classes) if classes == len(files) else [int(name) for name in files if name.isdecimal()]
    if len(numbers) != len(files):
        raise SoftlabError(f"the network has {classes} classes: name each folder in {folder} by its class's number")
    arrays = folders.decode({"these": files}, size, colour=True)
    labels = torch.tensor(list(numbers))[torch.from_numpy(arrays["these_labels"])]
    return model, torch.from_numpy(arrays["these_images"]), labels
