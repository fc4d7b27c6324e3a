"""Make fashion_mini.npz from Fashion-MNIST's own four idx files: python tools/make_fashion_mini.py FOLDER [OUTPUT]

FOLDER holds train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz and their t10k- twins, as published at
github.com/zalandoresearch/fashion-mnist. Draws 600 training and 400 test images of each class with a fixed seed;
100 of each class's test images become the part for fitting. The same input gives the same bytes.
"""

import gzip
import hashlib
import io
import sys
import zipfile
from pathlib import Path

import numpy as np

# sha256 of the files after unpacking (who packed them changes the packed bytes).
PUBLISHED = {
    "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}


def read_idx(path: Path) -> np.ndarray:
    """The array in a gzipped idx file of unsigned bytes: magic number, one big-endian size per dimension, bytes."""
    content = gzip.decompress(path.read_bytes())
    if hashlib.sha256(content).hexdigest() != PUBLISHED[path.name]:
        raise SystemExit(f"{path} is not the published file: its digest differs")
    dimensions = content[3]
    shape = [int.from_bytes(content[4 + 4 * axis : 8 + 4 * axis], "big") for axis in range(dimensions)]
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def draw(labels: np.ndarray, per_class: int, generator: np.random.Generator) -> np.ndarray:
    """Indices of `per_class` samples of each class, classes taking turns: every prefix is as balanced as can be."""
    columns = [generator.permutation(np.flatnonzero(labels == label))[:per_class] for label in range(10)]
    return generator.permuted(np.stack(columns, axis=1), axis=1).reshape(-1)


def main(folder: Path, output: Path) -> None:
    generator = np.random.default_rng(20241003)
    arrays = {}
    for part, stem, per_class in (("train", "train", 600), ("test", "t10k", 400)):
        images = read_idx(folder / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(folder / f"{stem}-labels-idx1-ubyte.gz")
        chosen = draw(labels, per_class, generator)
        arrays[f"{part}_images"] = images[chosen][:, None]
        arrays[f"{part}_labels"] = labels[chosen].astype(np.int64)
    for kind in ("images", "labels"):
        arrays[f"fit_{kind}"], arrays[f"test_{kind}"] = np.split(arrays[f"test_{kind}"], [1000])
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in sorted(arrays.items()):  # np.savez would stamp the files with today's date
            entry = io.BytesIO()
            np.save(entry, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(member, entry.getvalue(), zipfile.ZIP_DEFLATED, 9)
    print(f"{output}: {output.stat().st_size / 1e6:.2f} MB, sha256 {hashlib.sha256(output.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else Path("fashion_mini.npz"))
