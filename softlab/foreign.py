"""Networks that softlab did not build: a copy to look at, its linear head, and networks and images read from files."""

import copy
from pathlib import Path

import safetensors
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from softlab import data
from softlab.batches import as_pixels
from softlab.errors import SoftlabError, unknown
from softlab.representation import tap

VALUES = 2**22  # of images that a network sees at once: bounds the memory, whatever their size
SHOWN = 8  # linear layers named in an error
# What a network raises when it is given images that it was not made for; not what torch's checkpoints use themselves.
FAILURES = (RuntimeError, ValueError, TypeError, AssertionError, LookupError, AttributeError)


class Subject(nn.Module):
    """A copy of a network as the lenses want it: images in [0, 1] -> features (N, D) -> `head` -> logits (N, K).

    It is in evaluation mode and float32, owns the normalisation, and sees a large batch in parts, with gradients too.
    """

    def __init__(self, model: nn.Module, head: str, mean: Tensor | None = None, std: Tensor | None = None):
        super().__init__()
        self.model, self.name = model, head
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def head(self) -> nn.Linear:
        """The layer that gives the logits; looked up by name, so that a copy of this network has its own."""
        return self.model.get_submodule(self.name)

    def to(self, *arguments, memory_format=None, **options):
        """As for any module, but the layout stays: with `channels_last`, a network's `x.view(len(x), -1)` fails."""
        return super().to(*arguments, **options)

    def forward(self, images: Tensor) -> Tensor:
        parts = images.contiguous().split(max(1, VALUES // images[0].numel()))
        if (
            len(parts) > 1 and torch.is_grad_enabled()
        ):  # keep each part's input only, and compute it again on the way back
            return self.head(torch.cat([checkpoint(self.features, part, use_reentrant=False) for part in parts]))
        return self.head(torch.cat([self.features(part) for part in parts]))

    def features(self, images: Tensor) -> Tensor:
        """What goes into the head, (N, D)."""
        with tap(self.head) as seen:
            run(self.model, self.normalised(images))
        return seen.input

    def normalised(self, images: Tensor) -> Tensor:
        return images if self.mean is None else (images - self.mean[:, None, None]) / self.std[:, None, None]


def run(model: nn.Module, images: Tensor) -> object:
    """model(images), its failure as one line."""
    try:
        return model(images)
    except FAILURES as error:
        shape = " × ".join(map(str, images.shape[1:]))
        text = " ".join(str(error).split())[:300]
        raise SoftlabError(f"the model fails on images of {shape}: {type(error).__name__}: {text}") from error


def subject(
    model: nn.Module, images: Tensor, head: str | nn.Module | None, mean: Tensor | None, std: Tensor | None
) -> Subject:
    """A copy of a network with its head found, or checked if given (a dotted name, or the layer).

    images: (N, C, H, W), uint8 or in [0, 1]; a few of them go through the network.
    Raises SoftlabError, with the names to choose from, where no linear layer gives one row of logits per image.
    """
    if not isinstance(model, nn.Module):
        raise SoftlabError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    if isinstance(head, nn.Module):
        names = [name for name, module in model.named_modules() if module is head]
        if not names:
            raise SoftlabError(f"the head that was given, {head}, is no layer of the model")
        head = names[0]
    try:
        twin = copy.deepcopy(model).float().eval().requires_grad_(False)
    except Exception as error:  # whatever the model's parts raise
        text = " ".join(str(error).split())[:200]
        raise SoftlabError(f"the model cannot be copied (copy.deepcopy: {type(error).__name__}: {text})") from error
    device = next((one.device for one in [*twin.parameters(), *twin.buffers()]), torch.device("cpu"))
    found = Subject(twin, "", mean, std).to(device)
    found.name = _head_name(found, as_pixels(images[:4].to(device)), head)
    return found


@torch.no_grad()
def _head_name(network: Subject, images: Tensor, wanted: str | None) -> str:
    layers = {name: module for name, module in network.model.named_modules() if isinstance(module, nn.Linear)}
    if wanted is not None and wanted not in layers:
        modules = dict(network.model.named_modules())
        if wanted in modules:
            raise SoftlabError(
                f"the head {wanted!r} is a {type(modules[wanted]).__name__}, no nn.Linear; {_named(layers)}"
            )
        raise unknown("linear layer", wanted, layers)
    calls = {name: [] for name in layers}
    handles = [
        layer.register_forward_hook(lambda _, given, made, name=name: calls[name].append((*given[:1], made)))
        for name, layer in layers.items()
    ]
    try:
        output = run(network.model, network.normalised(images))
    finally:
        for handle in handles:
            handle.remove()
    last = {name: made[-1] for name, made in calls.items() if made}
    rows = {name: layers[name] for name, made in last.items() if made[-1].ndim == 2 and len(made[-1]) == len(images)}
    name = wanted if wanted is not None else _giving(output, last, rows or layers)
    if name not in last:
        raise SoftlabError(f"the head {name!r} is not used when the model sees images; {_named(rows)}")
    layer, given, made = layers[name], last[name][0], last[name][-1]
    if made.shape != (len(images), layer.out_features) or given.ndim != 2:
        raise SoftlabError(
            f"the head {name!r} gives {tuple(made.shape)} for {len(images)} images, not a row of logits for each; "
            f"{_named(rows)}"
        )
    if len(calls[name]) > 1 and not _same(made, output):
        raise SoftlabError(
            f"the head {name!r} is used {len(calls[name])} times on the same images: which logits count?"
        )
    if layer.out_features < 2:
        raise SoftlabError(f"the head {name!r} has one output; softmax needs at least two classes")
    if not torch.allclose(
        made, functional.linear(given, layer.weight, layer.bias), rtol=1e-3, atol=1e-4, equal_nan=True
    ):
        raise SoftlabError(f"the output of the head {name!r} is not W f + b: something changes its input or output")
    return name


def _giving(output: object, last: dict[str, tuple], rows: dict[str, nn.Linear]) -> str:
    """The name of the layer whose output is the model's."""
    if not isinstance(output, Tensor):
        raise SoftlabError(f"the model returns a {type(output).__name__}, not one tensor of logits; {_named(rows)}")
    for name, (*_, made) in last.items():
        if _same(made, output):
            return name
    for name in rows:
        if name in last and last[name][-1].shape == output.shape:
            for kind in ("softmax", "log_softmax", "sigmoid"):
                arguments = () if kind == "sigmoid" else (1,)
                if torch.allclose(getattr(last[name][-1], kind)(*arguments), output, atol=1e-5):
                    raise SoftlabError(f"the model ends in a {kind} of the layer {name!r}: give head={name!r}")
    raise SoftlabError(f"no linear layer gives the model's output {tuple(output.shape)}; {_named(rows)}")


def _same(made: Tensor, output: object) -> bool:
    return made is output or (isinstance(output, Tensor) and made.shape == output.shape and torch.equal(made, output))


def _named(layers: dict[str, nn.Linear]) -> str:
    """What can be named as head, for an error: the last ones, as heads come late."""
    if not layers:
        return "softlab needs a model whose logits come from an nn.Linear layer, and this one has none that could"
    shown = [f"{name!r} ({layer.out_features})" for name, layer in list(layers.items())[-SHOWN:]]
    more = f" and {len(layers) - SHOWN} before" if len(layers) > SHOWN else ""
    return f"name the linear layer that gives the logits, head=…: {', '.join(shown)}{more} (in brackets: outputs)"


def load_network(weights: str | Path, architecture: str, classes: int) -> tuple[nn.Module, int]:
    """A torchvision classification network with the weights of a safetensors file, and its number of classes.

    classes: how many it has unless the weights say otherwise.  A file in which pickles can hide is not opened.
    """
    import torchvision

    path = Path(weights).expanduser()
    if path.suffix != ".safetensors":
        raise SoftlabError(
            f"{path} is not read, as such files can execute code: save it as safetensors, "
            f"safetensors.torch.save_file(model.state_dict(), {path.with_suffix('.safetensors').name!r})"
        )
    if not path.is_file():
        raise SoftlabError(f"{path}: there is no such file")
    names = torchvision.models.list_models(module=torchvision.models)
    if architecture not in names:
        raise unknown("architecture", architecture, names)
    try:
        given = load_file(path)
    except (safetensors.SafetensorError, OSError) as error:
        raise SoftlabError(f"{path} cannot be read as safetensors: {error}") from None
    model = torchvision.models.get_model(architecture, weights=None, num_classes=classes)
    for name, own in model.state_dict().items():
        other = given.get(name, own).shape
        if other != own.shape and own.shape[:1] == (classes,) and other[1:] == own.shape[1:]:
            classes = other[0]
            model = torchvision.models.get_model(architecture, weights=None, num_classes=classes)
            break
    own = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes = {name: tuple(tensor.shape) for name, tensor in given.items()}
    wrong = [
        f"{name} is {shapes[name]}, not {own[name]}" for name in own if name in shapes and shapes[name] != own[name]
    ]
    wrong += [f"{name} {own[name]} is missing" for name in own if name not in shapes]
    wrong += [f"{name} {shapes[name]} belongs to another network" for name in shapes if name not in own]
    if wrong:
        more = f" and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise SoftlabError(f"{path.name} does not fit {architecture}: {'; '.join(wrong[:3])}{more}")
    model.load_state_dict(given)
    return model, classes


def from_files(
    weights: str | Path, architecture: str, folder: str | Path, size: int | None = None
) -> tuple[nn.Module, Tensor, Tensor]:
    """A network (load_network), images (N, 3, H, W) uint8 and labels (N,) of `folder/<class>/<image>`.

    Classes are numbered in alphabetical order, as torchvision's ImageFolder does; where the network has more of them
    than there are folders, a folder's name must be its class's number.  size: resize to size × size pixels.
    """
    folder = Path(folder).expanduser().resolve()
    files = data.class_files(folder.parent, folder.name)
    model, classes = load_network(weights, architecture, len(files))
    numbers = list(range(len(files)))
    if classes != len(files):
        wrong = [name for name in files if not (name.isdecimal() and int(name) < classes)]
        if wrong:
            raise SoftlabError(
                f"the network has {classes} classes and {folder} {len(files)}: name each folder by the number of its "
                f"class, 0 to {classes - 1}, not {wrong[0]!r}"
            )
        numbers = [int(name) for name in files]
    arrays = data.decode({"these": files}, size, colour=True)
    labels = torch.tensor(numbers)[torch.from_numpy(arrays["these_labels"])]
    return model, torch.from_numpy(arrays["these_images"]), labels
