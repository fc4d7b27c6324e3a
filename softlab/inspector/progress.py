"""How long an examination takes: an estimate beforehand, a bar while it runs. The unit is one image's forward pass."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from softlab.batches import WATCHERS
from softlab.errors import at_terminal
from softlab.numbers.look import CORRUPTED, Lens, Look
from softlab.numbers.quantities import RADII, STEEP, WALKED

GRADIENT = 3  # passes that one with a gradient is worth
CORRUPTIONS = 12  # four kinds, three severities


def passes(look: Look, lenses: Sequence[Lens]) -> dict[str, int]:
    """How many passes each lens takes, at most, in this order; fewer where attacks drop images that have fallen."""
    samples = look.samples
    tested = len(samples.test[1])
    met = min(samples.attacked, tested)
    rung = max(1, samples.steps // 2) * 3  # the last one's: half the steps from three points
    ladder = GRADIENT * (1 + 7 + rung)
    counts = {
        "outcomes": tested + len(samples.reference[1]),
        "calibrated": len(samples.fit[1]),
        "sure_when_corrupted": CORRUPTIONS * min(CORRUPTED, tested),
        "attacked": met * (GRADIENT * 7 + len(RADII) * ladder),
        "inward": 2 * min(WALKED, tested) * (GRADIENT * 10 + 1),
        "steep": (met or min(STEEP, tested)) * (GRADIENT + 1),
        "one_step": met * len(RADII) * GRADIENT,
    }
    return {lens.name: counts.get(lens.name, 0) for lens in lenses}


@torch.no_grad()
def seconds_for(model: nn.Module, images: Tensor) -> float:
    """Seconds for one image's forward pass, timed on these, (N, C, H, W) in [0, 1], after a warm-up."""
    begun = time.perf_counter()
    model(images).sum().item()  # which waits for a GPU
    return (time.perf_counter() - begun) / len(images)


def estimate(seconds: float) -> str:
    """`about 3 minutes`."""
    if seconds < 90:
        return f"about {max(1, round(seconds))} seconds"
    return f"about {round(seconds / 60)} minutes" if seconds < 5400 else f"about {seconds / 3600:.1f} hours"


class Bar:
    """A bar over passes; `after(lens)` moves it to the end of that lens's share, even if the lens took fewer."""

    def __init__(self, planned: dict[str, int], model: nn.Module, hidden: bool):
        from tqdm import tqdm

        self.ends = {}
        total = 0
        for name, count in planned.items():
            total += count
            self.ends[name] = total
        form = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"
        self.bar = tqdm(total=total, bar_format=form, leave=False, disable=hidden, desc="outcomes")
        self.hook = model.register_forward_hook(self._count)

    def _count(self, _, inputs, output) -> None:
        room = (self.bar.total or 0) - self.bar.n
        self.bar.update(min(room, len(inputs[0]) * (GRADIENT if torch.is_grad_enabled() else 1)))

    def before(self, name: str) -> None:
        self.bar.set_description(name, refresh=False)

    def after(self, name: str) -> None:
        self.bar.update(self.ends[name] - self.bar.n)

    def __deepcopy__(self, memo) -> "Bar":  # copies of the network, as attacks make them, are counted by the same bar
        return self


@contextmanager
def rows_shown(count: int) -> Iterator[None]:
    """A bar over so many rows of tables that are looked at, after a few seconds, if somebody watches."""
    from tqdm import tqdm

    form = "{desc}: {percentage:3.0f} %|{bar}| {elapsed}, {remaining} left"
    hidden = not at_terminal()
    with tqdm(total=count, bar_format=form, desc="predictions", delay=3, leave=False, disable=hidden) as bar:

        def watch(rows: int) -> None:
            bar.update(min(rows, count - bar.n))

        WATCHERS.append(watch)
        try:
            yield
        finally:
            WATCHERS.remove(watch)


@contextmanager
def shown(planned: dict[str, int], model: nn.Module, wanted: bool) -> Iterator[Bar]:
    """A bar while lenses look at a network, if wanted and at a terminal; its hook never outlives the block."""
    bar = Bar(planned, model, not wanted or not at_terminal())
    try:
        yield bar
    finally:
        bar.hook.remove()
        bar.bar.close()
