"""The book in one file: it is what the chapters' cells say, it trains and measures as the package does, and it runs."""

import ast
import hashlib
import importlib.util
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pretended
import pytest
import torch
from PIL import Image

from softlab import load_profile, regularizers
from softlab.lenses import attacks, calibration
from softlab.numbers import look, quantities
from softlab.training import data as data_sets
from softlab.training import loop

ROOT = Path(__file__).parents[2]
FILE = ROOT / "softlabels.py"
IMAGES = ROOT / "softlab" / "training" / "datasets" / "fashion_mini.npz"
METHODS = {
    "plain": ("baseline", {}),
    "label_smoothing": ("label_smoothing", {"alpha": 0.1}),
    "mixup": ("mixup", {"beta": 1.0}),
    "cutmix": ("cutmix", {"beta": 1.0}),
    "maxsup": ("maxsup", {"alpha": 0.1}),
}


def loaded(path):
    """A file as a module, which is not executed as a command."""
    specification = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


one_file = loaded(FILE)
tangle = loaded(ROOT / "tools" / "tangle.py")


@pytest.fixture(scope="module")
def embedded():
    return one_file.embedded(ROOT)


@pytest.fixture(scope="module")
def prepared(embedded):
    return one_file.prepared(embedded, seed=3, device="cpu")


def test_the_file_is_what_the_cells_say():
    assert FILE.read_text(encoding="utf-8") == tangle.text(), "run: python tools/tangle.py"


