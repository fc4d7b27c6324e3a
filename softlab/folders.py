"""Image folders: `PATH/<part>/<class>/<image>` into arrays."""

import sys
from pathlib import Path

import numpy as np

from softlab.errors import SoftlabError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}


def class_files(folder: Path, part: str) -> dict[str, list[Path]]:
    """The image files of each class of `folder/part/<class>/`, in alphabetical order. Raises SoftlabError if none."""
    if not (folder / part).is_dir():
        raise SoftlabError(f"{folder} has no folder {part!r}; expected {part}/<class>/<image>")
    classes = {}
    for path in sorted((folder / part).iterdir()):
        if path.is_dir() and not path.name.startswith("."):
            classes[path.name] = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
            if not classes[path.name]:
                raise SoftlabError(f"{path} holds no image ({', '.join(sorted(SUFFIXES))})")
    if not classes:
        raise SoftlabError(f"{folder / part} is empty; expected {part}/<class>/<image>")
    return classes


def decode(
    files: dict[str, dict[str, list[Path]]], size: int | None = None, colour: bool = False
) -> dict[str, np.ndarray]:
    """Images (N, C, H, W) uint8 and labels (N,) of each part, {part_images, part_labels}; classes in the given order.

    size: resize all to size × size pixels (None: they must be of one size).  colour: three channels, also of grey ones.
    """
    from PIL import Image
    from tqdm import tqdm

    arrays, shape = {}, None
    total = sum(len(paths) for part in files.values() for paths in part.values())
    with tqdm(total=total, desc="decoding images", unit="image", disable=not sys.stderr.isatty()) as bar:
        for part, classes in files.items():
            images = []
            for path in (path for paths in classes.values() for path in paths):
                try:
                    with Image.open(path) as image:
                        image = image.convert("L" if image.mode in ("1", "L") and not colour else "RGB")
                        pixels = np.asarray(image.resize((size, size)) if size else image)
                except Exception as error:  # Pillow raises many kinds for damaged files
                    raise SoftlabError(f"{path} cannot be read as an image: {error}") from None
                pixels = np.atleast_3d(pixels).transpose(2, 0, 1)
                shape = shape or pixels.shape
                if pixels.shape != shape:
                    given = f"{path} is {pixels.shape} (channels, height, width)"
                    raise SoftlabError(f"{given}, but the images before it are {shape}")
                images.append(pixels)
                bar.update()
            labels = [np.full(len(paths), label) for label, paths in enumerate(classes.values())]
            arrays[f"{part}_images"] = np.ascontiguousarray(np.stack(images))
            arrays[f"{part}_labels"] = np.concatenate(labels).astype(np.int64)
    return arrays
