"""Accuracy by how frequent a class was in training: by hand on six images of three classes."""

import math

import numpy as np
import pandas
import pytest
import torch

from softbook.studies import long_tail, tuned

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

    table_of_parts = long_tail.with_parts(table(right), LABELS, 3)
    table_of_parts["strength"] = 0.1 * (table_of_parts["method"] == "maxsup")
    table_of_parts.attrs = {"table": "", "command": ""}
    found = tuned.lead(table_of_parts, "maxsup", "baseline", 0.1, of="tail")
    assert found.mean == pytest.approx(100 / 3)
    assert found.half_width == pytest.approx(4.303 * 50 / math.sqrt(3) / math.sqrt(3), rel=1e-3)
    assert tuned.lead(table_of_parts, "maxsup", "baseline", 0.1, of="head").mean == 0
