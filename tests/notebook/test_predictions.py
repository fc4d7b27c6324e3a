"""Predictions without their network: the numbers are the network's; what is wrong with a file is said in one line."""

import sys

import numpy as np
import pandas
import pytest
import torch
from commands import exit_code
from torch import nn

from softlab import SoftlabError, examine, examine_predictions
from softlab.inspector import arrays, predictions
from softlab.inspector.comparison import compare
from softlab.inspector.examination import of_predictions
from softlab.lenses import calibration
from softlab.training.data import split_test
from softlab.training.sampling import balanced_subset

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


@pytest.mark.parametrize(
    ("counts", "fitted"),
    [
        ((750, 250), (187, 63)),  # a quarter of each, up to one image
        ((190, 10), (47, 3)),
        ((9500, 490, 10), (950, 49, 1)),
        ((60, 20, 1), (15, 5, 0)),  # what comes once is scored
        ((100, 90, 12), (25, 22, 3)),
    ],
)
def test_both_parts_have_the_classes_as_often_as_they_come(counts, fitted):
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    fit, scored = split_test(labels)
    assert sorted([*fit.tolist(), *scored.tolist()]) == list(range(len(labels)))
    assert labels[fit].bincount(minlength=len(counts)).tolist() == list(fitted)
    assert not torch.equal(labels[scored], labels[scored].sort().values)  # the first ones are of all classes


@pytest.mark.parametrize("labels", [torch.arange(200) % 4, torch.arange(80) % 3])
def test_balanced_classes_are_split_as_those_of_the_book(labels):
    order = balanced_subset(labels, len(labels), torch.Generator().manual_seed(0))
    fit, scored = split_test(labels)
    assert torch.equal(torch.cat([fit, scored]), order)
    assert len(fit) == len(labels) // 4


def test_what_is_scored_of_unbalanced_classes_is_what_was_given():
    """With confidence .9 of the large class, right 19 times of 20, and of the small one, right every second time."""
    labels = np.repeat([0, 1], [800, 200])
    said = labels.copy()
    said[:800:20] = 1
    said[800::2] = 0
    logits = np.log(9) * np.eye(2)[said]
    seen = examine_predictions(logits, labels)
    assert seen.numbers["accuracy"] == pytest.approx((760 + 100) / 1000, abs=0.02)
    assert seen.numbers["mean confidence"] == pytest.approx(0.9)


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
    "a line too short": (
        "--logits",
        "s.csv",
        b"1,2,3\n1,2\n",
        0,
        "line 2 of s.csv has 2 cells, and its first line",
    ),
    "trailing commas": ("--logits", "t.csv", b"1,2,3,\n4,5,6,\n", 0, "line 1 of t.csv: cell 4 is empty (it ends with"),
    "under names, too": ("--logits", "v.csv", b"a,b\n1,2,\n", 0, "line 2 of v.csv has 3 cells, and its first line has"),
    "decimal commas": ("--logits", "d.csv", b"1,5;2,5\n0,5;2,5\n", 0, "line 1 of d.csv: '1,5' has a decimal comma"),
    "decimal commas under names": ("--logits", "d.csv", b"a;b\n1;2\n0,5;2\n", 0, "row 1 of d.csv: '0,5' has a decimal"),
    "commas for both": ("--logits", "d.csv", b"1,5,2,5\n0,05,-2,5\n", 0, "line 2 of d.csv: '05' is a part of a number"),
    "names without a line of names": ("--logits", "m.csv", b"a.png,0.5,1\nb.png,1,0\n", 0, "'0.5' is no name of a col"),
    "two columns of one name": ("--logits", "m.csv", b"a,a\n1,2\n", 0, "line 1 of m.csv: two columns are called 'a'"),
    "an index without a name": ("--logits", "x.csv", b"0,.5,1.5\n1,1.5,2\n2,0.5,1.5\n", 0, "x.csv counts its rows"),
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


# Names


def plain(labels=None):
    """A table of logits with the names of classes, and labels."""
    logits, truth = outcomes()
    return pandas.DataFrame(logits, columns=NAMES), pandas.DataFrame({"label": truth if labels is None else labels})


