"""Images and labels as arrays: `load(name) -> Dataset`.

`fashion-mini` comes with the package; `fashion-mnist`, `cifar10` and `cifar100` are downloaded and verified by
torchvision; `fashion-heldout` is `fashion-mnist` scored on 5,000 of its training images, which are left out of
training; `fashion-large` has all of its training images, and is scored on those of fashion-mini; `fashion-pairs` has
pairs of the latter side by side, of 100 classes, and `cifar10-jpeg-pairs` of colour images; `folder:PATH` reads
`PATH/train/<class>/*` and `PATH/test/<class>/*`. Pixels stay uint8: they are turned into numbers on the device, batch
by batch. Each test set is split once and for all into a part for fitting (a temperature, say) and a part that is
scored. Add your own, in a notebook's cell if you like, with

    @data.register("mine")
    def mine(root):
        return data.assemble("mine", parts, classes, "where it is from")
"""

import contextlib
import dataclasses
import functools
import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from softlab.batches import stream
from softlab.errors import SoftlabError, check_known, check_name
from softlab.files import write_whole
from softlab.provenance import cache_folder
from softlab.training.folders import DECODING, LeftOut, class_files, decode, left_out
from softlab.training.sampling import balanced_subset

EMBEDDED = Path(__file__).parent / "datasets" / "fashion_mini.npz"
FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
TORCHVISION = {"fashion-mnist": "FashionMNIST", "cifar10": "CIFAR10", "cifar100": "CIFAR100"}


