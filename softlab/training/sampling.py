"""Which images a network sees: balanced subsets, long tails, noisy labels, augmentation.

Draws come from batches.stream.
"""

import torch
import torch.nn.functional as functional
from torch import Tensor

from softlab.batches import sent
from softlab.errors import SoftlabError


def balanced_subset(labels: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Indices (size,) of a random subset with as many samples of each class as can be, in random order.

    labels: (N,) int64. Raises SoftlabError if there are fewer than `size` samples.
    """
    if size > len(labels):
        raise SoftlabError(f"{size} images were asked for, but the data set has {len(labels)}")
    order = torch.randperm(len(labels), generator=generator)
    rank = torch.empty_like(order)  # its rank within its class, in the random order
    for label in labels.unique():
        members = order[labels[order] == label]
        rank[members] = torch.arange(len(members))
    return order[rank[order].argsort(stable=True)][:size]


def rank_in_tail(label: int, classes: int, seed: int) -> int:
    """How many classes are more frequent than this one: class seed mod K is the most frequent, and so on upwards.

    So over K consecutive seeds each class has each rank once.
    """
    return (label - seed) % classes


def long_tail(labels: Tensor, ratio: float, classes: int, seed: int) -> Tensor:
    """Ascending indices of the samples to keep so that class sizes fall exponentially.

    labels: (N,) of 0 … classes - 1, in random order.  ratio: of the largest class to the smallest.  The class of rank r
    (rank_in_tail) keeps its first round(n · ratio^(-r / (classes - 1))) samples, where n is the smallest class's size
    as given; so do Cui et al. 2019, with the classes always in the same order.
    Raises SoftlabError if a class would be left without a sample.
    """
    most = int(labels.bincount(minlength=classes).min())
    kept = []
    for label in range(classes):
        rank = rank_in_tail(label, classes, seed)
        count = round(most * ratio ** (-rank / (classes - 1)))
        if count == 0:
            raise SoftlabError(f"long_tail={ratio:g} leaves class {label} without images: the classes have {most} each")
        kept.append((labels == label).nonzero()[:count, 0])
    return torch.cat(kept).sort().values


def resampled(labels: Tensor, share: float, classes: int, generator: torch.Generator) -> Tensor:
    """Labels (N,) of which round(share · N), chosen at random, are drawn anew from 0 … classes - 1 (symmetric noise).

    A draw may hit the true class: share · (1 - 1/classes) of all labels are wrong, on average.
    """
    noisy = labels.clone()
    chosen = torch.randperm(len(labels), generator=generator)[: round(share * len(labels))]
    noisy[chosen] = torch.randint(classes, (len(chosen),), generator=generator)
    return noisy


def flip_shift(images: Tensor, generator: torch.Generator, reach: int = 4) -> Tensor:
    """Mirror each image with probability ½ and shift it by up to `reach` pixels, the border reflected."""
    count, channels, height, width = images.shape
    if reach >= min(height, width):
        needed = f"a shift by {reach} pixels, the border reflected, takes images of at least {reach + 1}"
        raise SoftlabError(f"images are {height} × {width}: {needed}; train with augmentation=flip or none")
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