def numbered(frame, columns):
    return frame.set_axis(columns, axis=1)


def with_ids(frame, name="id"):
    frame = frame.copy()
    frame.insert(0, name, [f"{row}.png" for row in range(len(frame))])
    return frame


def shuffled(frame, seed=0):
    return frame.sample(frac=1, random_state=seed)


def with_column(frame, name):
    frame = frame.copy()
    frame.insert(0, name, np.random.default_rng(1).permutation(len(frame)) + 10.0)
    return frame


def twelve(prefix=""):
    """Twelve classes in the order of their names as text: 0, 1, 10, 11, 2, …"""
    logits, labels = outcomes(12)
    frame = pandas.DataFrame(logits, columns=[f"{prefix}{number}" for number in range(12)])
    return frame[sorted(frame.columns)], pandas.DataFrame({"label": labels})


# Tables that say the same: predictions and labels, does each have an index, how many classes.
SAME = {
    "as pandas numbers columns": (numbered(plain()[0], range(3)), plain()[1], False, False, 3),
    "with its index": (numbered(plain()[0], range(3)), plain()[1], True, True, 3),
    "an index in one file": (numbered(plain()[0], range(3)), plain()[1], True, False, 3),
    "labels without a name": (plain()[0], plain()[1].set_axis([0], axis=1), False, True, 3),
    "columns in another order": (numbered(plain()[0], range(3))[[2, 0, 1]], plain()[1], False, False, 3),
    "columns as text": (*twelve(), False, False, 12),
    "a word before the number": (*twelve("class_"), False, False, 12),
    "ids in another order": (with_ids(plain()[0]), shuffled(with_ids(plain()[1])), False, False, 3),
    "ids of other names": (with_ids(plain()[0]), shuffled(with_ids(plain()[1], "image")), False, True, 3),
    "an index that is shuffled": (
        plain()[0].set_axis(range(9, 89)),
        shuffled(plain()[1].set_axis(range(9, 89))),
        1,
        1,
        3,
    ),
    **{
        f"a column {name}": (with_column(plain()[0], name), plain()[1], False, False, 3)
        for name in ("idx", "fold", "loss", "conf")
    },
}


@pytest.mark.parametrize("case", SAME)
def test_names_decide_which_class_and_which_image(case, tmp_path):
    scores, labels, *index, classes = SAME[case]
    for name, frame, with_index in (("a.csv", scores, index[0]), ("b.csv", labels, index[1])):
        frame.to_csv(tmp_path / name, index=bool(with_index))
    found = predictions.from_files(tmp_path / "a.csv", tmp_path / "b.csv")
    logits, truth = outcomes(classes)
    np.testing.assert_allclose(found.logits.numpy(), logits, rtol=1e-6)
    assert found.labels.tolist() == truth.tolist()


