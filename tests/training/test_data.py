"""Data sets: the embedded one, torchvision's downloads (from a stand-in server), image folders, and splits."""

import dataclasses
import gzip
import hashlib
import itertools
import pickle
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from softlab import SoftlabError
from softlab.training import data, folders
from softlab.training.sampling import balanced_subset


@pytest.fixture
def image_folder(tmp_path):
    """Two classes, 8 training and 4 test images each; image n of class k is uniformly 10 k + n."""
    for part, count in (("train", 8), ("test", 4)):
        for label, name in enumerate(["cat", "dog"]):
            (tmp_path / "pets" / part / name).mkdir(parents=True)
            for number in range(count):
                pixels = np.full((6, 5, 3), 10 * label + number, np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pets" / part / name / f"{number}.png")
    return tmp_path / "pets"


@pytest.fixture
def server(tmp_path):
    """A folder that is served on this machine, and its address."""
    (tmp_path / "served").mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / "served")
    handler.log_message = lambda *_: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield tmp_path / "served", f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


def test_fashion_mini_is_balanced_and_its_parts_share_no_image():
    mini = data.load("fashion-mini")
    assert mini.train_images.shape == (6000, 1, 28, 28)
    assert mini.train_images.dtype == torch.uint8
    for labels, per_class in ((mini.train_labels, 600), (mini.fit_labels, 100), (mini.test_labels, 300)):
        assert labels.bincount().tolist() == [per_class] * 10
    held_out = {image.numpy().tobytes() for image in torch.cat([mini.fit_images, mini.test_images])}
    assert not held_out & {image.numpy().tobytes() for image in mini.train_images}
    assert not {i.numpy().tobytes() for i in mini.fit_images} & {i.numpy().tobytes() for i in mini.test_images}


def test_fashion_mini_is_what_its_page_says():
    digest = hashlib.sha256(data.EMBEDDED.read_bytes()).hexdigest()
    assert digest in data.EMBEDDED.with_suffix(".md").read_text()
    assert data.EMBEDDED.stat().st_size < 6e6


def test_mean_and_std_are_those_of_the_training_images():
    mini = data.load("fashion-mini")
    pixels = mini.train_images.double() / 255
    assert mini.mean.item() == pytest.approx(pixels.mean().item(), abs=1e-6)
    assert mini.std.item() == pytest.approx(pixels.std(correction=0).item(), abs=1e-6)


def test_a_balanced_subset_is_balanced_repeatable_and_without_repeats():
    labels = torch.tensor([0] * 50 + [1] * 30 + [2] * 20)
    draw = partial(balanced_subset, labels, 31)
    chosen = draw(torch.Generator().manual_seed(0))
    assert sorted(labels[chosen].bincount().tolist()) == [10, 10, 11]
    assert len(chosen.unique()) == 31
    assert torch.equal(chosen, draw(torch.Generator().manual_seed(0)))
    assert not torch.equal(chosen, draw(torch.Generator().manual_seed(1)))
    assert balanced_subset(labels, 90, torch.Generator()).unique().numel() == 90  # class 2 is used up
    with pytest.raises(SoftlabError, match="data set has 100"):
        balanced_subset(labels, 101, torch.Generator())


def test_the_first_classes_are_a_data_set_of_their_own():
    mini = data.load("fashion-mini")
    three = mini.first_classes(3)
    assert three.train_labels.bincount().tolist() == [600] * 3
    assert three.test_labels.bincount().tolist() == [300] * 3
    assert len(three.classes) == 3
    assert three.digest not in (mini.digest, mini.first_classes(4).digest)
    assert mini.first_classes(None) is mini
    with pytest.raises(SoftlabError, match="has 10 classes, not 11"):
        mini.first_classes(11)


def test_a_folder_is_decoded_once_and_then_read_from_the_cache(image_folder, monkeypatch):
    first = data.load(f"folder:{image_folder}")
    assert first.train_images.shape == (16, 3, 6, 5)
    assert first.classes == ("cat", "dog")
    assert first.train_images[:, 0, 0, 0].tolist() == [*range(8), *range(10, 18)]
    assert first.train_labels.tolist() == [0] * 8 + [1] * 8
    assert len(first.fit_labels) == 2
    assert sorted([*first.fit_labels.tolist(), *first.test_labels.tolist()]) == [0] * 4 + [1] * 4
    data.forget()
    monkeypatch.setattr(data, "decode", lambda _: pytest.fail("decoded twice"))
    assert data.load(f"folder:{image_folder}").digest == first.digest


