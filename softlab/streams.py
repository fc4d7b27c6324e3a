"""Separate, reproducible streams of random numbers.

Each stream is seeded from (seed, purpose, epoch, step) and drawn on the CPU, so that devices and methods see the
same batches, and a run that was interrupted can go on without having stored the state of a generator.
"""

import numpy as np
import torch

PURPOSES = ("subset", "weights", "order", "augmentation", "method", "dropout")


def stream(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> torch.Generator:
    """A generator of its own for this purpose at this step."""
    return torch.Generator().manual_seed(stream_seed(seed, purpose, epoch, step))


def stream_seed(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """The number that seeds `stream`: 62 bits, well mixed by numpy's SeedSequence."""
    entropy = [seed, PURPOSES.index(purpose), epoch, step]
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 2)
