"""Batches: separate streams of random numbers, pixels as numbers, and moving what was drawn to a device.

Each stream is seeded from (seed, purpose, epoch, step) and drawn on the CPU, so that devices and methods see the
same batches, and a run that was interrupted can go on without having stored the state of a generator.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

# In this order for ever: a purpose's place seeds its stream.
PURPOSES = ("subset", "weights", "order", "augmentation", "method", "dropout", "label_noise", "attack")
PURPOSES += ("classes", "teacher")
ROWS = 2**10  # of a table at once, at most
ENTRIES = 2**17  # and no more numbers than that: a few tables of so many stay in the processor's cache
WATCHERS: list[Callable[[int], object]] = []  # of how many rows are done, as a bar is


def stream(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> torch.Generator:
    """A generator of its own for this purpose at this step."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch, step))


def stream_seed(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """The number that seeds `stream`: 62 bits, well mixed by numpy's SeedSequence."""
    return seed_of([seed, PURPOSES.index(purpose), epoch, step])


def seed_of(entropy: Sequence[int]) -> int:
    """One seed of several whole numbers from 0 on: 62 bits, well mixed."""
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 2)


@contextmanager
def cpu_threads(count: int) -> Iterator[None]:
    """Let torch use `count` CPU threads inside the block: their number changes rounding."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def row_slices(table: Tensor) -> Iterator[slice]:
    """Slices of the rows of a table (N, …), ROWS at a time or fewer of wide ones; WATCHERS are told of each done."""
    count = len(table)
    at_once = max(1, min(ROWS, ENTRIES * count // max(1, table.numel())))
    for start in range(0, count, at_once):
        rows = slice(start, min(start + at_once, count))
        yield rows
        for watch in WATCHERS:
            watch(rows.stop - rows.start)


def by_rows(function: Callable[..., Tensor], *tables: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """function(tables) (N,) of tables (N, …), some rows at a time, which stay in the processor's cache.

    The answer has its place before: small tensors between large ones would keep memory from being used again.
    """
    values = torch.empty(len(tables[0]), dtype=dtype, device=tables[0].device)
    for rows in row_slices(tables[0]):
        values[rows] = function(*(table[rows] for table in tables))
    return values


def as_pixels(images: Tensor) -> Tensor:
    """uint8 images as float32 in [0, 1]; float images as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def sent(drawn: Tensor, device: str | torch.device) -> Tensor:
    """Move what was drawn on the CPU to a device; to a GPU through pinned memory, so that nobody waits for it."""
    gpu = torch.device(device).type == "cuda"
    return drawn.pin_memory().to(device, non_blocking=True) if gpu else drawn.to(device)
