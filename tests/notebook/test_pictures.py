"""Images as people have them, read as they are looked at; how long it takes; networks by the names of timm."""

import shutil
import sys
import types

import numpy as np
import pretended
import pytest
import safetensors.torch
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import functional

from softlab import SoftlabError, cli, examine
from softlab.inspector import network_files, progress
from softlab.inspector.pictures import Pictures, from_path
from softlab.numbers.look import Look
from softlab.numbers.quantities import LENSES, Samples
from softlab.training import loop

COUNT = 24
SIDE = 8
FEW = {"attacked": 2, "steps": 2}


def pixels():
    """(N, 3, H, W) uint8 and labels of three classes, each with a bright third."""
    labels = np.arange(COUNT) % 3
    images = np.random.default_rng(0).integers(0, 120, (COUNT, 3, SIDE, SIDE)).astype(np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 2 * label : 2 * label + 2] += 110
    return images, labels


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The same images in every form, at a path with spaces and letters of any language."""
    folder = tmp_path_factory.mktemp("given") / "a plàce 学"
    images, labels = pixels()
    lines = []
    for row, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = folder / "folder" / "abc"[label] / f"{row:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image.transpose(1, 2, 0)).save(path)
        lines.append(f"{path.relative_to(folder).as_posix()},{'abc'[label]}")
    (folder / "table.csv").write_text("\n".join(["path,label", *lines]), encoding="utf-8")
    windows = "\r\n".join(["Label;File", *(f"{'abc'.index(line[-1])};{line[:-2]}" for line in lines)])
    (folder / "windows.csv").write_bytes(b"\xef\xbb\xbf" + windows.encode())
    np.savez(folder / "last.npz", images=images.transpose(0, 2, 3, 1), labels=labels)
    np.savez(folder / "floats.npz", images=images.astype(np.float32) / 255, y=labels)
    np.save(folder / "first.npy", images)
    np.save(folder / "labels.npy", labels)
    return folder


def test_files_of_other_kinds_are_counted(place, tmp_path):
    folder = tmp_path / "photos"
    shutil.copytree(place / "folder", folder)
    (folder / "a" / "live.heic").write_bytes(b"")
    (note,) = from_path(folder, 3).notes
    assert "order, as torchvision's ImageFolder numbers them. One file (.heic) in " in note
    assert note.endswith("left out: only .bmp, .jpeg, .jpg, .pgm, .png, .ppm, .tif, .tiff, .webp are read.")


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("folder", None),
        ("table.csv", None),
        ("windows.csv", None),
        ("last.npz", None),
        ("floats.npz", None),
        ("first.npy", "labels.npy"),
        ("last.npz", "labels.npy"),
    ],
)
def test_every_form_has_the_same_images_and_labels(name, labels, place):
    found = from_path(place / name, 3, labels and place / labels)
    images, truth = pixels()
    order = np.argsort(truth, kind="stable") if name == "folder" else np.arange(COUNT)
    assert found.labels.tolist() == truth[order].tolist()
    decoded = found.pictures[:] if isinstance(found.pictures, Pictures) else (255 * found.pictures).round().byte()
    assert np.array_equal(decoded.numpy(), images[order])
    assert from_path(place / "first.npy", 3, place / "labels.npy", size=4).pictures.shape == (COUNT, 3, 4, 4)


def test_pictures_are_read_as_they_are_looked_at():
    seen = []

    def read(row):
        seen.append(row)
        return np.full((3, 2, 2), row, np.uint8)

    pictures = Pictures(read, torch.arange(10), (3, 2, 2))
    assert (len(pictures), tuple(pictures.shape), seen) == (10, (10, 3, 2, 2), [])
    some = pictures.rows(torch.tensor([7, 3, 5, 1]))
    assert seen == []
    assert [batch[:, 0, 0, 0].tolist() for batch in some.split(3)] == [[7, 3, 5], [1]]
    assert some[1][0, 0, 0] == 3
    assert some[torch.tensor([2, 0])][:, 0, 0, 0].tolist() == [5, 7]
    seen.clear()
    for stop in (2, 4, 100, 3, None):
        assert some[:stop][:, 0, 0, 0].tolist() == [7, 3, 5, 1][:stop]
    assert seen == [7, 3, 7, 3, 5, 1]  # what is decoded stays, as several lenses ask for it


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * SIDE * SIDE, 3))


def test_the_numbers_are_those_of_images_in_memory(place):
    found = from_path(place / "table.csv", 3)
    lazy = examine(network(), found.pictures, found.labels, **FEW)
    eager = examine(network(), *(torch.from_numpy(one) for one in pixels()), **FEW)
    assert lazy.numbers == pytest.approx(eager.numbers, rel=0, abs=0, nan_ok=True)


def test_without_attacks_nothing_is_attacked_or_corrupted():
    seen = examine(network(), *(torch.from_numpy(one) for one in pixels()), attacked=0)
    assert set(seen.numbers) == {name for lens in LENSES.values() if lens.clean for name in lens.quantities}
    assert not any("attacks it is right" in text for text in seen.findings())
    assert "answer" in seen._repr_html_()
    seen.figure()


# How long it takes


def test_no_lens_takes_more_passes_than_planned_and_the_hook_is_gone():
    images, labels = (torch.from_numpy(one) for one in pixels())
    samples = Samples((images[:6], labels[:6]), (images[:6], labels[:6]), (images[6:], labels[6:]), 5, 4)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(3 * SIDE * SIDE, 3)

        def forward(self, images):
            counted[0] += len(images) * (progress.GRADIENT if torch.is_grad_enabled() else 1)
            return self.head(images.flatten(1))

    counted = [0]
    model = Net()
    look = Look(model, samples)
    planned = progress.passes(look, list(LENSES.values()))
    with progress.shown(planned, model, True) as bar:
        for name, lens in LENSES.items():
            counted[0] = 0
            lens.measure(look)
            bar.after(name)
            slack = 60 + 6 * len(images)  # what attacks ask before they begin
            assert counted[0] <= planned[name] + slack, name
    assert not model._forward_hooks


def test_an_estimate_has_a_unit_that_people_use():
    words = [progress.estimate(seconds) for seconds in (0.2, 45, 100, 4000, 20000)]
    assert words == ["about 1 seconds", "about 45 seconds", "about 2 minutes", "about 67 minutes", "about 5.6 hours"]


def test_it_is_said_before_how_long_it_takes(capsys):
    examine(network(), *(torch.from_numpy(one) for one in pixels()), progress=True, **FEW)
    said = capsys.readouterr().err
    assert said.startswith("24 images, 2 of them attacked: at most about ")
    assert said.endswith("on cpu\n")


# Malformed


def write(folder, name, content):
    """A file of text, or of arrays."""
    if isinstance(content, dict):
        np.savez(folder / name, **content)
    elif isinstance(content, np.ndarray):
        np.save(folder / name, content)
    elif content is not None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())


IMAGES, LABELS = pixels()
MALFORMED = {
    "no folder": ("nowhere", None, "has no folder 'nowhere'"),
    "no file": ("nowhere.csv", None, "there is no file"),
    "a pickle": ("images.pkl", b"\x80", "files that can execute code are not read"),
    "a single image": ("cat.png", b"", "must be a file of .npy, .npz, .csv, .tsv"),
    "no heading": ("x.csv", "a.png,0\nb.png,1", "needs a first line that names a column path and a column label"),
    "no labels": ("x.csv", "path,fold\na.png,1", "a column path and a column label"),
    "no such image": ("x.csv", "path,label\na.png,1", "row 0 of"),
    "a path to something else": ("x.csv", "path,label\n/etc/passwd,1", "'/etc/passwd' is no image file beside it"),
    "a path with a zero": ("x.csv", "path,label\na\0.png,1", "x.csv"),
    "no image inside": ("x.csv", "path,label\nbroken.png,1", "broken.png cannot be read as an image"),
    "two sizes": ("x.csv", "path,label\nsmall.png,0\nlarge.png,1", "--size PIXELS resizes all"),
    "no label": ("x.csv", "path,label\nsmall.png,0\nsmall.png,-1", "x.csv has no label, only '-1' in its column"),
    "an empty label": ("x.csv", "path,label\nsmall.png,0\nsmall.png,", "x.csv has no label, only ''"),
    "words in two orders": (
        "x.csv",
        "path,label\nsmall.png,Banana\nsmall.png,apple\nsmall.png,cherry",
        "class 0 may be 'Banana' as text (torchvision), 'apple' in natural order (timm): name each of the labels in",
    ),
    "names too few": ("x.csv", "path,label\nsmall.png,cat\nsmall.png,dog", "the network has 3 classes, and"),
    "arrays without images": ("x.npz", {"a": IMAGES, "b": LABELS}, "unknown array of x.npz 'images'"),
    "arrays without labels": ("x.npz", {"images": IMAGES}, "has no labels: give them, --labels FILE"),
    "two dimensions": ("x.npz", {"images": IMAGES[0, 0], "labels": LABELS}, "(N, C, H, W), (N, H, W, C) or"),
    "four channels": ("x.npz", {"images": IMAGES[:, :, :4].transpose(0, 2, 1, 3), "labels": LABELS}, "one channel or"),
    "labels of another length": ("x.npz", {"images": IMAGES, "labels": LABELS[1:]}, "one for each of 24 images"),
    "labels as floats": (
        "x.npz",
        {"images": IMAGES, "labels": LABELS / 2},
        "labels in x.npz must be whole numbers, one for each of 24 images in x.npz, not float64 (24,)",
    ),
    "objects": ("x.npz", {"images": np.array([{}, []], object), "labels": LABELS[:2]}, "Object arrays cannot be load"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_wrong_with_images_is_one_line(case, tmp_path):
    name, content, words = MALFORMED[case]
    write(tmp_path, name, content)
    write(tmp_path, "broken.png", b"\x89PNG")
    for size, picture in ((4, "small.png"), (6, "large.png")):
        Image.new("RGB", (size, size)).save(tmp_path / picture)
    with pytest.raises(SoftlabError) as caught:
        from_path(tmp_path / name, 3)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("write_label", [str, float, "c{}".format, "{:02}".format])
def test_twelve_classes_are_numbered_by_their_numbers_in_a_table_and_in_folders(write_label, tmp_path):
    for number in range(12):
        path = tmp_path / "images" / str(write_label(number)) / "one.png"
        path.parent.mkdir(parents=True)
        Image.new("RGB", (4, 4), (20 * number, 0, 0)).save(path)
    lines = [f"images/{write_label(number)}/one.png,{write_label(number)}" for number in range(12)]
    (tmp_path / "x.csv").write_text("\n".join(["path,label", *lines]))
    for place in ("x.csv", "images"):
        found = from_path(tmp_path / place, 12)
        assert (found.pictures[:][:, 0, 0, 0] // 20).tolist() == found.labels.tolist()


def test_a_folder_of_parts_is_no_folder_of_classes(tmp_path):
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (tmp_path / part / name).mkdir(parents=True)
            Image.new("RGB", (4, 4)).save(tmp_path / part / name / "one.png")
    with pytest.raises(SoftlabError, match=r"holds train and val, which are parts .* one of them, --images .*/val$"):
        from_path(tmp_path, 2)


def test_one_image_is_resized_alike_whatever_holds_it(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    (tmp_path / "images" / "0").mkdir(parents=True)
    Image.fromarray(image).save(tmp_path / "images" / "0" / "one.png")
    np.savez(tmp_path / "x.npz", images=image[None], labels=[0])
    as_torchvision_does = functional.resize(functional.to_pil_image(torch.from_numpy(image).movedim(2, 0)), [32, 32])
    expected = functional.pil_to_tensor(as_torchvision_does)
    for place in ("images", "x.npz"):
        assert torch.equal(from_path(tmp_path / place, 3, size=32).pictures[0], expected)


@pytest.mark.parametrize("dtype", [">f4", ">f8"])
def test_arrays_of_any_byte_order_are_taken(dtype, tmp_path):
    images, labels = pixels()
    np.savez(tmp_path / "x.npz", images=(images / 255).astype(dtype), labels=labels.astype(">i4"))
    found = from_path(tmp_path / "x.npz", 3)
    assert torch.allclose(found.pictures.double(), torch.from_numpy(images / 255), atol=1e-6)
    assert found.labels.tolist() == labels.tolist()


# timm's networks, of which only names, builders and settings are asked


@pytest.fixture
def timm(monkeypatch):
    """A stand-in with one network, which is another one's name in torchvision, too."""
    made = types.SimpleNamespace(mean=(0.5, 0.5, 0.4), std=(0.2, 0.2, 0.3), input_size=(3, SIDE, SIDE))
    stand_in = types.ModuleType("timm")
    stand_in.list_models = lambda pattern="", pretrained=False: ["tiny.a_in1k"] if pretrained else ["resnet18", "tiny"]
    stand_in.get_pretrained_cfg = lambda name, allow_unregistered: made
    stand_in.create_model = lambda name, pretrained, num_classes: nn.Sequential(
        nn.Flatten(), nn.Linear(3 * SIDE * SIDE, num_classes)
    )
    monkeypatch.setitem(sys.modules, "timm", stand_in)


