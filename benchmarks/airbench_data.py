"""The package `airbench` (Jordan 2024, arXiv:2404.00498) on arrays of ours: it reads files, so they are planted.

Its loader looks for `cifar10/train.pt` and `cifar10/test.pt` below the working directory: dictionaries with images
(N, 32, 32, 3) uint8, labels (N,) int64 and classes. It trains on CUDA only. What is planted has been tested; the
training has not been run yet.
"""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from softlab.training.data import Dataset

SHAPE = (3, 32, 32)  # of its networks' images
TARGETS = (0.93, 0.94, 0.95, 0.96)  # what its four recipes are named after


def fits(dataset: Dataset) -> bool:
    """Its networks take images of CIFAR's size in ten classes."""
    return tuple(dataset.train_images.shape[1:]) == SHAPE and len(dataset.classes) == 10


def recipe(target: float) -> str | None:
    """The suffix of the quickest of its recipes whose mean lies above this accuracy; None if there is none."""
    return next((f"{round(100 * one)}" for one in TARGETS if one > target), None)


def plant(folder: Path, dataset: Dataset) -> None:
    """Write a data set's training and test images where airbench looks for CIFAR-10, below `folder`."""
    (folder / "cifar10").mkdir()
    for part in ("train", "test"):
        images = getattr(dataset, f"{part}_images")
        labels = getattr(dataset, f"{part}_labels")
        arrays = {"images": images.permute(0, 2, 3, 1).contiguous(), "labels": labels, "classes": list(dataset.classes)}
        torch.save(arrays, folder / "cifar10" / f"{part}.pt")


@contextlib.contextmanager
def planted(dataset: Dataset) -> Iterator[None]:
    """Work in a temporary folder that holds the data set as airbench expects it."""
    with tempfile.TemporaryDirectory() as folder:
        plant(Path(folder), dataset)
        with contextlib.chdir(folder):
            yield


def epochs(name: str) -> float:
    """Epochs of a run of this recipe."""
    import airbench

    return getattr(airbench, f"lib_airbench{name}").hyp["opt"]["train_epochs"]


def train(dataset: Dataset, name: str) -> tuple[float, float]:
    """Seconds of one run of its recipe, and the accuracy that it counts: on test images augmented, as it does.

    The seconds are those of the whole call, on data that are on the device already: it also makes the network, and
    reads the test images. It runs all its epochs, since its schedule is made to reach its target with the last one.
    """
    search = torch.backends.cudnn.benchmark
    import airbench  # turns cuDNN's search on, for everybody

    recipe = getattr(airbench, f"lib_airbench{name}").hyp
    torch.backends.cudnn.benchmark = True
    try:
        with planted(dataset):
            size = recipe["opt"]["batch_size"]
            augmentation = recipe["aug"]
            loader = airbench.CifarLoader("cifar10", train=True, batch_size=size, aug=augmentation, altflip=True)
            torch.cuda.synchronize()
            started = time.perf_counter()
            model = getattr(airbench, f"train{name}")(loader, verbose=False)
            torch.cuda.synchronize()
            seconds = time.perf_counter() - started
            test = airbench.CifarLoader("cifar10", train=False)
            return seconds, airbench.evaluate(model, test, recipe["net"]["tta_level"])
    finally:
        torch.backends.cudnn.benchmark = search
