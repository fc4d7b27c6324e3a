"""Accuracy by how frequent a class was in training: by hand on six images of three classes."""

import math

import numpy as np
import pandas
import pytest
import torch

from softbook.studies import long_tail

LABELS = torch.tensor([0, 0, 1, 1, 2, 2])


def table(right):
    """A network of each method and seed; right: of method and seed, six outcomes."""
    rows = []
    for method in ("baseline", "maxsup"):
        for seed in (3, 4, 5):
            outcome = np.array(right(method, seed), dtype=bool)
            row = {"method": method, "seed": seed, "accuracy": outcome.mean(), "images": {"right": outcome}}
            rows.append(row)
    return pandas.DataFrame(rows)


def test_the_parts_of_ten_classes_are_three_four_and_three_from_the_seeds_class_on():
    found = long_tail.part_of(torch.arange(10), 10, seed=3001)
    assert found.tolist() == ["tail"] + ["head"] * 3 + ["middle"] * 4 + ["tail"] * 2


def test_each_seed_has_another_tail():
    """Class 0 is all right, class 2 all wrong: with seed 3 class 2 is rare, with 4 class 0, with 5 class 1."""
    found = long_tail.with_parts(table(lambda *_: [1, 1, 1, 0, 0, 0]), LABELS, 3)
    found = found.loc[found["method"] == "maxsup"].set_index("seed")
    assert found["tail"].to_dict() == {3: 0.0, 4: 1.0, 5: 0.5}
    assert found["head"].to_dict() == {3: 1.0, 4: 0.5, 5: 0.0}
    assert found["middle"].to_dict() == {3: 0.5, 4: 0.0, 5: 1.0}
    assert found["all classes"].unique().tolist() == [0.5]


def test_a_change_by_hand():
    """Of the rare class one image of two more is right with seeds 3 and 4, none with 5: 100/3 ± 4.303 · 28.9/√3."""

    def right(method, seed):
        rare = {3: 4, 4: 0, 5: 2}[seed]
        return [index != rare or (method == "maxsup" and seed < 5) for index in range(6)]

    found = long_tail.change(long_tail.with_parts(table(right), LABELS, 3), "tail", "maxsup")
    assert found.mean == pytest.approx(100 / 3)
    assert found.half_width == pytest.approx(4.303 * 50 / math.sqrt(3) / math.sqrt(3), rel=1e-3)
    assert long_tail.change(long_tail.with_parts(table(right), LABELS, 3), "head", "maxsup").mean == 0


def test_the_best_strength_is_the_one_with_most_right_on_images_for_fitting_whatever_the_test_images_say():
    seeds = {"seed": [3, 4]}
    tables = {
        ("maxsup", 0.1): pandas.DataFrame(seeds | {"accuracy, fit": [0.7, 0.8], "all classes": [0.9, 0.9]}),
        ("maxsup", 0.01): pandas.DataFrame(seeds | {"accuracy, fit": [0.9, 0.7], "all classes": [0.6, 0.8]}),
        ("baseline", 0.0): pandas.DataFrame(seeds | {"accuracy, fit": [0.9, 0.9], "all classes": [0.5, 0.5]}),
    }
    assert long_tail.best(tables, "maxsup") == 0.01
    found = long_tail.difference(tables["maxsup", 0.01], tables["baseline", 0.0])
    assert found.mean == pytest.approx(20)
    assert found.half_width == pytest.approx(12.706 * 10, rel=1e-3)


def test_ten_networks_of_each_strength_and_part_are_on_record_with_the_same_seeds():
    found = long_tail.by_strength("quick-fp32")
    both = [(method, alpha) for method in ("label_smoothing", "maxsup") for alpha in (0.01, 0.03, 0.1)]
    parts = [("regularization_only", 0.1), ("amplification_only", 0.1)]
    for one in [("baseline", 0.0), *both, *parts]:
        assert sorted(found[one]["seed"]) == [*range(3000, 3010)], one