def test_a_changed_folder_and_a_damaged_cache_are_decoded_again(image_folder, tmp_path):
    first = data.load(f"folder:{image_folder}")
    (cached,) = (tmp_path / "cache" / "folders").glob("*.npz")
    cached.write_bytes(cached.read_bytes()[:200])
    data.forget()
    assert data.load(f"folder:{image_folder}").digest == first.digest
    Image.fromarray(np.full((6, 5, 3), 99, np.uint8)).save(image_folder / "train" / "cat" / "0.png")
    data.forget()
    assert data.load(f"folder:{image_folder}").digest != first.digest


def break_folder(folder, how):
    if how == "missing":
        return folder / "elsewhere"
    if how == "no test":
        (folder / "test").rename(folder / "spare")
    elif how == "empty":
        for path in (folder / "train").rglob("*.png"):
            path.unlink()
        for path in (folder / "train").iterdir():
            path.rmdir()
    elif how == "empty class":
        (folder / "train" / "emu").mkdir()
    elif how == "class only in train":
        (folder / "train" / "dog" / "0.png").rename(folder / "train" / "emu.png")
        (folder / "train" / "emu").mkdir()
        (folder / "train" / "emu.png").rename(folder / "train" / "emu" / "0.png")
    elif how == "truncated":
        noise = np.random.default_rng(0).integers(256, size=(6, 5, 3)).astype(np.uint8)
        Image.fromarray(noise).save(folder / "test" / "dog" / "2.jpg")
        (folder / "test" / "dog" / "2.png").unlink()
        whole = (folder / "test" / "dog" / "2.jpg").read_bytes()
        (folder / "test" / "dog" / "2.jpg").write_bytes(whole[: len(whole) - 40])
    elif how == "other size":
        Image.fromarray(np.zeros((7, 5, 3), np.uint8)).save(folder / "train" / "dog" / "3.png")
    return folder


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("missing", "elsewhere is not a folder"),
        ("no test", "has no folder 'test'"),
        ("empty", "is empty; expected train/<class>/<image>"),
        ("empty class", r"emu holds no image"),
        ("class only in train", "class 'emu' is in train but not in test"),
        ("truncated", r"dog.2\.jpg cannot be read as an image"),
        ("other size", r"dog.3\.png is \(3, 7, 5\)"),
    ],
)
def test_what_is_wrong_with_a_folder_is_named(image_folder, tmp_path, how, message):
    with pytest.raises(SoftlabError, match=message):
        data.load(f"folder:{break_folder(image_folder, how)}")
    assert not list((tmp_path / "cache").rglob("*.npz"))


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(SoftlabError, match="did you mean 'cifar10'"):
        data.load("cifar-10")


def idx(array):
    """Bytes of an idx file of unsigned bytes."""
    return bytes([0, 0, 8, array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape) + array.tobytes()


def test_fashion_mnist_comes_through_torchvisions_download_and_checksums(server, tmp_path, monkeypatch):
    folder, address = server
    generator = np.random.default_rng(0)
    resources = []
    for part, count in (("train", 40), ("t10k", 20)):
        arrays = {"images-idx3": generator.integers(256, size=(count, 28, 28)), "labels-idx1": np.arange(count) % 10}
        for kind, array in arrays.items():
            name = f"{part}-{kind}-ubyte.gz"
            (folder / name).write_bytes(gzip.compress(idx(array.astype(np.uint8))))
            resources.append((name, hashlib.md5((folder / name).read_bytes()).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "mirrors", [address])
    monkeypatch.setattr(torchvision.datasets.FashionMNIST, "resources", resources)
    dataset = data.load("fashion-mnist", root=tmp_path / "downloads")
    assert dataset.train_images.shape == (40, 1, 28, 28)
    assert dataset.train_labels.tolist() == [number % 10 for number in range(40)]
    assert (len(dataset.fit_labels), len(dataset.test_labels)) == (5, 15)

    (folder / resources[0][0]).write_bytes(b"not what was published")
    with pytest.raises(SoftlabError, match="fashion-mnist could not be downloaded"):
        data.load("fashion-mnist", root=tmp_path / "elsewhere")


@pytest.mark.parametrize(("name", "reader"), [("cifar10", "CIFAR10"), ("cifar100", "CIFAR100")])
def test_cifar_comes_through_torchvisions_download_and_checksums(server, tmp_path, monkeypatch, name, reader):
    folder, address = server
    reader = getattr(torchvision.datasets, reader)
    key = reader.meta["key"]
    labels_key = "labels" if name == "cifar10" else "fine_labels"
    inside = tmp_path / reader.base_folder
    inside.mkdir()
    generator = np.random.default_rng(0)
    lists = {}
    for part, files in (("train_list", reader.train_list), ("test_list", reader.test_list)):
        lists[part] = []
        for file, _ in files:
            pixels = generator.integers(256, size=(8, 3072)).astype(np.uint8)
            (inside / file).write_bytes(pickle.dumps({"data": pixels, labels_key: [number % 4 for number in range(8)]}))
            lists[part].append([file, hashlib.md5((inside / file).read_bytes()).hexdigest()])
    meta = inside / reader.meta["filename"]
    meta.write_bytes(pickle.dumps({key: ["a", "b", "c", "d"]}))
    with tarfile.open(folder / "archive.tar.gz", "w:gz") as archive:
        archive.add(inside, arcname=reader.base_folder)
    monkeypatch.setattr(reader, "url", address + "archive.tar.gz")
    monkeypatch.setattr(reader, "filename", "archive.tar.gz")
    monkeypatch.setattr(reader, "tgz_md5", hashlib.md5((folder / "archive.tar.gz").read_bytes()).hexdigest())
    monkeypatch.setattr(reader, "meta", reader.meta | {"md5": hashlib.md5(meta.read_bytes()).hexdigest()})
    for part, files in lists.items():
        monkeypatch.setattr(reader, part, files)
    dataset = data.load(name, root=tmp_path / "downloads")
    assert dataset.train_images.shape == (8 * len(lists["train_list"]), 3, 32, 32)
    assert dataset.classes == ("a", "b", "c", "d")
    assert dataset.train_images.is_contiguous()


def test_the_folder_of_compressed_images_is_found_by_its_name_and_labelled(tmp_path):
    from PIL import Image

    with pytest.raises(SoftlabError, match="an image folder of your own, in SOFTLAB_DATA; cifar10 downloads"):
        data.load("cifar10-jpeg", tmp_path)
    for part, label, number in itertools.product(("train", "test"), ("cat", "dog"), range(4)):
        path = tmp_path / "cifar10-jpeg" / part / label / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 32), (10 * number, 50, 100)).save(path)
    found = data.load("cifar10-jpeg", tmp_path)
    assert found.source.startswith("CIFAR-10, re-encoded as JPEG")
    assert (found.classes, tuple(found.train_images.shape)) == (("cat", "dog"), (8, 3, 32, 32))