def test_the_file_is_as_tidy_as_the_cells():
    command = [sys.executable, "-m", "ruff", "format", "--line-length", "80", "--check", str(FILE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_comment_has_no_markdown_and_no_tex():
    said = "## A heading\n\nA *term*, a [link](cones.ipynb#x), $\\lambda\\, z_1 \\leq \\bar z$:\n\nAnother paragraph."
    assert tangle.comment(said) == "# A term, a link, λ z_1 ≤ z̄.\n"
    with pytest.raises(ValueError, match=r"has no plain text"):
        tangle.comment(r"The root $\sqrt{2}$.")


def test_two_cells_with_one_name_are_refused():
    with pytest.raises(ValueError, match=r"defined twice: length$"):
        tangle.check_names("def length(): pass\n\n\ndef length(): pass\n")


def test_the_page_links_each_chapter_to_its_block():
    page = (ROOT / "book" / "one_file.md").read_text(encoding="utf-8")
    headings = re.findall(r"(?m)^# === (.*) \((.*)\) ===$", FILE.read_text(encoding="utf-8"))
    assert headings
    for title, notebook in headings:
        assert f"## [{title}](../{notebook})" in page
        assert f':start-after: "# === {title} ({notebook}) ==="' in page


# How it trains


@pytest.mark.parametrize("method", METHODS)
def test_its_losses_are_those_of_the_package(method, prepared):
    """To the sixth digit, for which gradients must be equal to the last bit.

    MaxSup's gradient jumps where two logits tie, so that one rounded otherwise leads elsewhere: the chapter's cell has
    amax, as max(1).values adds up its gradient in another order.
    """
    data, start = prepared
    recipe = one_file.RECIPE | {"seed": 3, "epochs": 2}
    _, losses = one_file.trained(method, 0.1, recipe, data, start)
    name, parameters = METHODS[method]
    experiment = load_profile("quick").experiment.replace(
        method=name, method_parameters=parameters, seed=3, epochs=2, snapshot_epochs=(), precision="fp32"
    )
    *_, state = loop.epochs(experiment, data_sets.load("fashion-mini"))
    assert losses == pytest.approx(state.history["loss"], abs=5e-7)


def test_its_images_are_those_that_the_package_trains_on(prepared):
    data, start = prepared
    own = data_sets.load("fashion-mini")
    images, labels = loop.training_set(load_profile("quick").experiment.replace(seed=3), own, "cpu")
    assert torch.equal(data["train"][0], images.float() / 255)
    assert torch.equal(data["train"][1], labels)
    assert torch.equal(start["mean"], own.mean)
    assert torch.equal(start["std"], own.std)


@pytest.mark.parametrize("method", ["mixup", "cutmix"])
@pytest.mark.parametrize("step", range(8))
def test_mixtures_are_those_of_the_package_to_the_bit(method, step):
    images = torch.rand(5, 3, 9, 12, generator=torch.Generator().manual_seed(step))
    targets = one_file.one_hot(torch.tensor([0, 1, 2, 0, 1]), 3)
    mixed, told = getattr(one_file, method)(images, targets, one_file.stream(1, "method", 2, step))
    theirs = regularizers.get(method, beta=1.0).transform(images, targets, one_file.stream(1, "method", 2, step))
    assert torch.equal(mixed, theirs[0])
    assert torch.equal(told, theirs[1])


def test_a_blend_and_a_box_by_hand():
    assert one_file.blend(torch.tensor([[1.0], [0.0], [2.0]]), 0.75).flatten().tolist() == [1.25, 0.25, 1.5]
    # λ = 0.75: a box of half the side, 14 of 28 pixels, around its centre; at the edge it is cut off.
    assert one_file.box(28, 10, 0.75) == slice(3, 17)
    assert one_file.box(28, 2, 0.75) == slice(0, 9)
    assert one_file.box(28, 27, 0.75) == slice(20, 28)


def test_label_smoothing_and_maxsup_by_hand():
    smoothed = one_file.smoothing(one_file.one_hot(torch.tensor([1]), 4), 0.2)
    assert smoothed.tolist() == [pytest.approx([0.05, 0.85, 0.05, 0.05])]
    logits = torch.tensor([[2.0, 1.0, 0.0]])
    total = math.log(math.exp(2) + math.exp(1) + 1)
    assert float(one_file.maxsup(logits, torch.tensor([1]), 0.5)) == pytest.approx(total - 1 + 0.5 * (2 - 1))
    hard = one_file.one_hot(torch.tensor([1]), 3)
    assert float(one_file.cross_entropy(logits, hard)) == pytest.approx(total - 1)


def test_the_learning_rate_rises_for_a_fifth_and_ends_at_zero():
    assert [one_file.schedule(p) for p in (0, 0.1, 0.2, 0.6, 1)] == pytest.approx([0.1, 0.55, 1, 0.5, 0])


# What it measures


@pytest.fixture(scope="module")
def smoothed(prepared):
    """A network, trained for a moment."""
    data, start = prepared
    recipe = one_file.RECIPE | {"seed": 3, "epochs": 6}
    return one_file.trained("label_smoothing", 0.1, recipe, data, start)[0]


def test_its_measures_are_the_lenses(prepared, smoothed):
    data, _ = prepared
    data = data | {"test": tuple(part[:200] for part in data["test"])}
    own = one_file.measured(smoothed, data)
    seen = look.Look(smoothed, look.Samples(data["train"], data["fit"], data["test"]))
    found = {}
    for name in ("outcomes", "calibrated", "cones", "magnitudes", "cosines", "steep"):
        found |= look.LENSES[name].measure(seen)
    expected = {
        "accuracy (%)": 100 * found["accuracy"],
        "confidence - accuracy": 100 * found["gap"],
        "ECE (%)": 100 * found["ECE"],
        "NLL at best T": found["NLL at T"],
        "length of the logits": math.exp(found["log logit scale"]),
        "keep class on ray (%)": 100 * found["constant class"],
        "cosine to class mean": found["cosine, class mean"],
        "margin / slope * 255": 255 * math.exp(found["log margin"] - found["log slope"]),
    }
    for name, value in expected.items():
        assert own[name] == pytest.approx(value, rel=1e-4, abs=1e-4), name
    assert own.keys() - expected.keys() == {"linear probe (%)", "under attack (%)"}
    assert quantities.HEADLINE == 4 / 255


def test_ece_by_hand():
    """Two answers of 0.75, of which one is right, and one of 0.9 that is right: 2/3 · 0.25 + 1/3 · 0.1."""
    probs = torch.tensor([[0.75, 0.25], [0.25, 0.75], [0.9, 0.1]])
    labels = torch.tensor([0, 0, 0])
    assert one_file.ece(probs.log(), labels) == pytest.approx(0.5 / 3 + 0.1 / 3, abs=1e-6)
    assert one_file.ece(probs.log(), labels) == pytest.approx(
        calibration.expected_calibration_error(probs, labels), abs=1e-6
    )


def test_a_temperature_by_hand():
    """Two classes, logits ± 2, three of four right: softmax(2 s) must be 3/4, so 2 s = log 3."""
    logits = torch.tensor([[2.0, 0.0]] * 4)
    assert one_file.best_temperature(logits, torch.tensor([0, 0, 0, 1])) == pytest.approx(2 / math.log(3), rel=1e-5)


def test_cones_by_hand():
    """Rows (1, 0) and (0, 1), bias (0, 1): class 1 leads where x < y + 1, at any length if x <= y."""
    features = torch.tensor([[1.0, 2.0], [3.0, 1.0], [30.0, 1.0]])
    kept = one_file.keeps_class(features, torch.eye(2), torch.tensor([0.0, 1.0]))
    assert kept.tolist() == [True, False, True]  # the second: 0.3 < 0.1 + 1, and yet 3 > 1 + 1


def test_length_angle_and_probe_by_hand():
    logits = one_file.centred_logits(torch.tensor([[3.0, 0.0]]), torch.tensor([[1.0, 5.0], [-1.0, 5.0]]))
    assert logits.tolist() == [[3.0, -3.0]]
    assert one_file.typical_length(torch.tensor([[1.0, 0.0], [0.0, 4.0]])) == pytest.approx(2.0)
    features = torch.tensor([[2.0, 0.0], [4.0, 0.0], [0.0, 1.0]])
    means = one_file.class_means(features, torch.tensor([0, 0, 1]))
    assert means.tolist() == [[3.0, 0.0], [0.0, 1.0]]
    cosine = one_file.cosine_to_class(torch.tensor([[1.0, 1.0]]), torch.tensor([1]), means)
    assert float(cosine) == pytest.approx(0.5**0.5)
    lines = torch.tensor([[1.0], [2.0], [5.0], [6.0]])
    answers = one_file.linear_probe(lines, torch.tensor([0, 0, 1, 1]), torch.tensor([[3.4], [3.6]]))
    assert answers.tolist() == [0, 1]


class Linear(torch.nn.Module):
    """Two classes; the lead of the first is Σ xᵢ wᵢ + 0.1 on images (N, 1, 1, 3)."""

    def __init__(self):
        super().__init__()
        self.weight = torch.tensor([[1.0, -2.0, 0.5], [0.0, 0.0, 0.0]])

    def forward(self, images):
        return images.flatten(1) @ self.weight.T + torch.tensor([0.1, 0.0])


def test_an_attack_and_margin_over_slope_by_hand():
    """The lead of an image (½, ½, ¼) is 0.5 - 1 + 0.125 + 0.1 = -0.275 for class 0; the slope is 1 + 2 + 0.5."""
    image = torch.tensor([[[[0.5, 0.5, 0.25]]]])
    for label, lead in ((0, -0.275), (1, 0.275)):
        margins, slopes = one_file.margin_and_slope(Linear(), image, torch.tensor([label]), 0.1)
        assert float(margins) == pytest.approx(lead)
        assert float(slopes) == pytest.approx(3.5)
    one = torch.tensor([1])
    for share, answer in ((0.99, 1), (1.01, 0)):
        moved = one_file.attacked(Linear(), image, one, share * 0.275 / 3.5)
        assert int(one_file.predict(Linear(), moved).argmax(1)) == answer
        assert float((moved - image).abs().max()) <= share * 0.275 / 3.5 + 1e-6
    # At the edge of the box a pixel has less room: of 0.5 · min(0.5, 0.25) for the last one.
    _, slopes = one_file.margin_and_slope(Linear(), image, torch.tensor([0]), 0.5)
    assert float(slopes) == pytest.approx((0.5 + 2 * 0.5 + 0.5 * 0.25) / 0.5)


def test_its_attack_is_about_as_strong_as_the_one_on_record(prepared, smoothed):
    model = smoothed
    images, labels = (part[:100] for part in prepared[0]["test"])
    moved = one_file.attacked(model, images, labels, 4 / 255)
    assert float((moved - images).abs().max()) <= 4 / 255 + 1e-6
    assert float(moved.min()) >= 0
    assert float(moved.max()) <= 1
    own = float((one_file.predict(model, moved).argmax(1) == labels).float().mean())
    theirs = attacks.pgd(model, images, labels, 4 / 255, steps=20, loss="margin").accuracy
    assert own == pytest.approx(theirs, abs=0.03)


# Where networks on record lie


def intervals():
    """Row -> method -> the two ends."""
    lines = one_file.RECORD.strip().splitlines()
    (_, *methods), *rows = [[cell.strip() for cell in line.split("|")] for line in lines]
    found = {}
    for name, *cells in rows:
        found[name] = {m: [float(end) for end in of.split(" to ")] for m, of in zip(methods, cells, strict=True) if of}
    return found


@pytest.mark.parametrize(
    ("row", "quantity", "factor"), [("accuracy (%)", "accuracy", 100), ("NLL at best T", "NLL at T", 1)]
)
def test_the_intervals_are_those_of_the_record(row, quantity, factor):
    table = pd.read_csv(ROOT / "softbook" / "records" / "core" / "quick-confirm.csv")
    for method, (name, _) in METHODS.items():
        values = factor * table.loc[table["method"] == name, quantity]
        assert len(values) == 10
        half = 2.262157 * values.std() * math.sqrt(1.1)  # t of nine degrees of freedom
        assert intervals()[row][method] == pytest.approx((values.mean() - half, values.mean() + half), rel=6e-3)


def test_every_row_of_the_table_is_measured_and_nearly_all_are_on_record(prepared):
    data, start = prepared
    few = {part: (images[:60], labels[:60]) for part, (images, labels) in data.items()}
    measured = one_file.measured(one_file.new_network(**start), few)
    assert measured.keys() == intervals().keys()
    assert [name for name, of in intervals().items() if of.keys() != METHODS.keys()] == ["linear probe (%)"]
    assert all(low < high for of in intervals().values() for low, high in of.values())


# How it is run


def test_beside_its_images_it_needs_nothing_else(tmp_path):
    shutil.copy(IMAGES, tmp_path / "fashion_mini.npz")
    parts = one_file.embedded(tmp_path)
    own = data_sets.load("fashion-mini")
    for part in ("train", "fit", "test"):
        assert torch.equal(parts[part][0], getattr(own, f"{part}_images"))
        assert torch.equal(parts[part][1], getattr(own, f"{part}_labels"))


def test_images_are_downloaded_once_and_only_the_right_ones_kept(tmp_path, monkeypatch):
    source = tmp_path / "repository"
    there = source / "raw" / "main" / one_file.NPZ
    there.parent.mkdir(parents=True)
    monkeypatch.setattr(one_file, "ADDRESS", source.as_uri())
    folder = tmp_path / "mine"
    folder.mkdir()
    there.write_bytes(b"something else")
    with pytest.raises(OSError, match=r"is not the book's file"):
        one_file.embedded(folder)
    assert not list(folder.iterdir())
    shutil.copy(IMAGES, there)
    one_file.embedded(folder)
    there.unlink()
    assert len(one_file.embedded(folder)["train"][1]) == 6000
    assert hashlib.sha256((folder / "fashion_mini.npz").read_bytes()).hexdigest() == one_file.SHA256


def test_a_damaged_file_of_images_is_refused(tmp_path):
    (tmp_path / "fashion_mini.npz").write_bytes(IMAGES.read_bytes()[:-1])
    with pytest.raises(OSError, match=r"fashion_mini.npz is not the book's file"):
        one_file.embedded(tmp_path)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_folder_of_images_is_read_as_the_package_reads_it(mode, tmp_path):
    generator = np.random.default_rng(0)
    for part, count in (("train", 3), ("test", 8)):
        for name in ("boot", "bag"):
            (tmp_path / part / name).mkdir(parents=True)
            for n in range(count):
                pixels = generator.integers(0, 256, (8, 8) if mode == "L" else (8, 8, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / part / name / f"{n}.png")
    parts = one_file.in_folder(tmp_path)
    theirs = data_sets.load(f"folder:{tmp_path}")
    for part in ("train", "fit", "test"):
        assert torch.equal(parts[part][0], getattr(theirs, f"{part}_images"))
        assert torch.equal(parts[part][1], getattr(theirs, f"{part}_labels"))


def write_folder(folder, classes, count, mode="L", side=8):
    """Images of noise. count: of each class, those of train and those of test."""
    generator = np.random.default_rng(0)
    for part, counts in zip(("train", "test"), count, strict=True):
        for name, some in zip(classes, counts, strict=True):
            (folder / part / name).mkdir(parents=True)
            for n in range(some):
                deep = mode == "I;16"
                pixels = generator.integers(
                    0, 2 ** (16 if deep else 8), (side, side), dtype=np.uint16 if deep else np.uint8
                )
                Image.fromarray(pixels).save(folder / part / name / f"{n}.png")


FOLDERS = {
    "twelve classes by number": ([str(n) for n in range(12)], ([1] * 12, [4] * 12), "L"),
    "twelve classes by number behind a letter": ([f"c{n}" for n in range(12)], ([1] * 12, [4] * 12), "L"),
    "a rare class": (["a", "b", "c"], ([2, 2, 2], [40, 36, 5]), "L"),
    "a class with one test image": (["a", "b", "c"], ([2, 2, 2], [20, 20, 1]), "L"),
    "grey of 16 bits": (["a", "b"], ([2, 2], [4, 4]), "I;16"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_any_folder_of_images_is_read_as_the_package_reads_it(case, tmp_path):
    classes, count, mode = FOLDERS[case]
    write_folder(tmp_path, classes, count, mode)
    (tmp_path / "train" / "read me.txt").write_text("no class")
    parts = one_file.in_folder(tmp_path)
    theirs = data_sets.load(f"folder:{tmp_path}")
    for part in ("train", "fit", "test"):
        assert torch.equal(parts[part][0], getattr(theirs, f"{part}_images"))
        assert torch.equal(parts[part][1], getattr(theirs, f"{part}_labels"))
    assert theirs.classes == tuple(classes)
    assert set(parts["test"][1].tolist()) == set(range(len(classes)))


def test_an_empty_class_and_one_of_test_images_only_are_refused(tmp_path):
    write_folder(tmp_path / "empty", ["a", "b"], ([2, 0], [4, 4]))
    with pytest.raises(ValueError, match=r"train/b holds no image$"):
        one_file.in_folder(tmp_path / "empty")
    write_folder(tmp_path / "tested", ["a", "b"], ([2, 2], [4, 4]))
    (tmp_path / "tested" / "test" / "new").mkdir()
    with pytest.raises(ValueError, match=r"class 'new' is in one of train and test only"):
        one_file.in_folder(tmp_path / "tested")


def test_more_images_are_read_than_files_may_be_open(tmp_path):
    resource = pytest.importorskip("resource")
    write_folder(tmp_path, ["a", "b"], ([150, 150], [4, 4]))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        assert len(one_file.in_folder(tmp_path)["train"][0]) == 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_temperature_that_has_no_best_value_stands_at_an_end():
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    assert one_file.within_bounds(logits, torch.tensor([0, 1, 0])) == 0.01  # all right
    assert one_file.within_bounds(logits, torch.tensor([1, 0, 1])) == 100  # worse than chance
    mixed = torch.tensor([0, 1, 1])
    assert 0.01 < one_file.within_bounds(logits, mixed) == one_file.best_temperature(logits, mixed) < 100


NO_IMAGES = r"no images \(none here, .*\); put into .*: the book's softlab/\S*/fashion_mini.npz$"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], NO_IMAGES),
        (
            ["--data", "nowhere"],
            r"no images \(need at least one array to stack\); put into .*nowhere: folders train/CLASS",
        ),
        (["--method", "magic"], r"error: argument --method: invalid choice: 'magic'"),
        (["--alpha", "2"], r"error: alpha is from 0 to 1, epochs from 1"),
        (["--method", "mixup", "--alpha", "0.2"], r"error: mixup has no alpha"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(one_file, "ADDRESS", "")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        one_file.main(arguments)
    told = f"{ended.value.code}\n" if isinstance(ended.value.code, str) else capsys.readouterr().err
    assert re.search(said, told)
    assert told.count("\n") == 1


def test_pasted_into_a_notebook_it_leaves_the_kernel_s_arguments_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["ipykernel_launcher.py", "-f", "kernel.json"])
    monkeypatch.chdir(tmp_path)
    source = re.sub(r'(?m)^ADDRESS = ".*?"', 'ADDRESS = ""', FILE.read_text(encoding="utf-8"))
    with pytest.raises(SystemExit, match=NO_IMAGES):
        exec(compile(source, "cell", "exec"), {"__name__": "__main__"})


def test_on_a_gpu_everything_is_sent_where_it_is_needed(embedded, monkeypatch):
    with pretended.gpu(monkeypatch):
        data, start = one_file.prepared(embedded, seed=0, device="cuda")
        few = {part: (images[:40], labels[:40]) for part, (images, labels) in data.items()}
        recipe = one_file.RECIPE | {"seed": 0, "epochs": 1}
        for method in METHODS:
            model, losses = one_file.trained(method, 0.1, recipe, few, start)
            assert all(math.isfinite(value) for value in [*losses, *one_file.measured(model, few).values()])


def test_it_imports_torch_and_numpy_and_for_a_folder_pillow():
    nodes = list(ast.walk(ast.parse(FILE.read_text(encoding="utf-8"))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert others == {"torch", "numpy", "PIL"}


ALONE = """
import runpy, sys
for name in ("softlab", "softbook", "torchvision", "scipy", "pandas", "matplotlib", "PIL", "yaml", "tqdm"):
    sys.modules[name] = None  # so that importing it fails
sys.argv = ["softlabels.py", "--method", "cutmix"]
runpy.run_path("softlabels.py", run_name="__main__")
"""


@pytest.mark.slow
def test_with_torch_and_numpy_alone_it_prints_the_package_s_numbers(tmp_path):
    """The whole command in an empty folder; and the same two networks by the package, looked at by the same lines."""
    shutil.copy(FILE, tmp_path)
    shutil.copy(IMAGES, tmp_path)
    done = subprocess.run([sys.executable, "-c", ALONE], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    data, _ = one_file.prepared(one_file.embedded(ROOT), 0, "cpu")
    for name, column in (("baseline", 0), ("cutmix", 1)):
        fields = {"method": name, "method_parameters": {"beta": 1.0} if column else {}}
        experiment = load_profile("quick").experiment.replace(**fields, snapshot_epochs=(), precision="fp32")
        *_, state = loop.epochs(experiment, data_sets.load("fashion-mini"))
        for row, value in one_file.measured(state.model.eval(), data).items():
            (line,) = [line for line in done.stdout.splitlines() if line.startswith(row)]
            place = 22 + 25 * column
            assert float(line[place : place + 9]) == pytest.approx(value, rel=6e-3), (row, name)


@pytest.mark.slow
def test_pasted_whole_into_an_empty_notebook_it_works(tmp_path):
    import nbformat
    from nbclient import NotebookClient

    shutil.copy(IMAGES, tmp_path)
    cell = nbformat.v4.new_code_cell(FILE.read_text(encoding="utf-8").replace("default=45", "default=2"))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    NotebookClient(notebook, kernel_name="python3", timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    said = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    assert "accuracy (%)" in said