def test_normalisation_and_size_are_those_of_timm(timm, place, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    safetensors.torch.save_file(
        {f"1.{name}": one for name, one in network()[1].state_dict().items()}, "net.safetensors"
    )
    command = ["examine", "net.safetensors", "--architecture", "timm/tiny.a_in1k", "--images", str(place / "folder")]
    cli.main([*command, "--attacked", "0", "--device", "cpu"])
    said = capsys.readouterr().out
    assert "timm's pretrained_cfg of tiny.a_in1k: mean 0.5, 0.5, 0.4, std 0.2, 0.2, 0.3, 8 × 8 pixels" in said
    found = network_files.architecture_of("tiny.a_in1k")
    assert (found.mean, found.std, found.size) == ((0.5, 0.5, 0.4), (0.2, 0.2, 0.3), SIDE)
    assert network_files.architecture_of("resnet18").note == ""  # torchvision's comes first


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("timm/tyni", "unknown architecture 'tyni'; did you mean 'tiny'"),
        ("timm/tiny.b_in1k", "unknown architecture 'tiny.b_in1k'; did you mean 'tiny.a_in1k'"),
        ("hf-hub:timm/tiny", "unknown architecture"),
        ("timm/local-dir:/tmp", "unknown architecture"),
        ("../../tiny", "unknown architecture"),
    ],
)
def test_names_of_timm_are_no_addresses(timm, name, message):
    with pytest.raises(SoftlabError, match=message):
        network_files.architecture_of(name)