def test_held_out_images_are_no_training_images_and_outside_ones_are_new(monkeypatch, tmp_path):
    """On the embedded images in place of the published ones: the same code."""
    mini = data.load("fashion-mini")
    held = data.held_out(mini, "fashion-heldout", 1000)
    assert held.test_labels.bincount().tolist() == [100] * 10
    assert len(held.train_images) == 5000
    both = torch.cat([held.train_images, held.test_images]).flatten(1)
    assert len(both.unique(dim=0)) == len(mini.train_images.flatten(1).unique(dim=0))
    assert torch.equal(held.fit_images, mini.fit_images)

    part = dataclasses.replace(mini, fit_images=mini.fit_images[:10], test_images=mini.test_images[:5], digest="part")
    monkeypatch.setattr(data, "load", lambda name: mini)
    images, labels = data.outside(part, "fashion-mini")
    assert len(images) == len(labels) == 4000 - 15
    assert torch.equal(images[-1], mini.test_images[-1])
    with pytest.raises(SoftlabError, match="other classes"):
        data.outside(dataclasses.replace(mini, classes=("a", "b")), "fashion-mini")


def test_pairs_by_hand():
    """Two classes of two images: each image once on the left and once on the right, each pair of classes once."""
    images = torch.arange(1, 5, dtype=torch.uint8).reshape(4, 1, 1, 1).expand(4, 1, 2, 3)
    labels = torch.tensor([0, 1, 0, 1])  # so 1 and 3 are of class 0, and 2 and 4 of class 1
    pairs, classes = data.side_by_side(images, labels, torch.Generator().manual_seed(0))
    assert pairs.shape == (4, 1, 2, 6)
    assert sorted(classes.tolist()) == [0, 1, 2, 3]
    sides = pairs[:, 0, 0, [0, 3]]
    assert torch.equal(pairs, sides[:, None, None, :].repeat_interleave(3, 3).expand_as(pairs))
    assert sides[:, 0].sort().values.tolist() == sides[:, 1].sort().values.tolist() == [1, 2, 3, 4]
    assert torch.equal((sides % 2 == 0).long() @ torch.tensor([2, 1]), classes)


