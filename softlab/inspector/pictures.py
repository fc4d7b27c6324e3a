"""Images that are read when they are looked at: from a folder, a table of paths, or an array. So memory is bounded.

given = from_folder("photos", classes=10)   # Images: .pictures, .labels, .notes
given.pictures[:500]                        # decoded now: (500, 3, H, W) uint8
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from softlab.errors import SoftlabError, at_terminal
from softlab.inspector import arrays
from softlab.training import folders

PATHS = ("path", "paths", "file", "filename", "image", "images")  # what people call a column of paths
IMAGES = ("images", "image", "x", "pixels", "data")  # and an array of images
NUMBER = re.compile(r"0|[1-9][0-9]*")
TOLD_APART = 10  # classes; of more, each is named beside its number
UNLABELLED = ("", "nan")  # what stands in a table where there is no label
PARTS = ("train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval")  # of a data set
HELD = 2**27  # bytes of first images that stay decoded, as several lenses ask for them


class Pictures:
    """Images (N, C, H, W) uint8, of which those are in memory that somebody looks at.

    It answers as a tensor does to `len`, `shape`, `dtype`, an index, a slice, a tensor of rows, and `split`.
    """

    dtype = torch.uint8

    def __init__(self, read: Callable[[int], np.ndarray], rows: Tensor, size: tuple[int, int, int]):
        """read: the image of a row, (C, H, W) uint8.  rows: (N,) int64.  size: (C, H, W)."""
        self.read = read
        self.order = rows
        self.size = size
        self.first = torch.zeros(0, *size, dtype=torch.uint8)

    def __len__(self) -> int:
        return len(self.order)

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self.order), *self.size))

    def rows(self, rows: Tensor) -> "Pictures":
        """Some of them, in this order; nothing is read."""
        return Pictures(self.read, self.order[rows], self.size)

    def __getitem__(self, which: int | slice | Tensor) -> Tensor:
        if isinstance(which, slice) and which.start in (None, 0) and which.step is None:
            return self._first(which.stop)
        chosen = self.order[which]
        return self._decoded(chosen) if chosen.ndim else self._decoded(chosen[None])[0]

    def split(self, count: int) -> Iterator[Tensor]:
        """All of them, so many at a time."""
        return (self._decoded(rows) for rows in self.order.split(count))

    def _first(self, count: int | None) -> Tensor:
        """The first of them, kept where they are not too large."""
        count = len(range(len(self))[:count])
        if count > len(self.first):
            images = self._decoded(self.order[:count])
            if images.numel() > HELD:
                return images
            self.first = images
        return self.first[:count]

    def _decoded(self, rows: Tensor) -> Tensor:
        images = np.empty((len(rows), *self.size), np.uint8)
        for place, row in enumerate(rows.tolist()):
            images[place] = self.read(row)
        return torch.from_numpy(images)


@dataclass(frozen=True)
class Images:
    """Images and their labels (N,) int64, and what was decided on the way."""

    pictures: Pictures | Tensor
    labels: Tensor
    notes: tuple[str, ...]


def from_path(path: str | Path, classes: int, labels: str | Path | None = None, size: int | None = None) -> Images:
    """Images of a folder, a table or an array, as colour, for a network of so many classes.

    path: FOLDER/<class>/<image>; a .csv with columns `path`, from its own folder on, and `label`; an .npz with `images`
    and `labels`; or an .npy, which needs `labels`, another file. Arrays are (N, C, H, W), (N, H, W, C) or (N, H, W).
    labels: numbers of classes from 0 on; of folders and tables also names, see class_numbers.  size: resize to
    size × size pixels (None: they must be of one size).  Raises SoftlabError, in one line, for whatever else it is.
    """
    place = Path(path).expanduser()
    if place.is_dir() or not place.suffix:
        if labels is not None:
            raise SoftlabError("a folder of images names its classes: leave --labels out")
        return _from_folder(place.resolve(), classes, size)
    place = arrays.file_of(place)
    if place.suffix.lower() in (".csv", ".tsv"):
        return _from_table(place, classes, size)
    if place.suffix.lower() == ".npz":
        found = arrays.read_named(place, IMAGES)
        truth = arrays.read_named(place, arrays.LABELS, only=False) if labels is None else None
    else:
        found = arrays.read_npy(place)
        truth = None
    truth = truth if labels is None else arrays.read_labels(arrays.file_of(labels))
    if truth is None:
        raise SoftlabError(f"{place} has no labels: give them, --labels FILE (.npy, .npz or .csv)")
    source = place.name if labels is None else Path(labels).name
    return _from_array(np.asarray(found), truth, size, (place.name, source))


def _from_folder(folder: Path, classes: int, size: int | None) -> Images:
    files = folders.class_files(folder.parent, folder.name)
    if all(name.lower() in PARTS for name in files):
        which = f"{' and '.join(files)}, which are parts of a data set and no classes"
        raise SoftlabError(f"{folder} holds {which}: give one of them, --images {folder / list(files)[-1]}")
    numbers, note = class_numbers(list(files), classes, folder)
    paths = [path for of_class in files.values() for path in of_class]
    labels = [number for number, of_class in zip(numbers, files.values(), strict=True) for _ in of_class]
    if others := folders.left_out(folder.parent, folder.name):
        note += f" {others[0].upper()}{others[1:]}."
    return _from_paths(paths, labels, size, note)


def _from_table(path: Path, classes: int, size: int | None) -> Images:
    table = arrays.read_table(path)
    named = table.column(PATHS)
    label = next(iter(table.label_columns), None)
    if named is None or label is None:
        raise SoftlabError(f"{path} needs a first line that names a column path and a column label")
    words = _labelled(table, label)
    names = list(dict.fromkeys(words))
    numbers, note = class_numbers(names, classes, path, "labels")
    labels = [dict(zip(names, numbers, strict=True))[word] for word in words]
    paths = [path.parent / str(one) for one in table.frame[named]]
    for row, one in enumerate(paths):
        if one.suffix.lower() not in folders.SUFFIXES or not one.is_file():
            raise SoftlabError(f"row {row} of {path}: {str(table.frame[named][row])!r} is no image file beside it")
    return _from_paths(paths, labels, size, note)


def _labelled(table: arrays.Table, column: str) -> list[str]:
    """The labels in a column, as text, numbers without leading zeros and decimals. Raises SoftlabError for no label."""
    words = []
    for row, word in enumerate(table.frame[column].astype(str).str.strip()):
        number = re.fullmatch(r"([-+]?)0*(\d+)(\.0*)?", word)
        if word.lower() in UNLABELLED or (number and number[1] == "-"):
            said = f"row {row} of {table.path} has no label, only {word!r} in its column {column!r}"
            raise SoftlabError(f"{said}: leave such rows out")
        words.append(number[2] if number else word)
    return words


def _from_paths(paths: Sequence[Path], labels: Sequence[int], size: int | None, note: str) -> Images:
    """Images of files: of all of them it is known before that they are images, and of one size."""
    from tqdm import tqdm

    shape = None
    unturned = 0
    for path in tqdm(paths, desc="looking at files", unit="image", delay=2, leave=False, disable=not at_terminal()):
        width, height, turned = folders.heading(path)
        shape = shape or (height, width)
        unturned += turned
        if size is None and (height, width) != shape:
            given = f"{path} is {(3, height, width)} (channels, height, width)"
            raise SoftlabError(f"{given}, but the images before it are {(3, *shape)}: --size PIXELS resizes all")
    notes = [note]
    if unturned:
        turned = f"{unturned} of {len(paths)} images have EXIF data that ask a viewer to turn or mirror them"
        notes.append(f"{turned}: they are taken unturned, as torchvision takes them.")
    height, width = (size, size) if size else shape or (0, 0)
    pictures = Pictures(
        lambda row: folders.pixels(paths[row], size, True)[0], torch.arange(len(paths)), (3, height, width)
    )
    return Images(pictures, torch.tensor(labels), tuple(notes))


def _from_array(array: np.ndarray, labels: np.ndarray, size: int | None, names: tuple[str, str]) -> Images:
    """Images of an array of bytes, which may be mapped; those of floats are taken as a tensor.

    names: of the files of the images and of the labels.
    """
    name, source = names
    if array.ndim == 3:
        array = array[:, None]
    if array.ndim != 4 or len(array) == 0:
        raise SoftlabError(f"images in {name} must be (N, C, H, W), (N, H, W, C) or (N, H, W), not {array.shape}")
    if array.shape[1] not in (1, 3) and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    if array.shape[1] not in (1, 3):
        raise SoftlabError(f"images in {name} must have one channel or three, not {array.shape}")
    if labels.dtype.kind not in "iu" or labels.shape != array.shape[:1]:
        wanted = f"whole numbers, one for each of {len(array)} images in {name}"
        raise SoftlabError(f"labels in {source} must be {wanted}, not {labels.dtype} {labels.shape}")
    truth = torch.from_numpy(labels.astype(np.int64))
    if array.dtype != np.uint8:
        if size:
            raise SoftlabError(f"images in {name} are {array.dtype}: bytes (uint8) are resized, others are not")
        native = np.array(array, dtype=array.dtype.newbyteorder("="))
        return Images(torch.from_numpy(native).expand(-1, 3, -1, -1), truth, ())

    def read(row: int) -> np.ndarray:
        channels = np.array(array[row])
        if size:
            channels = np.stack([np.asarray(folders.resized(Image.fromarray(one), size)) for one in channels])
        return np.broadcast_to(channels, (3, *channels.shape[1:]))

    height, width = (size, size) if size else array.shape[2:]
    return Images(Pictures(read, torch.arange(len(array)), (3, height, width)), truth, ())


def class_numbers(names: Sequence[str], classes: int, place: Path, kind: str = "folders") -> tuple[list[int], str]:
    """The class that each name stands for in a network of so many classes, and what to say of it.

    names: all different.  kind: what they are the names of: folders, or labels in a table.
    Numbers are those of classes, also behind a word that all have in common (c0 to c11). Other words are numbered in
    alphabetical order, if there is one for each class.
    Raises SoftlabError where only some of the names are numbers of classes, where two stand for one number, where they
    are no numbers and not as many as there are classes, and where networks number such names in two ways.
    """
    subject = f"{kind.capitalize()} are"
    numbers = [name for name in names if NUMBER.fullmatch(name) and int(name) < classes]
    counted = folders.numbers_in(names)
    as_text = sorted(names)
    if len(numbers) == len(names) or (counted is not None and sorted(counted) == list(range(classes))):
        numbered = [int(number) for number in counted or ()]
        in_order = [name for _, name in sorted(zip(numbered, names, strict=True))]
        note = f"{subject} named by the numbers of their classes"
        note += " (torchvision's ImageFolder would sort them as text)" * (
            in_order != as_text or max(numbered) >= len(names)
        )
        return numbered, f"{note}{_listed(names, numbered)}."
    if numbers:
        other = next(name for name in names if name not in numbers)
        allowed = f"name all {kind} in {place} by a class's number, 0 to {classes - 1} without leading zeros, or none"
        said = f"{kind.removesuffix('s')} {numbers[0]!r} is named by a class's number, and {other!r} is not"
        raise SoftlabError(f"{said}: {allowed}")
    values = [int(name) for name in names if re.fullmatch("[0-9]+", name)]
    if len(set(values)) < len(values):
        raise SoftlabError(f"two {kind} in {place} are named by the same number: write it without leading zeros")
    advice = f"name each of the {kind} in {place} by its class's number, without leading zeros"
    if len(names) != classes:
        raise SoftlabError(f"the network has {classes} classes, and there are {len(names)} {kind}: {advice}")
    natural = sorted(names, key=_natural)
    if natural != as_text:
        place_of = next(row for row, pair in enumerate(zip(as_text, natural, strict=True)) if pair[0] != pair[1])
        ways = f"{as_text[place_of]!r} as text (torchvision), {natural[place_of]!r} in natural order (timm)"
        raise SoftlabError(f"class {place_of} may be {ways}: {advice}")
    numbered = [as_text.index(name) for name in names]
    note = f"{subject} classes in alphabetical order, as torchvision's ImageFolder numbers them"
    return numbered, f"{note}{_listed(names, numbered)}."


def _natural(name: str) -> list[tuple[bool, int, str]]:
    """What natural order compares: small letters, and numbers by their size."""
    parts = re.findall(r"\d+|\D+", name.lower())
    return [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]


def _listed(names: Sequence[str], numbers: Sequence[int]) -> str:
    """`: 0 'ant', 1 'bee', …`, where there are more than TOLD_APART of them."""
    pairs = [f"{number} {name!r}" for number, name in sorted(zip(numbers, names, strict=True))]
    if len(pairs) <= TOLD_APART:
        return ""
    return f": {', '.join(pairs if len(pairs) <= 3 * TOLD_APART else [*pairs[: TOLD_APART + 2], '…', pairs[-1]])}"