# Predictions and labels that leave open which is which, and what is said.
REFUSED = {
    "a number beside numbers": (with_column(numbered(plain()[0], range(3)), "heat"), plain()[1], "column 'heat' of"),
    "a number beside names": (
        with_column(plain()[0], "heat"),
        plain()[1],
        "has 4 columns of numbers, heat, cat, dog",
    ),
    "from 1": (numbered(plain()[0], [1, 2, 3]), plain()[1], "has columns 1, 2, 3 for classes: number them 0 to 2"),
    "a gap": (numbered(plain()[0], [0, 1, 3]), plain()[1], "has columns 0, 1, 3 for classes: number them 0 to 2"),
    "words from 1": (
        numbered(plain()[0], ["p1", "p2", "p3"]),
        plain()[1],
        "has columns p1, p2, p3 for classes: ",
    ),
    "an image missing": (
        with_ids(plain()[0]),
        with_ids(plain()[1])[1:],
        "'0.png' of 'id' is in a.csv, and not in",
    ),
    "an image twice": (with_ids(plain()[0]), with_ids(plain()[1]).replace("1.png", "0.png"), "b.csv has '0.png' twice"),
    "other ids": (
        with_ids(plain()[0]),
        with_ids(plain()[1], "image").replace("0.png", "x"),
        "a.csv says in 'id' which image a row is of, and b.csv in 'image': give both the same ids in a column id",
    ),
    "two kinds of labels": (
        plain()[0],
        plain()[1].assign(target=1),
        "the columns 'label' and 'target' contradict each other",
    ),
    "labels in both": (plain()[0].assign(label=1), plain()[1], "has labels of its own, which are others than those of"),
    "labels called 0": (
        plain()[0],
        plain()[1].set_axis([0], axis=1),
        "begins with 0, and has one row too many",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_names_that_are_missing_or_contradict_each_other_are_refused(case, tmp_path):
    scores, labels, words = REFUSED[case]
    scores.to_csv(tmp_path / "a.csv", index=False)
    labels.to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(SoftlabError) as caught:
        predictions.from_files(tmp_path / "a.csv", tmp_path / "b.csv")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_column_that_no_label_names_is_refused_where_labels_are_words(tmp_path):
    scores, labels = plain()
    scores["label"] = [NAMES[label] for label in labels["label"]]
    with_column(scores, "heat").to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SoftlabError, match="no label is 'heat', which is a column of numbers"):
        predictions.from_files(tmp_path / "a.csv")
    scores[["label", "newt", "cat", "dog"]].to_csv(tmp_path / "a.csv", index=False)
    found = predictions.from_files(tmp_path / "a.csv")
    assert [found.classes[label] for label in found.labels] == scores["label"].tolist()


def test_an_index_in_another_order_may_be_of_rows_or_of_images(tmp_path):
    scores, labels = plain()
    scores.to_csv(tmp_path / "a.csv")
    shuffled(labels).to_csv(tmp_path / "b.csv")
    with pytest.raises(SoftlabError, match=r"a first column without a name has the same numbers in a\.csv and b\.csv"):
        predictions.from_files(tmp_path / "a.csv", tmp_path / "b.csv")


def test_ids_in_one_file_only_are_said(tmp_path):
    scores, labels = plain()
    with_ids(scores).to_csv(tmp_path / "a.csv", index=False)
    labels.to_csv(tmp_path / "b.csv", index=False)
    notes = " ".join(predictions.from_files(tmp_path / "a.csv", tmp_path / "b.csv").notes)
    assert "a.csv says which image each row is of, and b.csv does not: rows are taken to be in one order." in notes


def test_votes_of_two_classes_are_told_from_names_by_the_count_of_labels(tmp_path):
    votes = np.eye(2, dtype=int)[np.arange(COUNT) % 2]
    np.save(tmp_path / "labels.npy", np.arange(COUNT) % 2)
    for header in (False, True):
        pandas.DataFrame(votes).to_csv(tmp_path / "votes.csv", index=False, header=header)
        found = predictions.from_files(tmp_path / "votes.csv", tmp_path / "labels.npy", probabilities=True)
        assert len(found.labels) == COUNT
        assert found.logits.argmax(1).tolist() == found.labels.tolist()
    (tmp_path / "labels.csv").write_text("0\n1\n" * (COUNT // 2))
    with pytest.raises(
        SoftlabError, match=r"line 1 of .*votes\.csv, 0, 1, could be names of columns or an image's numb"
    ):
        predictions.from_files(tmp_path / "votes.csv", tmp_path / "labels.csv", probabilities=True)


def test_files_that_are_compared_are_paired_by_their_ids(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scores, labels = plain()
    table = with_ids(scores.assign(label=labels["label"]))
    better = table.copy()
    better[NAMES] += np.eye(3)[labels["label"]]
    table.to_csv("a.csv", index=False)
    better.to_csv("b.csv", index=False)
    expected = compare({name: [of_predictions(predictions.from_files(f"{name}.csv"))] for name in "ab"})
    shuffled(better).to_csv("b.csv", index=False)
    ordered = predictions.in_one_order([predictions.from_files(f"{name}.csv") for name in "ab"])
    found = compare({one.name: [of_predictions(one)] for one in ordered})
    assert found.difference("accuracy", "b") == expected.difference("accuracy", "b")
    assert exit_code("examine", "--logits", "a.csv", "b.csv") == 0
    assert expected.difference("NLL at T", "b").text(3, sign=True) in capsys.readouterr().out
    better[["id", "dog", "cat", "newt", "label"]].to_csv("b.csv", index=False)
    assert exit_code("examine", "--logits", "a.csv", "b.csv") == 2
    assert "a and b have other classes, or in another order" in capsys.readouterr().err
    shuffled(better)[1:].to_csv("b.csv", index=False)
    assert exit_code("examine", "--logits", "a.csv", "b.csv") == 2
    assert "of 'id' is in a, and not in b" in capsys.readouterr().err


# Logits as they come


def test_half_precision_is_not_taken_for_logits():
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(COUNT) % 2
    probs = (9 * torch.eye(1000)[labels] + torch.randn(COUNT, 1000, generator=generator)).softmax(1)
    for given in (probs.bfloat16(), probs.half(), probs.bfloat16().float().numpy(), probs.numpy().round(4)):
        with pytest.raises(SoftlabError, match=r"rows sum to 1, as probabilities do: give them as such"):
            examine_predictions(given, labels)
        found = examine_predictions(given, labels, probabilities=True).numbers
        exact = examine_predictions(probs, labels, probabilities=True).numbers
        assert found["mean confidence"] == pytest.approx(exact["mean confidence"], rel=0.05)
        assert found["accuracy"] == 1


def test_one_row_that_is_no_distribution_does_not_make_logits_of_the_others():
    logits, labels = outcomes()
    probs = softmax(logits)
    probs[3] /= 2
    with pytest.raises(SoftlabError, match="79 of 80 rows sum to 1, as probabilities do"):
        examine_predictions(probs, labels)
    with pytest.raises(SoftlabError, match=r"row 3 is no distribution: .* sum 0.5: if these are logits"):
        examine_predictions(probs, labels, probabilities=True)
    notes = examine_predictions(probs / probs.max(0) / 2, labels).notes
    assert "All logits lie from 0 to 1: if they are probabilities, give them as such (--probs)." in notes


@pytest.mark.parametrize(
    ("mask", "dtype"), [(-np.inf, np.float64), (-3.4e38, np.float32), (-65504, np.float16), (-1e9, np.float64)]
)
def test_a_masked_class_has_no_probability_whatever_the_mask(mask, dtype):
    """Of four classes the last is masked everywhere: all is as if there were three."""
    logits, labels = outcomes()
    logits = logits.astype(np.float16)
    three = examine_predictions(logits.astype(dtype), labels)
    four = examine_predictions(np.c_[logits, np.full(COUNT, mask)].astype(dtype), labels)
    assert "80 logits of 80 images lie 5000 or more below the largest, as masked classes do" in four.notes[0]
    assert "Of a probability of 0 no logarithm is known. Left out: cosine of the logits to" in four.notes[1]
    lost = {"alignment", "log length", "AURC, normalised"}
    assert set(three.numbers) - set(four.numbers) == lost
    kept = {name: value for name, value in three.numbers.items() if name not in (*lost, "classwise ECE")}
    assert {name: four.numbers[name] for name in kept} == pytest.approx(kept, rel=1e-5)
    assert four.numbers["classwise ECE"] == pytest.approx(0.75 * three.numbers["classwise ECE"], rel=1e-5)


def test_a_label_that_is_masked_has_a_small_probability_and_that_is_said():
    logits, labels = outcomes()
    logits[5, labels[5]] = -np.inf
    found = predictions.from_arrays(logits, labels)
    assert "for 1 images it is the label's, which is taken as 1e-12" in found.notes[0]
    assert float(found.logits[5].log_softmax(0)[labels[5]]) == pytest.approx(np.log(1e-12), rel=1e-5)


def test_an_image_without_any_class_is_named():
    logits, labels = outcomes()
    logits[5] = -np.inf
    with pytest.raises(SoftlabError, match="row 5 of logits is not finite"):
        predictions.from_arrays(logits, labels)


def test_a_padded_row_takes_what_it_leaves_undefined_and_nothing_else():
    logits, labels = outcomes()
    whole = examine_predictions(logits, labels)
    logits[[7, 9]] = 0
    seen = examine_predictions(logits, labels)
    assert not seen.problems
    assert set(whole.numbers) - set(seen.numbers) <= {"alignment", "log margin", "log length", "AURC, normalised"}
    assert np.isfinite([*seen.numbers.values()]).all()
    assert "Row 7 and 1 more have the same logit for every class, as padding has. Left out: " in seen.notes[-1]


def test_two_logits_that_are_equal_leave_no_margin():
    logits, labels = outcomes()
    rows = split_test(torch.tensor(labels))[1][:2].numpy()
    logits[rows] = [2, 2, 1]
    seen = examine_predictions(logits, labels)
    assert "log margin" not in seen.numbers
    assert "The two largest logits of some images are equal" in seen.notes[-1]
    assert {"log length", "alignment", "AURC, normalised"} <= set(seen.numbers)


# Soft labels


def test_soft_labels_of_one_class_each_are_labels():
    logits, labels = outcomes()
    hard = examine_predictions(logits, labels).numbers
    soft = np.where(np.eye(3)[labels] == 1, 1 - 2e-9, 1e-9)
    found = examine_predictions(logits, soft)
    assert "Labels are soft: accuracy asks for their largest entry" in found.notes[0]
    assert found.numbers == pytest.approx({name: hard[name] for name in hard if name != "floor"}, rel=1e-6)


def test_what_predicts_the_distribution_is_calibrated_with_temperature_1(tmp_path):
    logits, _ = outcomes()
    soft = softmax(logits)
    seen = examine_predictions(torch.tensor(2 * logits), torch.tensor(soft))
    assert seen.numbers["temperature"] == pytest.approx(2, rel=1e-5)
    assert seen.numbers["ECE at T"] == pytest.approx(0, abs=1e-6)
    assert seen.numbers["accuracy"] == 1
    entropy = -(soft * np.log(soft)).sum(1)[split_test(torch.tensor(soft.argmax(1)))[1]]
    assert seen.numbers["NLL at T"] == pytest.approx(entropy.mean(), rel=1e-5)
    assert "Overconfident" in " ".join(seen.findings())
    pandas.DataFrame(logits, columns=NAMES).to_csv(tmp_path / "a.csv", index=False)
    pandas.DataFrame(soft, columns=NAMES)[["newt", "cat", "dog"]].to_csv(tmp_path / "b.csv", index=False)
    found = predictions.from_files(tmp_path / "a.csv", tmp_path / "b.csv")
    np.testing.assert_allclose(found.soft.numpy(), soft, rtol=1e-6)


def test_ties_of_soft_labels_are_said_and_what_is_no_distribution_is_named():
    logits, labels = outcomes()
    soft = 0.8 * np.eye(3)[labels] + 0.2 / 3
    soft[[1, 4]] = [0.4, 0.4, 0.2]
    found = predictions.from_arrays(logits, soft)
    assert "The largest entries of 2 labels are equal: the first of them counts as the class." in found.notes
    assert found.labels[[1, 4]].tolist() == [0, 0]
    soft[6] = 0.5
    with pytest.raises(SoftlabError, match=r"soft label 6 is no distribution: its sum is 1\.5"):
        predictions.from_arrays(logits, soft)


def test_an_npy_is_mapped_not_read(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 2)))
    assert isinstance(arrays.read_npy(tmp_path / "a.npy"), np.memmap)


def test_temperature_is_that_of_the_images_for_fitting():
    logits, labels = outcomes()
    truth = torch.tensor(labels)
    rows = split_test(truth)[0]
    fitted = calibration.fit_temperature(torch.tensor(logits)[rows], truth[rows])
    assert examine_predictions(logits, labels).numbers["temperature"] == pytest.approx(fitted, rel=1e-5)


PAIRS = [("incorrect", "correct"), ("left", "right"), ("loss", "win"), ("wrong", "right")]


@pytest.mark.parametrize("names", PAIRS)
def test_two_classes_that_have_names_of_what_stands_beside_classes_are_classes(names, tmp_path):
    """Labels are 0 and 1, and numbers decide: probabilities sum to 1 only with both, logits could be either."""
    logits, labels = outcomes(2)
    probs = torch.from_numpy(logits).double().softmax(1).numpy()
    pandas.DataFrame(probs, columns=names).assign(label=labels).to_csv(tmp_path / "p.csv", index=False)
    found = predictions.from_files(tmp_path / "p.csv", probabilities=True)
    assert found.classes == names
    np.testing.assert_allclose(found.logits.softmax(1).numpy(), probs, atol=1e-6)
    pandas.DataFrame(logits, columns=names).assign(label=labels).to_csv(tmp_path / "z.csv", index=False)
    with pytest.raises(SoftlabError, match=rf"'{names[0]}' and '{names[1]}' of .*z.csv may be two classes, or '"):
        predictions.from_files(tmp_path / "z.csv")


@pytest.mark.parametrize("other", ["correct", "loss", "confidence", "pred"])
def test_one_score_beside_other_numbers_is_that_of_class_1(other, tmp_path):
    logits, labels = outcomes(2)
    score = 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))
    beside = {"correct": (score > 0.5) == labels, "pred": score > 0.5}.get(other, np.maximum(score, 1 - score) + 0.5)
    frame = pandas.DataFrame({"prob": score, other: beside.astype(float), "label": labels})
    frame.to_csv(tmp_path / "p.csv", index=False)
    found = predictions.from_files(tmp_path / "p.csv", probabilities=True)
    np.testing.assert_allclose(found.logits.softmax(1)[:, 1].numpy(), score, atol=1e-6)