def test_pairs_of_fashion_are_of_a_hundred_classes_and_their_parts_share_no_image():
    mini = data.load("fashion-mini")
    pairs = data.load("fashion-pairs")
    assert (len(pairs.classes), pairs.classes[13]) == (100, "trouser & dress")
    assert pairs.train_images.shape[1:] == (1, 28, 56)
    for part, of_each in (("train", 600), ("fit", 10), ("test", 60)):
        images = getattr(pairs, f"{part}_images")
        labels = getattr(pairs, f"{part}_labels")
        assert labels.bincount().tolist() == [of_each] * 100
        assert labels[:100].bincount().tolist() == [1] * 100  # the first ones are of all classes
        singles = {one.numpy().tobytes(): int(label) for one, label in zip(*_part(mini, part), strict=True)}
        for image, label in zip(images[:200], labels[:200].tolist(), strict=True):
            halves = [half.numpy().tobytes() for half in image.split(28, dim=2)]
            assert [singles[half] for half in halves] == [label // 10, label % 10]
    assert data.REGISTRY["fashion-pairs"](Path()).digest == pairs.digest


def _part(dataset, part):
    return getattr(dataset, f"{part}_images"), getattr(dataset, f"{part}_labels")


def test_a_data_set_of_ones_own_is_found_by_its_name(monkeypatch, tmp_path):
    monkeypatch.setattr(data, "REGISTRY", dict(data.REGISTRY))
    for shade in (10, 20):  # registered again, it is replaced

        @data.register("mine")
        def mine(root, shade=shade):
            images = torch.full((4, 1, 2, 2), shade, dtype=torch.uint8)
            labels = torch.tensor([0, 1, 0, 1])
            parts = {f"{part}_images": images for part in ("train", "fit", "test")}
            parts |= {f"{part}_labels": labels for part in ("train", "fit", "test")}
            return data.assemble("mine", parts, ("a", "b"), "a test")

        assert data.load("mine", tmp_path).mean.item() == pytest.approx(shade / 255)
        assert data.load("mine", tmp_path) is data.load("mine", tmp_path)
    with pytest.raises(SoftlabError, match="cannot name a data set"):
        data.register("Mine!")
    data.forget()


def decoded(tmp_path, image, suffix="png", **options):
    path = tmp_path / f"one.{suffix}"
    image.save(path, **options)
    return folders.decode({"these": {"a": [path]}})["these_images"][0]


def test_grey_images_of_16_bits_are_scaled_and_floats_are_refused_by_name(tmp_path):
    values = np.array([[0, 257, 32768, 65535]], np.uint16)
    for suffix in ("png", "tif"):
        assert decoded(tmp_path, Image.fromarray(values), suffix).tolist() == [[[0, 1, 128, 255]]]
    for kind, mode in ((np.float32, "F"), (np.int32, "I")):
        with pytest.raises(SoftlabError, match=f"one.tif cannot be read as an image: its mode is '{mode}'"):
            decoded(tmp_path, Image.fromarray(values.astype(kind)), "tif")


def test_files_of_other_kinds_in_an_image_folder_are_counted(image_folder):
    assert folders.left_out(image_folder, "train") == ""
    for name in ("cat/one.gif", "cat/two.GIF", "cat/notes", "cat/.hidden.gif", "beside.gif"):
        (image_folder / "train" / name).write_bytes(b"")
    said = folders.left_out(image_folder, "train")
    assert said.startswith("3 files (.gif, no ending) in ")
    with pytest.warns(folders.LeftOut, match="3 files"):
        data.load(f"folder:{image_folder}")


def test_an_image_that_asks_to_be_turned_is_not_and_that_is_said(tmp_path):
    exif = Image.Exif()
    exif[folders.TURNED] = 6
    with pytest.warns(folders.Unturned, match="1 of 1 images have EXIF data"):
        assert decoded(tmp_path, Image.new("RGB", (8, 4)), "jpg", exif=exif).shape == (3, 4, 8)


def test_nested_images_are_those_of_torchvision_in_its_order_and_hidden_files_are_left_out(image_folder):
    for name in ("deep/er", "b", ".ipynb_checkpoints"):
        (image_folder / "train" / "cat" / name).mkdir(parents=True)
        Image.fromarray(np.full((6, 5, 3), 100 + len(name), np.uint8)).save(image_folder / "train/cat" / name / "x.png")
    expected = [
        int(np.asarray(image)[0, 0, 0])
        for image, _ in torchvision.datasets.ImageFolder(str(image_folder / "train"))
        if np.asarray(image)[0, 0, 0] != 100 + len(".ipynb_checkpoints")
    ]
    (image_folder / "train" / "cat" / "._0.png").write_bytes(b"of macOS")
    (image_folder / "train" / "cat" / "self").symlink_to(image_folder / "train" / "cat")  # would go round and round
    first = data.load(f"folder:{image_folder}")
    assert first.train_images[:, 0, 0, 0].tolist() == expected
    Image.fromarray(np.full((6, 5, 3), 9, np.uint8)).save(image_folder / "train/cat/deep/er/x.png")
    assert data.load(f"folder:{image_folder}").digest != first.digest  # in the same process, too


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere names of files are text")
def test_names_that_are_not_utf_8(image_folder):
    for part in ("train", "test"):
        (image_folder / part / "cat").rename(image_folder / part / "caf\udce9")
    (image_folder / "train" / "dog" / "0.png").rename(image_folder / "train" / "dog" / "\udce9.png")
    found = data.load(f"folder:{image_folder}")
    assert found.classes == ("caf\udce9", "dog")
    assert len(found.digest) == 64
