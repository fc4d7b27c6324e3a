"""What a network sees: separate streams of random numbers, the images drawn, their pixels, augmentation.

Each stream is seeded from (seed, purpose, epoch, step) and drawn on the CPU, so that devices and methods see the
same batches, and a run that was interrupted can go on without having stored the state of a generator.
"""

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.errors import SoftlabError

PURPOSES = ("subset", "weights", "order", "augmentation", "method", "dropout", "label_noise", "attack")


def stream(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> torch.Generator:
    """A generator of its own for this purpose at this step."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch, step))


def stream_seed(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """The number that seeds `stream`: 62 bits, well mixed by numpy's SeedSequence."""
    entropy = [seed, PURPOSES.index(purpose), epoch, step]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 2)


def balanced_subset(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Indices (size,) of a random subset with as many samples of each class as can be, in random order.

    labels: (N,) int64. Raises SoftlabError if there are fewer than `size` samples.
    """
    if size > len(labels):
        raise SoftlabError(f"{size} images were asked for, but the data set has {len(labels)}")
    order = torch.randperm(len(labels), generator=generator)
    rank = torch.empty_like(order)  # the how-manieth of its class, in the random order
    for label in labels.unique():
        members = order[labels[order] == label]
        rank[members] = torch.arange(len(members))
    return order[rank[order].argsort(stable=True)][:size]


def resampled(labels: Tensor, share: float, classes: int, generator: torch.Generator) -> Tensor:
    """Labels (N,) of which round(share · N), chosen at random, are drawn anew from 0 … classes - 1 (symmetric noise).

    A draw may hit the true class: share · (1 - 1/classes) of all labels are wrong, on average.
    """
    noisy = labels.clone()
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    noisy[chosen] = torch.randint(classes, (len(chosen),), generator=generator)
    return noisy


def as_pixels(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]; float images as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def sent(drawn: Tensor, device: str | torch.device) -> Tensor:
    """What was drawn on the CPU, on that device: to a GPU through pinned memory, so that nobody waits for it."""
    gpu = torch.device(device).type == "cuda"
    return drawn.pin_memory().to(device, non_blocking=True) if gpu else drawn.to(device)


def flip_shift(images: Tensor, generator: torch.Generator, reach: int = 4) -> Tensor:
    """Mirror each image with probability ½ and shift it by up to `reach` pixels, the border reflected."""
    count, channels, height, width = images.shape
    mirrored = torch.rand(count, generator=generator) < 0.5
    offsets = torch.randint(2 * reach + 1, (count, 2), generator=generator)
    rows = offsets[:, 0, None] + torch.arange(height)
    columns = offsets[:, 1, None] + torch.arange(width)
    columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    rows = sent(rows, images.device)
    columns = sent(columns, images.device)
    padded = functional.pad(images, (reach,) * 4, mode="reflect")
    which = torch.arange(count, device=images.device)[:, None, None, None]
    channel = torch.arange(channels, device=images.device)[None, :, None, None]
    return padded[which, channel, rows[:, None, :, None], columns[:, None, None, :]]
