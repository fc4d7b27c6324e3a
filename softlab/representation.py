"""What a network computes on a data set: its features and logits, through hooks that clean up after themselves."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from softlab.errors import SoftlabError


@dataclass
class Tap:
    """What last went through a tapped module: `input` (its first positional argument) and `output`."""

    input: Tensor | None = None
    output: Tensor | None = None


@contextmanager
def tap(module: nn.Module) -> Iterator[Tap]:
    """Look at what flows through `module` in every forward pass inside the block; the hook never outlives it.

    with tap(model.head) as seen:
        model(images)
    seen.input, seen.output   # features (N, D), logits (N, K)
    """
    seen = Tap()

    def look(_, inputs, output):
        seen.input, seen.output = inputs[0] if inputs else None, output

    handle = module.register_forward_hook(look)
    try:
        yield seen
    finally:
        handle.remove()


@dataclass(frozen=True)
class Representation:
    """Features (N, D), logits (N, K), both float32 on the CPU, and labels (N,) int64 of one split."""

    features: Tensor
    logits: Tensor
    labels: Tensor

    @property
    def correct(self) -> Tensor:
        """(N,) bool: is the largest logit the label's?"""
        return self.logits.argmax(1) == self.labels

    @property
    def accuracy(self) -> float:
        """Share of right predictions, in [0, 1]."""
        return self.correct.float().mean().item()


def as_pixels(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]; float images as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


@torch.no_grad()
def extract(
    model: nn.Module, images: Tensor, labels: Tensor, *, head: nn.Module | None = None, batch_size: int = 500
) -> Representation:
    """Features and logits of all images, batch by batch in fp32 and evaluation mode; the model is left as it was.

    images: (N, C, H, W), uint8 or float in [0, 1].  labels: (N,) int64.
    head: the layer whose input is the representation and whose output the logits (None: `model.head`).
    Raises SoftlabError if there are no images, or not as many labels.
    """
    if len(images) == 0 or len(images) != len(labels):
        raise SoftlabError(f"extract needs as many labels as images, at least one: {len(images)} and {len(labels)}")
    device = next(model.parameters()).device
    training = {module: module.training for module in model.modules()}
    model.eval()
    features, logits = [], []
    try:
        with tap(head if head is not None else model.head) as seen:
            for batch in images.split(batch_size):
                model(as_pixels(batch.to(device)).contiguous(memory_format=torch.channels_last))
                features.append(seen.input.float().cpu())
                logits.append(seen.output.float().cpu())
    finally:
        for module, mode in training.items():
            module.training = mode
    return Representation(torch.cat(features), torch.cat(logits), labels.cpu())
