"""Image folders: `PATH/<part>/<class>/<image>` into arrays."""

import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softlab.errors import SoftlabError, at_terminal

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
DECODING = 3  # raise it when the same files give other pixels: arrays that are kept are then made again
MODES = ("1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV")  # 8 bits at most
TURNED = 0x0112  # the EXIF tag that says how a viewer is to turn an image


class Unturned(UserWarning):
    """By their EXIF data, some images lie on their side."""


class LeftOut(UserWarning):
    """Files in an image folder are of kinds that are not read."""


def in_class_order(names: Iterable[str]) -> list[str]:
    """Names of classes in the order that numbers them: numbers by their size, whatever else as text.

    Numbers are so also behind a word that all have in common: c2 comes before c10.
    """
    ordered = sorted(names)
    numbers = numbers_in(ordered)
    return ordered if numbers is None else [name for _, name in sorted(zip(numbers, ordered, strict=True))]


def numbers_in(names: Sequence[str]) -> list[float] | None:
    """What the names of classes number: 2 and 10 of c2 and c10, 2 and 10 of 2.0 and 10.0; None where they do not."""
    if all(re.fullmatch(r"[-+]?\d+(\.\d*)?", name) for name in names):
        return [float(name) for name in names]
    parts = [re.fullmatch(r"(.*?)(\d+)", name) for name in names]
    if not all(parts) or len({part[1] for part in parts if part}) > 1:
        return None
    return [float(part[2]) for part in parts if part]


def class_files(folder: Path, part: str) -> dict[str, list[Path]]:
    """The image files of each class of `folder/part/<class>/`, classes in the order of `in_class_order`.

    Of each class first the files in its folder, then those in folders inside, as torchvision's ImageFolder has them.
    Files and folders whose names begin with a dot are left out.  Raises SoftlabError if there is no image.
    """
    if not (folder / part).is_dir():
        raise SoftlabError(f"{folder} has no folder {part!r}; expected {part}/<class>/<image>")
    classes = {}
    for path in _class_folders(folder / part):
        classes[path.name] = list(_images(path))
        if not classes[path.name]:
            raise SoftlabError(f"{path} holds no image ({', '.join(sorted(SUFFIXES))})")
    if not classes:
        raise SoftlabError(f"{folder / part} is empty; expected {part}/<class>/<image>")
    return classes


def left_out(folder: Path, part: str) -> str:
    """What is said of files in folders of classes that are of no kind that is read; nothing where there is none."""
    classes = _class_folders(folder / part)
    others = [path for one in classes for path in _files(one) if path.suffix.lower() not in SUFFIXES]
    kinds = ", ".join(sorted({path.suffix.lower() or "no ending" for path in others}))
    files = f"{len(others)} files ({kinds})" if len(others) > 1 else f"one file ({kinds})"
    return f"{files} in {folder / part} left out: only {', '.join(sorted(SUFFIXES))} are read" if others else ""


def _class_folders(folder: Path) -> list[Path]:
    """The folders of classes, in the order of `in_class_order`."""
    names = [path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return [folder / name for name in in_class_order(names)]


def _images(folder: Path) -> Iterator[Path]:
    """Images in a folder and below."""
    return (path for path in _files(folder) if path.suffix.lower() in SUFFIXES)


def _files(folder: Path) -> Iterator[Path]:
    """Files in a folder and below; links are followed, but not into a folder that they lie in."""

    def refuse(error: OSError) -> None:
        raise SoftlabError(f"cannot read the folder {error.filename}: {error.strerror}")

    walked = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=refuse):
        here = os.path.realpath(place)
        inside = [name for name in folders if not name.startswith(".")]
        folders[:] = [name for name in inside if not _holds(os.path.realpath(Path(place, name)), here)]
        walked.append((place, names))
    for place, names in sorted(walked):
        for name in sorted(names):
            if not name.startswith("."):
                yield Path(place, name)


def _holds(folder: str, other: str) -> bool:
    """Is `other` this folder, or inside it?"""
    return os.path.commonpath([folder, other]) == folder


def decode(
    files: dict[str, dict[str, list[Path]]], size: int | None = None, colour: bool = False
) -> dict[str, np.ndarray]:
    """Images (N, C, H, W) uint8 and labels (N,) of each part, {part_images, part_labels}; classes in the given order.

    size: resize all to size × size pixels (None: they must be of one size).  colour: always three channels.
    Grey images of 16 bits are scaled to 8.  Pixels stay where the file has them, as in torchvision: warns (Unturned) if
    EXIF data ask for a turn.  Raises SoftlabError for unreadable files and for floats.
    """
    from tqdm import tqdm

    arrays = {}
    shape = None
    unturned = 0
    total = sum(len(paths) for part in files.values() for paths in part.values())
    with tqdm(total=total, desc="decoding images", unit="image", disable=not at_terminal()) as bar:
        for part, classes in files.items():
            images = []
            for path in (path for paths in classes.values() for path in paths):
                image, turned = pixels(path, size, colour)
                unturned += turned
                shape = shape or image.shape
                if image.shape != shape:
                    given = f"{path} is {image.shape} (channels, height, width)"
                    raise SoftlabError(f"{given}, but the images before it are {shape}")
                images.append(image)
                bar.update()
            labels = [np.full(len(paths), label) for label, paths in enumerate(classes.values())]
            arrays[f"{part}_images"] = np.ascontiguousarray(np.stack(images))
            arrays[f"{part}_labels"] = np.concatenate(labels).astype(np.int64)
    if unturned:
        turned = f"{unturned} of {total} images have EXIF data that ask a viewer to turn or mirror them"
        warnings.warn(f"{turned}: they are taken unturned, as torchvision takes them", Unturned, stacklevel=2)
    return arrays


def pixels(path: Path, size: int | None = None, colour: bool = False) -> tuple[np.ndarray, bool]:
    """An image, (C, H, W) uint8, and whether its EXIF data ask a viewer to turn it. Arguments and errors: of decode."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            turned = image.getexif().get(TURNED, 1) != 1
            image = _of_eight_bits(image)
            image = image.convert("L" if image.mode in ("1", "L") and not colour else "RGB")
            array = np.asarray(resized(image, size) if size else image)
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise SoftlabError(f"{path} cannot be read as an image: {error}") from None
    return np.ascontiguousarray(np.atleast_3d(array).transpose(2, 0, 1)), turned


def resized(image: Any, size: int) -> Any:
    """A picture of PIL in size × size pixels: bilinear and antialiased, as torchvision's Resize does it."""
    from PIL import Image

    return image.resize((size, size), Image.Resampling.BILINEAR)


def heading(path: Path) -> tuple[int, int, bool]:
    """Width and height of an image, and whether its EXIF data ask for a turn; its pixels are not decoded."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return *image.size, image.getexif().get(TURNED, 1) != 1
    except Exception as error:  # Pillow raises many kinds for damaged files
        raise SoftlabError(f"{path} cannot be read as an image: {error}") from None


def _of_eight_bits(image: "Image.Image") -> "Image.Image":
    """The image, with values of 16 bits scaled to 8. Raises ValueError for other kinds of numbers."""
    from PIL import Image

    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):  # 65535 is white
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.round(values * (255 / 65535)).astype(np.uint8))
    if image.mode not in MODES:
        allowed = "pixels must be of 8 bits, or grey of 16"
        raise ValueError(f"its mode is {image.mode!r} (I: 32-bit whole numbers, F: floats), and {allowed}")
    return image