def test_a_file_under_another_kind_s_name_and_one_label_are_named(tmp_path):
    logits, labels = outcomes()
    np.savez(tmp_path / "x.npz", logits=logits, labels=labels)
    (tmp_path / "x.npz").rename(tmp_path / "x.npy")
    with pytest.raises(SoftlabError, match=r"x.npy holds what numpy writes as .npz: rename it x.npz$"):
        predictions.from_files(tmp_path / "x.npy")
    np.save(tmp_path / "y.npy", logits)
    (tmp_path / "y.npy").rename(tmp_path / "y.npz")
    with pytest.raises(SoftlabError, match=r"y.npz holds what numpy writes as .npy: rename it y.npy$"):
        predictions.from_files(tmp_path / "y.npz")
    np.save(tmp_path / "logits.npy", logits)
    np.save(tmp_path / "label.npy", np.array(3))
    np.savez(tmp_path / "label.npz", labels=np.array(3))
    for name in ("label.npy", "label.npz"):
        with pytest.raises(SoftlabError, match=rf"{name} holds one number: labels are one for each image$"):
            predictions.from_files(tmp_path / "logits.npy", tmp_path / name)


def test_a_table_of_thousands_of_classes_is_read_in_their_order(tmp_path):
    classes = 4000
    table = np.full((60, classes), 1 / (classes + 1))
    table[np.arange(60), np.arange(60)] += 1 / (classes + 1)  # the largest is the label's
    frame = pandas.DataFrame(table[:, ::-1], columns=[f"class_{number}" for number in reversed(range(classes))])
    frame.assign(label=np.arange(60)).to_csv(tmp_path / "wide.csv", index=False)
    found = predictions.from_files(tmp_path / "wide.csv", probabilities=True)
    assert found.logits.shape == (60, classes)
    assert found.logits.argmax(1).tolist() == found.labels.tolist() == list(range(60))


class NoFile:
    """Stands for the standard error, as some frameworks leave it."""

    def write(self, text):
        pass


@pytest.mark.parametrize("standard_error", [None, NoFile()])
def test_no_terminal_is_needed(standard_error, monkeypatch):
    monkeypatch.setattr(sys, "stderr", standard_error)
    assert 0 < examine_predictions(*outcomes()).numbers["accuracy"] < 1


def test_of_several_files_the_one_with_a_wrong_value_is_named(tmp_path):
    labels = np.arange(40) % 4
    logits = 3 * np.eye(4)[labels]
    np.save(tmp_path / "labels.npy", labels)
    np.save(tmp_path / "first.npy", logits)
    logits[3, 1] = np.nan
    np.save(tmp_path / "second.npy", logits)
    predictions.from_files(tmp_path / "first.npy", tmp_path / "labels.npy")
    with pytest.raises(SoftlabError, match=r"second\.npy: .*row 3"):
        predictions.from_files(tmp_path / "second.npy", tmp_path / "labels.npy")
