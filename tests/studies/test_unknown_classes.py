"""Classes held out: no image of them is left, what is measured of what, and changes over splits by hand."""

import itertools

import pandas
import pytest
import torch
from torch import nn

from softbook.studies import unknown_classes
from softlab.training.data import load


def test_every_class_is_held_out_once():
    assert sorted(itertools.chain(*unknown_classes.SPLITS)) == [*range(10)]


def test_a_class_held_out_is_in_no_part_and_the_others_keep_their_images():
    whole = load("fashion-mini")
    known = unknown_classes.without(whole, (2, 3))
    assert known.classes == (*whole.classes[:2], *whole.classes[4:])
    assert known.name == "fashion-mini-without-2-3"
    assert torch.equal(known.test_images[known.test_labels == 2], whole.test_images[whole.test_labels == 4])
    for part in ("train", "fit", "test"):
        labels = getattr(whole, f"{part}_labels")
        assert len(getattr(known, f"{part}_images")) == int(((labels != 2) & (labels != 3)).sum())
    held = unknown_classes.of_classes(whole, (2, 3))
    assert len(held) + len(known.test_images) == len(whole.test_images)


class Brightness(nn.Module):
    """Two logits: the mean of the pixels, and nothing."""

    def forward(self, images):
        bright = images.mean(dim=(1, 2, 3))
        return torch.stack([bright, torch.zeros_like(bright)], dim=1)


def test_what_is_measured_of_a_network_that_knows_bright_images():
    known = torch.full((20, 1, 4, 4), 200, dtype=torch.uint8)
    found = unknown_classes.measured(Brightness(), known, {"dark": known // 2, "same": known})
    assert len(found) == 2 * 3 * 2
    assert found["dark, maximal logit, AUROC"] == 1
    assert found["dark, energy, FPR95"] == 0
    assert found["same, maximal softmax, AUROC"] == 0.5


def table(gain):
    """Five splits with two seeds each; label smoothing's column is that of plain training and `gain` of the split."""
    rows = []
    for split, seed in itertools.product(range(5), (0, 1)):
        plain = 0.8 + 0.01 * seed + 0.02 * split
        rows.append({"method": "baseline", "split": split, "seed": seed, "a": plain})
        rows.append({"method": "label_smoothing", "split": split, "seed": seed, "a": plain + gain(split)})
    return pandas.DataFrame(rows)


def test_a_change_is_the_mean_over_splits_with_their_interval():
    found = unknown_classes.change(table(lambda split: 0.01 * (split - 1)), "a", "label_smoothing")
    assert found.mean == pytest.approx(1.0)
    assert found.half_width == pytest.approx(2.776 * (2.5 / 5) ** 0.5, rel=1e-3)  # t of four degrees of freedom
    assert found.n == 5


def test_a_seed_that_lacks_a_method_is_left_out():
    half = table(lambda split: 0.01).query("seed == 0 or method == 'baseline'")
    assert unknown_classes.change(half, "a", "label_smoothing").mean == pytest.approx(1.0)


def test_without_a_record_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(unknown_classes.records, "RECORDS", tmp_path)
    assert unknown_classes.recorded("quick-fp32").empty
