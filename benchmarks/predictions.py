"""What examining predictions costs: python benchmarks/predictions.py

One thread, in turns: 50,000 x 1,000 logits of a file, a quarter and a half of them, read, checked and examined, against
one softmax over all, in pieces that fit the cache. Memory is that of a process of its own, beyond what it imports.
"""

import functools
import statistics
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from common import Process, peak_memory, report, side_by_side

from softlab.batches import by_rows
from softlab.notebook.examination import of_predictions
from softlab.notebook.predictions import from_files

ROUNDS = 5
IMAGES = 50_000
CLASSES = 1_000
MEMORY = 400  # MB: twice the file
TIMES = 40  # one softmax


def written(folder: Path, images: int, classes: int = CLASSES) -> Path:
    """A folder with logits of so many images, float32, and their labels."""
    generator = np.random.default_rng(0)
    labels = generator.permutation(np.arange(images) % classes)
    path = folder / f"{images}.npy"
    logits = np.lib.format.open_memmap(path, "w+", dtype=np.float32, shape=(images, classes))
    for start in range(0, images, 5_000):
        rows = slice(start, min(start + 5_000, images))
        logits[rows] = 1.5 * generator.standard_normal((rows.stop - start, classes), dtype=np.float32)
        logits[np.arange(start, rows.stop), labels[rows]] += 6
    np.save(folder / f"{images}-labels.npy", labels)
    return path


def examined(path: Path) -> None:
    of_predictions(from_files(path, path.with_name(f"{path.stem}-labels.npy")))


def memory(pipe, path: Path) -> None:
    torch.set_num_threads(1)
    pipe.send(peak_memory(lambda: examined(path)))


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        paths = {images: written(Path(folder), images) for images in (IMAGES // 4, IMAGES // 2, IMAGES)}
        logits = torch.from_numpy(np.load(paths[IMAGES]))
        reference = "one softmax, the largest of each row"
        contestants: dict[str, Callable[[], object]] = {
            reference: lambda: by_rows(lambda some: some.softmax(1).amax(1), logits)
        }
        names = {images: f"predictions of {images:,} images" for images in paths}
        contestants |= {names[images]: functools.partial(examined, path) for images, path in paths.items()}
        seconds = side_by_side(contestants, ROUNDS)
        megabytes = {names[images]: round(Process(memory, path).get()) for images, path in paths.items()}
    ours = names[IMAGES]
    ratio = statistics.median(one / base for one, base in zip(seconds[ours], seconds[reference], strict=True))
    notes = {
        "peak memory, MB": megabytes,
        "target": f"at most {TIMES} times the softmax and {MEMORY} MB",
        "target met": ratio <= TIMES and megabytes[ours] <= MEMORY,
    }
    report("predictions", reference, seconds, f"{IMAGES:,} x {CLASSES:,} logits in float32, 1 thread", notes)


if __name__ == "__main__":
    main()