def test_without_timm_it_is_said_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(SoftlabError, match="needs timm, which is not installed: pip install timm"):
        network_files.architecture_of("timm/resnet18")
    with pytest.raises(SoftlabError, match="did you mean 'resnet18'"):
        network_files.architecture_of("resnet19")


# Devices


@pytest.mark.parametrize("float64", [True, False])  # False: as MPS
def test_pictures_are_sent_to_a_gpu(float64, place, monkeypatch):
    found = from_path(place / "table.csv", 3)
    here = examine(network(), found.pictures, found.labels, **FEW)
    with pretended.gpu(monkeypatch, float64):
        model = network().to(loop.choose_device())
        if not float64:
            with pytest.raises(TypeError, match="does not support float64"):
                model[1].weight.double()
        there = examine(model, found.pictures, found.labels, progress=True, **FEW)
        assert next(model.parameters()).is_cuda
    assert there.numbers == pytest.approx(here.numbers, rel=1e-4, nan_ok=True)
    assert not there.problems


@pytest.mark.parametrize("device", ["cuda", "mps", "gpu", "cuda:7"])
def test_a_device_that_is_not_there_is_named(device, place, capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["examine", "x.safetensors", "--architecture", "resnet18", "--images", "x", "--device", device])
    assert end.value.code == 2
    said = capsys.readouterr().err
    assert f"{device!r} is no" in said
    assert said.count("\n") == 1
