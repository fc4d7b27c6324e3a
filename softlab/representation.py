"""What a network computes on a data set: its features and logits, through hooks that clean up after themselves."""

import copy
import functools
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from softlab.batches import as_pixels, by_rows
from softlab.checks import check_pixels
from softlab.errors import SoftlabError
from softlab.returned import candidates, described

PIXELS = 2**22  # of images that a network sees at once: bounds the memory, whatever their size


def at_once(images: Tensor, most: int) -> int:
    """How many images go through a network at once: `most`, or fewer if they are large."""
    return max(1, min(most, PIXELS // images[0].numel()))


def layout(model: nn.Module) -> torch.memory_format:
    """The memory layout of images for a network: that of its first part with a `memory_format`.

    For softlab's own networks that is channels last, which is faster. Others may need the usual layout: with channels
    last, `x.view(len(x), -1)` fails.
    """
    formats = (getattr(module, "memory_format", None) for module in model.modules())
    return next((one for one in formats if isinstance(one, torch.memory_format)), torch.contiguous_format)


def device_of(model: nn.Module) -> torch.device:
    """Where a network is; the CPU if it has neither parameters nor buffers."""
    return next((held.device for held in itertools.chain(model.parameters(), model.buffers())), torch.device("cpu"))


def check_network(model: nn.Module) -> None:
    """Raise SoftlabError unless it is a network whose layers can be seen, and whose answers do not mix images."""
    if not isinstance(model, nn.Module):
        raise SoftlabError(f"the model must be a torch.nn.Module, not {type(model).__name__}")
    if isinstance(model, torch.jit.ScriptModule):
        advice = "give the torch.nn.Module that it was made from"
        raise SoftlabError(f"the model is scripted or traced, so that its layers cannot be seen: {advice}")
    if "eval" in vars(model):  # as torch.export leaves it, with an error in its place
        advice = "give the torch.nn.Module that it was made from"
        raise SoftlabError(f"the model is exported, so that it has one mode and one size of batches: {advice}")
    for name, module in model.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is None:
            said = f"the batch normalisation {name!r} keeps no running statistics"
            raise SoftlabError(f"{said}: the answer to an image would depend on the others in its batch")


def gradient_by(pixels: Tensor, value: Callable[[], Tensor], *, again: bool = False) -> Tensor:
    """The derivative of a number by pixels (N, C, H, W), a leaf; parameters must be without gradients.

    value: computes the number.  again: is another number of the same pass differentiated afterwards?
    Raises SoftlabError where no gradient reaches the pixels, as through a quantized layer.
    """
    try:
        (gradient,) = torch.autograd.grad(value(), pixels, retain_graph=again, allow_unused=True)
    except RuntimeError:  # reentrant checkpointing knows only the way back to all leaves
        value().backward(retain_graph=again)
        gradient = pixels.grad
        pixels.grad = None
    if gradient is None:
        said = "no gradient of the logits reaches the images, as through a quantized layer"
        raise SoftlabError(f"{said}: attacks and slopes need one, other than autoattack's square; Watch takes steep=0")
    return gradient


def frozen_copy(model: nn.Module) -> nn.Module:
    """A copy to look at or to attack: in evaluation mode, float32, its parameters without gradients.

    Modules may hold tensors that they compute from their parameters, as torch.nn.utils.weight_norm makes them: what is
    no leaf cannot be copied by copy.deepcopy, so its value is.  Raises SoftlabError as check_network does.
    """
    check_network(model)
    held = (value for module in model.modules() for value in vars(module).values() if isinstance(value, Tensor))
    computed = {id(value): value.detach().clone() for value in held if not value.is_leaf}
    return copy.deepcopy(model, computed).float().eval().requires_grad_(False)


@dataclass
class Tap:
    """What last went through a tapped module: `input` (its first positional argument) and `output`."""

    input: Any = None
    output: Any = None


@contextmanager
def tap(module: nn.Module, keep: bool = False) -> Iterator[Tap]:
    """Look at what flows through `module` in every forward pass inside the block; the hook never outlives it.

    keep: store copies, safe from what the network changes in place afterwards.

    with tap(model.head) as seen:
        model(images)
    seen.input, seen.output   # features (N, D), logits (N, K)
    """
    seen = Tap()

    def look(_, inputs, output):
        seen.input = inputs[0] if inputs else None
        seen.output = output
        if keep:
            seen.input, seen.output = copy.deepcopy((seen.input, seen.output))

    handle = module.register_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@dataclass(frozen=True)
class Representation:
    """Features (N, D), logits (N, K), both float32 on the CPU, and labels (N,) int64 of one split.

    soft: labels (N, K) that are distributions, of which `labels` is the largest entry (None: there are none).
    """

    features: Tensor
    logits: Tensor
    labels: Tensor
    soft: Tensor | None = None

    @property
    def truth(self) -> Tensor:
        """What likelihood and calibration are against: labels (N,), or soft ones (N, K)."""
        return self.labels if self.soft is None else self.soft

    @property
    def credit(self) -> Tensor:
        """(N,): how right each prediction is, 0 or 1, or what a soft label gives the largest logit."""
        if self.soft is None:
            return self.correct.double()
        return self.soft.gather(1, self.logits.argmax(1, keepdim=True))[:, 0].double()

    @functools.cached_property
    def confidence(self) -> Tensor:
        """(N,): the largest probability."""
        return by_rows(lambda some: some.softmax(1).amax(1), self.logits, dtype=self.logits.dtype)

    @functools.cached_property
    def correct(self) -> Tensor:
        """(N,) bool: is the largest logit the label's?"""
        return self.logits.argmax(1) == self.labels

    @property
    def accuracy(self) -> float:
        """Share of right predictions, in [0, 1]."""
        return self.correct.float().mean().item()


def head_of(model: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (K, D) and bias (K,) of a linear model.head on the CPU, detached, in float32: what geometry lenses take.

    The bias is zero if there is none.
    """
    layer = model.head
    if not isinstance(layer, nn.Linear):
        raise SoftlabError(f"this network's head is no linear layer but {type(layer).__name__}")
    weight = layer.weight.detach().float().cpu()
    return weight, weight.new_zeros(len(weight)) if layer.bias is None else layer.bias.detach().float().cpu()


def _is_returned(output: Tensor, returned: object) -> bool:
    """Is what the head gives what the model returns, or among what could be its logits?"""
    same = (tensor for tensor in candidates(returned).values() if tensor.numel() == output.numel())
    return any(torch.allclose(tensor.reshape(output.shape).to(output), output, equal_nan=True) for tensor in same)


@torch.no_grad()
def refresh_statistics(model: nn.Module, images: Tensor, batch_size: int = 250) -> nn.Module:
    """Set the running statistics of all batch normalisations to those of `images`, in place; returns the model.

    A network trained for an epoch or less has none to speak of: without this, the initial values 0 and 1 would shape
    its features.  images: (N, C, H, W), uint8 or float in [0, 1].
    """
    device = device_of(model)
    update_bn((as_pixels(batch.to(device)) for batch in images.split(batch_size)), model)
    return model.eval()


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; afterwards each part has the mode that it had."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@torch.no_grad()
def extract(
    model: nn.Module, images: Tensor, labels: Tensor, *, head: nn.Module | None = None, batch_size: int = 500
) -> Representation:
    """Features and logits of all images, batch by batch in fp32 and evaluation mode; the model is left as it was.

    images: (N, C, H, W), uint8 or float in [0, 1].  labels: (N,) int64.
    head: the layer whose input is the representation and whose output the logits (None: `model.head`).
    Raises SoftlabError if there are no images, not as many labels, pixels out of range, no such layer, or the model
    returns other logits than its head.
    """
    check_network(model)
    if len(images) == 0 or len(images) != len(labels):
        raise SoftlabError(f"extract needs as many labels as images, at least one: {len(images)} and {len(labels)}")
    layer = getattr(model, "head", None) if head is None else head
    if not isinstance(layer, nn.Module):
        raise SoftlabError("the model has no part called `head`: name the layer that gives the logits, head=…")
    device = device_of(model)
    features = []
    logits = []
    with evaluating(model), tap(layer) as seen:
        for batch in images.split(at_once(images, batch_size)):
            pixels = check_pixels(as_pixels(batch.to(device)))
            returned = model(pixels.contiguous(memory_format=layout(model)))
            if not all(isinstance(part, Tensor) and part.ndim == 2 for part in (seen.input, seen.output)):
                does = f"is given {described(seen.input)} and gives {described(seen.output)}"
                raise SoftlabError(f"the head {does}, not features (N, D) and logits (N, K): name another, head=…")
            if head is None and not _is_returned(seen.output, returned):
                advice = "examine folds in a factor and a vector; or name the layer, head=…"
                raise SoftlabError(f"the model returns other logits than its head gives: {advice}")
            features.append(seen.input.float().cpu())
            logits.append(seen.output.float().cpu())
    return Representation(torch.cat(features), torch.cat(logits), labels.cpu())
