"""Predictions without their network: the numbers are the network's; what is wrong with a file is said in one line."""

import numpy as np
import pandas
import pytest
import torch
from commands import exit_code
from torch import nn

from softlab import SoftlabError, examine, examine_predictions
from softlab.lenses import calibration
from softlab.notebook import arrays, predictions
from softlab.notebook.examination import split

COUNT = 80
NAMES = ["cat", "dog", "newt"]


def outcomes(classes=3, count=COUNT):
    """Logits (N, K) that are right about two times of three, and labels."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % classes
    logits = generator.normal(size=(count, classes))
    logits[np.arange(count), labels] += 1.2
    return logits, labels


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def told(seen):
    """Its numbers, without one that with so few classes is a matter of rounding: of a row 2, -1, -1 as of 5, -2, -3,
    the largest logit is half of the sum of sizes, so that all orders are equal."""
    return {name: value for name, value in seen.numbers.items() if name != "AURC, normalised"}


# Numbers


def test_the_numbers_are_those_of_the_network():
    torch.manual_seed(0)
    labels = torch.arange(COUNT) % 3
    images = torch.randint(0, 120, (COUNT, 3, 6, 6), dtype=torch.uint8)
    images[:, :, 0] += 60 * labels[:, None, None].to(torch.uint8)
    model = nn.Sequential(nn.Flatten(), nn.Linear(108, 3))
    network = examine(model, images, labels, attacked=60, steps=1)  # of attacked images margins are means
    alone = examine_predictions(model(images / 255), labels)
    assert set(alone.numbers) < set(network.numbers)
    assert {"accuracy", "ECE", "temperature", "NLL at T", "AURC", "log margin"} <= set(alone.numbers)
    assert alone.numbers == pytest.approx({name: network.numbers[name] for name in alone.numbers}, rel=1e-4)
    assert alone.interval == pytest.approx(network.interval, rel=1e-4, nan_ok=True)


def test_probabilities_say_what_their_logits_say():
    logits, labels = outcomes()
    plain = told(examine_predictions(logits, labels))
    assert told(examine_predictions(softmax(logits), labels, probabilities=True)) == pytest.approx(plain, rel=1e-4)


def test_one_column_is_the_second_class():
    generator = np.random.default_rng(0)
    labels = np.arange(COUNT) % 2
    score = generator.normal(size=COUNT) + labels
    both = told(examine_predictions(np.stack([0 * score, score], 1), labels))
    assert told(examine_predictions(score, labels)) == both
    assert told(examine_predictions(score[:, None], labels)) == both
    share = 1 / (1 + np.exp(-score))
    assert told(examine_predictions(share, labels, probabilities=True)) == pytest.approx(both, rel=1e-4)


def test_labels_may_be_one_row_each_and_floats_that_are_whole():
    logits, labels = outcomes()
    plain = examine_predictions(logits, labels).numbers
    assert examine_predictions(logits, np.eye(3)[labels]).numbers == plain
    assert examine_predictions(torch.tensor(logits), labels.astype(float)[:, None]).numbers == plain


def test_a_rare_class_is_scored_too():
    labels = torch.zeros(200, dtype=torch.int64)
    labels[:10] = 1
    fit, scored = split(labels)
    assert sorted([*fit.tolist(), *scored.tolist()]) == list(range(200))
    assert len(fit) == 50
    assert labels[scored].sum() >= 5
    even = torch.arange(200) % 4
    assert even[split(even)[0]].bincount().sort().values.tolist() == [12, 12, 13, 13]


def test_findings_say_what_the_temperature_mends_and_what_needs_the_network():
    generator = np.random.default_rng(1)
    logits = 1.5 * generator.normal(size=(2000, 5))
    labels = np.array([generator.choice(5, p=row) for row in softmax(logits)])
    seen = examine_predictions(3 * logits, labels, name="<b>mine</b>")
    low, high = seen.interval
    assert low < 3 < high
    text = " ".join(seen.findings())
    assert "Overconfident" in text
    assert f"(95 % interval over images {low:.2f} to {high:.2f}): that takes the ECE from" in text
    assert "If it answered only the half that it is surest of" in text
    assert "Only the predictions were given" in text


def test_zeros_among_probabilities_are_said():
    logits, labels = outcomes()
    hard = np.eye(3)[logits.argmax(1)]
    found = predictions.from_arrays(hard, labels, probabilities=True)
    wrong = int((logits.argmax(1) != labels).sum())
    assert f"for {wrong} images it is the label's" in found.notes[0]
    assert found.logits.isfinite().all()


# Files


def written(folder, logits, labels):
    """The same predictions in every kind of file: name of the file -> options of the command."""
    probs = softmax(logits)
    np.save(folder / "logits.npy", logits)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "half.npy", logits.astype(np.float32).astype(">f4"))
    np.savez(folder / "both.npz", logits=logits, labels=labels)
    np.savez_compressed(folder / "one.npz", logits)
    np.savetxt(folder / "bare.csv", logits, delimiter=";")
    np.savetxt(folder / "labels.csv", labels, fmt="%d")
    frame = pandas.DataFrame(probs, columns=NAMES)
    frame.insert(0, "filename", [f"{row}.png" for row in range(len(frame))])
    frame["Label"] = [NAMES[label] for label in labels]
    frame.to_csv(folder / "named.csv")
    windows = frame.to_csv(sep="\t", index=False).replace("\n", "\r\n")
    (folder / "windows.csv").write_bytes(b"\xef\xbb\xbf" + windows.encode())
    return {
        "npy": ("--logits", folder / "logits.npy", "--labels", folder / "labels.npy"),
        "another byte order": ("--logits", folder / "half.npy", "--labels", folder / "labels.csv"),
        "npz": ("--logits", folder / "both.npz"),
        "npz and npy": ("--logits", folder / "one.npz", "--labels", folder / "labels.npy"),
        "npz twice": ("--logits", folder / "both.npz", "--labels", folder / "both.npz"),
        "csv": ("--logits", folder / "bare.csv", "--labels", folder / "labels.csv"),
        "csv with names": ("--probs", folder / "named.csv"),
        "tabs, Windows": ("--probs", folder / "windows.csv"),
    }


KINDS = ("npy", "another byte order", "npz", "npz and npy", "npz twice", "csv", "csv with names", "tabs, Windows")


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_gives_the_same_page(kind, tmp_path, capsys, monkeypatch):
    place = tmp_path / "a place with späces"
    place.mkdir()
    monkeypatch.chdir(place)
    options = written(place, *outcomes())[kind]
    assert exit_code("examine", *options, "--out", "page.html") == 0
    said = capsys.readouterr().out
    expected = examine_predictions(*outcomes())
    assert said.startswith(expected.findings()[0])
    page = (place / "page.html").read_text(encoding="utf-8")
    assert "Only the predictions were given" in page
    assert f"<td>{100 * expected.numbers['AURC']:.2f}</td>" in page


def test_columns_that_are_no_classes_are_left_out_and_said(tmp_path):
    written(tmp_path, *outcomes())
    found = predictions.from_files(tmp_path / "named.csv", probabilities=True)
    assert found.logits.shape == (COUNT, 3)
    assert found.labels.tolist() == outcomes()[1].tolist()
    said = "'cat' to 'newt' of named.csv, 3 in this order; labels are its column 'Label'; left out: 'Unnamed: 0', 'file"
    assert said in found.notes[0]


def with_row(row, value):
    logits, labels = outcomes()
    logits[row] = value
    return logits, labels


def table(text):
    """A table of 80 rows of this text under this heading."""
    heading, row = text.split("\n")
    return (heading + "\n" + (row + "\n") * COUNT).encode()


# What a file may not be: option, name, content (bytes, or what numpy saves), what is added to labels, the answer.
MALFORMED = {
    "no such file": ("--logits", "nowhere.npy", None, 0, "there is no file nowhere.npy"),
    "a pickle": ("--logits", "net.pt", b"\x80\x04.", 0, "files that can execute code are not read"),
    "objects": ("--logits", "o.npy", np.array([["a", {}]], object), 0, "cannot read o.npy: ValueError: Array can't be"),
    "no npy": ("--logits", "text.npy", b"1,2,3", 0, "cannot read text.npy"),
    "a torn npy": ("--logits", "torn.npy", b"\x93NUMPY\x01\x00v\x00{'descr", 0, "cannot read torn.npy"),
    "no npz": ("--logits", "text.npz", b"PK", 0, "cannot read text.npz: BadZipFile"),
    "an npz without it": ("--logits", "b.npz", {"logit_s": 1, "x": 2}, 0, "unknown array of b.npz 'logits'; did you"),
    "empty": ("--logits", "e.csv", b"", 0, "e.csv has no rows"),
    "only a heading": ("--logits", "h.csv", b"cat,dog\n", 0, "h.csv has no rows"),
    "words": ("--logits", "w.csv", table("name,path\na,b"), 0, "w.csv has no column of numbers for a class"),
    "a hole": ("--logits", "x.csv", table("cat,dog,newt\n1,2,3") + b"1,,3\n", 0, "row 80 of logits has something that"),
    "ragged": ("--logits", "r.csv", b"1,2,3\n1,2,3,4,5\n", 0, "line 2 of r.csv has 5 cells, and its first line has 3"),
    "not UTF-8": ("--logits", "u.csv", "größe,b\n1,2\n".encode("latin-1"), 0, "cannot read u.csv: UnicodeDecodeError"),
    "NaN": ("--logits", "n.npy", with_row(3, np.nan)[0], 0, "row 3 of logits is not finite"),
    "infinite": ("--logits", "i.npy", with_row(5, np.inf)[0], 0, "row 5 of logits is not finite"),
    "three dimensions": (
        "--logits",
        "d.npy",
        np.zeros((COUNT, 3, 2)),
        0,
        "must be (N, K), a row for each image, not (80",
    ),
    "complex": ("--logits", "c.npy", np.zeros((COUNT, 3), complex), 0, "must be an array of numbers, not complex128"),
    "turned around": ("--logits", "t.npy", outcomes()[0].T, 0, "are they turned around?"),
    "probabilities": ("--logits", "p.npy", softmax(outcomes()[0]), 0, "all rows sum to 1, as probabilities do"),
    "logits": ("--probs", "l.npy", outcomes()[0], 0, "if these are logits, give them as such (--logits)"),
    "percent": ("--probs", "c.npy", 100 * softmax(outcomes()[0]), 0, "divide percent by 100"),
    "logarithms": ("--probs", "g.npy", np.log(softmax(outcomes()[0])), 0, "logarithms of probabilities are given as l"),
    "labels from 1": ("--logits", "a.npy", outcomes()[0], 1, "labels are 1 to 3, and classes are numbered from 0: su"),
    "labels too large": ("--logits", "a.npy", outcomes()[0], 7, "label 7 of row 0: classes are 0 to 2"),
    "labels below 0": ("--logits", "a.npy", outcomes()[0], -1, "label -1 of row 0: classes are 0 to 2"),
    "half a label": ("--logits", "a.npy", outcomes()[0], 0.5, "label 0.5 of row 0 is no whole number"),
    "one row less": ("--logits", "a.npy", outcomes()[0][1:], 0, "there are predictions (79, 3) and labels (80,)"),
    "few": (
        "--logits",
        "f.npz",
        {"logits": outcomes()[0][:9], "labels": np.arange(9) % 3},
        None,
        "9 images of 3 class",
    ),
    "one class": ("--logits", "k.npz", {"logits": outcomes()[0], "labels": np.zeros(COUNT)}, None, "80 images of 1 cl"),
    "no labels": ("--logits", "a.npy", outcomes()[0], None, "a.npy has no labels: give them, --labels FILE"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_what_is_wrong_with_a_file_is_one_line_and_exit_code_2(case, tmp_path, capsys, monkeypatch):
    option, name, content, shift, words = MALFORMED[case]
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    elif isinstance(content, dict):
        np.savez(name, **content)
    elif content is not None:
        np.save(name, content, allow_pickle=True)
    options = [option, name]
    if shift is not None:
        np.save("labels.npy", outcomes()[1] + shift)
        options += ["--labels", "labels.npy"]
    assert exit_code("examine", *options) == 2
    said = capsys.readouterr().err
    assert said.startswith("softlab: ")
    assert said.count("\n") == 1
    assert words in said
    assert not list(tmp_path.glob("*.html"))


LABELS = {
    "words without names": (
        "label\ncat",
        "label 'cat' is no number, and no class's name: the classes of the predictions",
    ),
    "a column of another name": ("fold\n1", "its only column is 'fold': name it label, or leave the first line out"),
    "several columns": ("a,b\n1,2", "labels.csv has 2 columns: name the one with the labels label"),
    "a date": ("label\n2024-01-01", "label '2024-01-01' is no number"),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_are_none_are_named(case, tmp_path):
    text, words = LABELS[case]
    np.save(tmp_path / "logits.npy", outcomes()[0])
    (tmp_path / "labels.csv").write_bytes(table(text))
    with pytest.raises(SoftlabError) as caught:
        predictions.from_files(tmp_path / "logits.npy", tmp_path / "labels.csv")
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give WEIGHTS.safetensors with --architecture and --images, or predictions: --logits FILE"),
        (["--logits", "a.npy", "--probs", "b.npy"], "give --logits or --probs, not both"),
        (["net.safetensors", "--probs", "b.npy"], "give --probs or WEIGHTS, not both"),
        (["--logits", "a.npy", "--images", "photos"], "give --logits or --images, not both"),
        (["net.safetensors", "--images", "photos"], "a network needs --architecture NAME"),
        (["--logits", "a.npy", "--out", "page.txt"], "--out is a file that ends in .html, not 'page.txt'"),
    ],
)
def test_options_that_do_not_go_together_are_named(arguments, words, capsys):
    assert exit_code("examine", *arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


def test_an_npy_is_mapped_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    assert isinstance(arrays.read_npy(tmp_path / "a.npy"), np.memmap)


def test_temperature_is_that_of_the_images_for_fitting():
    logits, labels = outcomes()
    truth = torch.tensor(labels)
    rows = split(truth)[0]
    fitted = calibration.fit_temperature(torch.tensor(logits)[rows], truth[rows])
    assert examine_predictions(logits, labels).numbers["temperature"] == pytest.approx(fitted, rel=1e-5)