@dataclass(frozen=True)
class Dataset:
    """Images (N, C, H, W) uint8 and labels (N,) int64 in three parts that share no image.

    `train`: to train on. `fit`: a class-balanced part of the test set for fitting after training. `test`: the rest,
    which is scored. `mean` and `std`: (C,), of the training images in [0, 1]. `digest`: sha256 over all arrays.
    `train_targets`: how people, or another network, label each training image, distributions (N, K) as in CIFAR-10H; a
    network is trained on these instead of the labels. None: there are only labels.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    fit_images: Tensor
    fit_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor
    digest: str
    source: str
    train_targets: Tensor | None = None

    def first_classes(self, count: int | None) -> "Dataset":
        """The same data set with its first `count` classes only (None: all); normalised as before."""
        if count is None or count == len(self.classes):
            return self
        if count > len(self.classes):
            raise SoftlabError(f"{self.name} has {len(self.classes)} classes, not {count}")
        return self.only(range(count))

    def only(self, kept: Sequence[int]) -> "Dataset":
        """The same data set with these classes only, renumbered in this order; normalised as before."""
        if self.train_targets is not None:
            raise SoftlabError(f"{self.name} has distributions over all its classes: none can be left out")
        place = torch.full((len(self.classes),), -1)
        place[list(kept)] = torch.arange(len(kept))
        parts = {}
        for part in ("train", "fit", "test"):
            labels = place[getattr(self, f"{part}_labels")]
            parts |= {f"{part}_images": getattr(self, f"{part}_images")[labels >= 0]}
            parts |= {f"{part}_labels": labels[labels >= 0]}
        classes = tuple(self.classes[number] for number in kept)
        digest = _digest(parts, classes, self.mean, self.std)
        return dataclasses.replace(self, **parts, classes=classes, digest=digest)

    def halves(self, seed: int) -> tuple[list[int], list[int]]:
        """Two halves of the classes, drawn by a seed, each in ascending order; of an odd number one is left out."""
        order = torch.randperm(len(self.classes), generator=stream(seed, "classes")).tolist()
        size = len(order) // 2
        return sorted(order[:size]), sorted(order[size : 2 * size])


REGISTRY: dict[str, Callable[[Path], Dataset]] = {}


def register(name: str) -> Callable[[Callable[[Path], Dataset]], Callable[[Path], Dataset]]:
    """Decorator: make a data set known under `name` (small letters, digits, -). Again: replaces it.

    The function takes the folder for downloads and returns the Dataset, the same one each time.
    """
    check_name("data set", name, joint="-")

    def keep(make: Callable[[Path], Dataset]) -> Callable[[Path], Dataset]:
        REGISTRY[name] = make
        forget()
        return make

    return keep


def load(name: str, root: str | Path | None = None) -> Dataset:
    """The data set of that name; the same object when asked again.

    root: where downloads go (else SOFTLAB_DATA, else the user's cache folder).
    Raises SoftlabError for an unknown name, a failed download, or a folder that is not a data set.
    """
    root = Path(root or os.environ.get("SOFTLAB_DATA") or cache_folder() / "data")
    return _load(str(name), root, _state_of(str(name)))


def forget() -> None:
    """Forget loaded data sets, as what a name stands for has changed."""
    _load.cache_clear()


@functools.lru_cache(maxsize=2)
def _load(name: str, root: Path, state: str = "") -> Dataset:
    """state: that of an image folder's files; if it changes, the folder is read again."""
    if name.startswith("folder:"):
        return _from_folder(name, Path(name.removeprefix("folder:")).expanduser())
    check_known("data set", name, [*REGISTRY, "folder:PATH"])
    return REGISTRY[name](root)


def split_test(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the `fit` part, a quarter of the test set, at most 1,000, and of the rest, which is scored.

    labels: (N,) int64. Both parts have the classes as often as they come, and each class is scored
    unless most have only one image. Where classes come
    equally often, up to one image, the first images of a balanced order are for fitting. Else images are sorted by
    class, in a random order of each, and as many as are wanted are taken at equal distances.
    """
    size = min(1000, len(labels) // 4)
    draws = torch.Generator().manual_seed(0)
    count = labels.unique(return_counts=True)[1]
    if len(labels) == 0 or count.max() - count.min() <= 1:
        order = balanced_subset(labels, len(labels), draws)
        taken = torch.arange(len(labels)) < size
    else:
        order = torch.randperm(len(labels), generator=draws)
        by_class = labels[order].argsort(stable=True)
        taken = torch.zeros(len(labels), dtype=torch.bool)
        taken[by_class[((torch.arange(size) + 0.5) * len(labels) / size).long()]] = True
    spared = taken & torch.isin(labels[order], labels[order][~taken])  # no class loses its only image
    taken = spared if 2 * spared.sum() >= size else taken  # but where most classes have only one
    return order[taken], order[~taken]


@functools.lru_cache(maxsize=2)
def outside(dataset: Dataset, name: str) -> tuple[Tensor, Tensor]:
    """Test images and labels of another data set, its `fit` part included, without any that `dataset` has too.

    name: as in `load`; it must have the same classes.
    """
    other = load(name)
    if [label.lower() for label in other.classes] != [label.lower() for label in dataset.classes]:
        raise SoftlabError(f"{name} has other classes than {dataset.name}: it cannot test its networks")
    images = torch.cat([other.fit_images, other.test_images])
    labels = torch.cat([other.fit_labels, other.test_labels])
    own = {image.numpy().tobytes() for part in ("train", "fit", "test") for image in getattr(dataset, f"{part}_images")}
    new = torch.tensor([image.numpy().tobytes() not in own for image in images])
    return images[new], labels[new]


def held_out(dataset: Dataset, name: str, count: int) -> Dataset:
    """The same data set, scored on `count` of its training images, balanced by class, instead of its test images."""
    images = dataset.train_images
    labels = dataset.train_labels
    order = balanced_subset(labels, len(labels), torch.Generator().manual_seed(0))
    held = order[:count]
    kept = order[count:].sort().values
    parts = _parts(dataset) | {"train_images": images[kept], "train_labels": labels[kept]}
    parts |= {"test_images": images[held], "test_labels": labels[held]}
    return assemble(name, parts, dataset.classes, f"{dataset.source}, {count:,} training images held out")


def assemble(name: str, parts: dict[str, Tensor], classes: tuple[str, ...], source: str) -> Dataset:
    """A data set of {train_images, train_labels, fit_images, …}, as in Dataset; mean, std and digest are computed.

    Raises SoftlabError if there are train_targets that are not distributions over the classes.
    """
    if "train_targets" in parts:
        _check_targets(name, parts["train_targets"], len(parts["train_labels"]), len(classes))
    channels = parts["train_images"].transpose(0, 1)
    count = torch.stack([channel.reshape(-1).bincount(minlength=256) for channel in channels]).double()  # no float copy
    values = torch.arange(256, dtype=torch.float64) / 255
    share = count / count.sum(1, keepdim=True)
    mean = share @ values
    std = (share * (values - mean[:, None]) ** 2).sum(1).sqrt().clamp(min=1e-3)
    mean = mean.float()
    std = std.float()
    digest = _digest(parts, classes, mean, std)
    return Dataset(name, **parts, classes=classes, mean=mean, std=std, digest=digest, source=source)


def _check_targets(name: str, targets: Tensor, images: int, classes: int) -> None:
    """Raise SoftlabError unless there is a distribution over the classes for each training image."""
    if targets.shape != (images, classes) or targets.dtype != torch.float32:
        given = f"{tuple(targets.shape)} of {targets.dtype}"
        raise SoftlabError(f"{name}: train_targets must be ({images}, {classes}) of float32, not {given}")
    wrong = ~(((targets >= 0) & targets.isfinite()).all(1) & ((targets.sum(1) - 1).abs() < 1e-3))
    if wrong.any():
        row = int(wrong.int().argmax())
        raise SoftlabError(
            f"{name}: row {row} of train_targets is no distribution: its sum is {float(targets[row].sum()):g}"
        )


@register("fashion-mini")
def _fashion_mini(root: Path) -> Dataset:
    with np.load(EMBEDDED, allow_pickle=False) as arrays:
        parts = {key: torch.from_numpy(arrays[key]) for key in arrays}
    return assemble("fashion-mini", parts, FASHION, "Fashion-MNIST (Xiao 2017, MIT licence), embedded subset")


@register("fashion-heldout")
def _fashion_heldout(root: Path) -> Dataset:
    return held_out(_load("fashion-mnist", root), "fashion-heldout", 5000)


@register("fashion-large")
def _fashion_large(root: Path) -> Dataset:
    all_of = _load("fashion-mnist", root)
    train = {"train_images": all_of.train_images, "train_labels": all_of.train_labels}
    parts = _parts(_load("fashion-mini", root)) | train
    return assemble("fashion-large", parts, FASHION, f"{all_of.source}, scored on those that are embedded")


@register("fashion-pairs")
def _fashion_pairs(root: Path) -> Dataset:
    """Two images side by side: 60,000 to train on, all ordered pairs of classes; each part from that part's images."""
    sizes = {"train": 60_000, "fit": 1_000, "test": 6_000}
    return _in_pairs("fashion-pairs", _load("fashion-mini", root), sizes)


def _in_pairs(name: str, singles: Dataset, sizes: dict[str, int]) -> Dataset:
    """Ordered pairs of a data set's images, with a given number in each part; images of a part appear equally often."""
    generator = torch.Generator().manual_seed(0)
    parts = {}
    for part, count in sizes.items():
        images = getattr(singles, f"{part}_images")
        labels = getattr(singles, f"{part}_labels")
        rounds = [side_by_side(images, labels, generator) for _ in range(count // len(images))]
        pairs, pair_labels = map(torch.cat, zip(*rounds, strict=True))
        order = balanced_subset(pair_labels, len(pair_labels), generator)  # so that the first ones are of all classes
        parts |= {f"{part}_images": pairs[order], f"{part}_labels": pair_labels[order]}
    classes = tuple(f"{left} & {right}" for left in singles.classes for right in singles.classes)
    return assemble(name, parts, classes, f"{singles.source}, two side by side")


def side_by_side(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pairs (N, C, H, 2W) of images, each once on the left and once on the right, and their labels (N,).

    labels: of K classes, n of each, where K divides n. A pair of class K a + b has class a on the left and class b on
    the right; there are n / K of each.
    """
    members = torch.stack([(labels == label).nonzero().squeeze(1) for label in labels.unique()])  # (K, n)
    count, of_each = members.shape
    sides = []
    for _ in range(2):  # row: the own class, column: that of the other side
        order = torch.stack([torch.randperm(of_each, generator=generator) for _ in range(count)])
        sides.append(members.gather(1, order).reshape(count, count, -1))
    left = sides[0].flatten()
    right = sides[1].transpose(0, 1).flatten()
    return torch.cat([images[left], images[right]], dim=3), count * labels[left] + labels[right]


@register("cifar10-jpeg")
def _cifar10_jpeg(root: Path) -> Dataset:
    if not (root / "cifar10-jpeg").is_dir():
        advice = "it is an image folder of your own, in SOFTLAB_DATA; cifar10 downloads the original"
        raise SoftlabError(f"cifar10-jpeg: {root / 'cifar10-jpeg'} is not a folder ({advice})")
    dataset = _from_folder("cifar10-jpeg", root / "cifar10-jpeg")
    return dataclasses.replace(dataset, source="CIFAR-10, re-encoded as JPEG: labels are right, pixels are not equal")


@register("cifar10-jpeg-pairs")
def _cifar10_jpeg_pairs(root: Path) -> Dataset:
    """As fashion-pairs, with 50,000 to train on: each has a different image on the left, and on the right."""
    sizes = {"train": 50_000, "fit": 1_000, "test": 9_000}
    return _in_pairs("cifar10-jpeg-pairs", _load("cifar10-jpeg", root), sizes)


def _parts(dataset: Dataset) -> dict[str, Tensor]:
    kinds = [f"{part}_{kind}" for part in ("train", "fit", "test") for kind in ("images", "labels")]
    return {kind: getattr(dataset, kind) for kind in kinds}


def _digest(parts: dict[str, Tensor], classes: tuple[str, ...], mean: Tensor, std: Tensor) -> str:
    """sha256 over everything that a network can see of a data set."""
    digest = hashlib.sha256(repr((classes, mean.tolist(), std.tolist())).encode())
    for key in sorted(parts):
        digest.update(f"{key} {tuple(parts[key].shape)}".encode())
        digest.update(parts[key].contiguous().numpy().data)
    return digest.hexdigest()


def _split_parts(train_images, train_labels, test_images, test_labels) -> dict[str, Tensor]:
    parts = {"train_images": train_images, "train_labels": train_labels}
    split = split_test(test_labels)
    if len(split[0]) == 0:
        needed = "at least four, and two of a class, are needed: a quarter is for fitting a temperature"
        raise SoftlabError(f"there are {len(test_labels)} test images: {needed}")
    for part, rows in zip(("fit", "test"), split, strict=True):
        parts |= {f"{part}_images": test_images[rows], f"{part}_labels": test_labels[rows]}
    return parts


def _from_torchvision(name: str, root: Path) -> Dataset:
    """Download (once) and verify with torchvision's own reader; its CIFAR files are pickles, checked by their md5."""
    import torchvision  # here, as it takes longer to import than torch

    reader = getattr(torchvision.datasets, TORCHVISION[name])
    arrays = []
    for train in (True, False):
        try:
            part = reader(str(root), train=train, download=True)
        except (RuntimeError, OSError) as error:
            advice = "(fashion-mini needs no download; SOFTLAB_DATA names a folder that has the files)"
            why = f"{' '.join(str(error).split())} {advice}"
            raise SoftlabError(f"{name} could not be downloaded to {root}: {why}") from error
        images = torch.as_tensor(part.data)
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()
        arrays += [images, torch.as_tensor(part.targets)]
    return assemble(name, _split_parts(*arrays), tuple(part.classes), f"{name}, downloaded by torchvision")


for _name in TORCHVISION:
    register(_name)(functools.partial(_from_torchvision, _name))


def _state_of(name: str) -> str:
    """A text that changes with the files of `folder:PATH`; empty for other names."""
    if not name.startswith("folder:"):
        return ""
    folder = Path(name.removeprefix("folder:")).expanduser()
    return _state(folder, _files(name, folder))


def _files(name: str, folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Image files by part and class."""
    if not folder.is_dir():
        raise SoftlabError(f"{name}: {folder.absolute()} is not a folder")
    return {part: class_files(folder, part) for part in ("train", "test")}


def _state(folder: Path, files: dict[str, dict[str, list[Path]]]) -> str:
    """sha256 of an image folder's path, its images' names, sizes and times, and how they are decoded."""
    state = hashlib.sha256(os.fsencode(f"{folder.resolve()} {DECODING}"))
    for path in (path for part in files.values() for paths in part.values() for path in paths):
        try:
            status = path.stat()
        except OSError as error:
            raise SoftlabError(f"{path} cannot be read as an image: {error.strerror}") from None
        state.update(os.fsencode(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n"))
    return state.hexdigest()


def _from_folder(name: str, folder: Path) -> Dataset:
    """Decode an image folder once, and keep the arrays in the cache under a name that changes with the files."""
    files = _files(name, folder)
    only = sorted(set(files["train"]) ^ set(files["test"]))
    if only:
        where, other = ("train", "test") if only[0] in files["train"] else ("test", "train")
        raise SoftlabError(f"{folder}: class {only[0]!r} is in {where} but not in {other}")
    if len(files["train"]) < 2:
        raise SoftlabError(f"{folder}: there must be at least two classes, not {len(files['train'])}")
    for part in files:
        if others := left_out(folder, part):
            warnings.warn(others, LeftOut, stacklevel=2)
    cached = cache_folder() / "folders" / f"{_state(folder, files)[:24]}.npz"
    arrays: dict[str, Any] = {}
    with contextlib.suppress(Exception), np.load(cached, allow_pickle=False) as kept:  # damaged: decode again
        arrays = dict(kept)
    if not arrays:
        arrays = decode(files)
        with contextlib.suppress(SoftlabError):  # a home that cannot be written: decode each time
            write_whole(cached, lambda file: np.savez(file, **arrays))
    tensors = {key: torch.from_numpy(array) for key, array in arrays.items()}
    return assemble(name, _split_parts(**tensors), tuple(files["train"]), f"image folder {folder.name}")
