"""What smoothing adds to a mixture, and whether effects add: by hand on tables of eight cells."""

import itertools
import math

import numpy as np
import pandas
import pytest

from softbook.studies import combining


def table(accuracy, seeds=(0, 1, 2)):
    """A network of each cell and seed; accuracy: of mixture, smoothing and seed."""
    rows = []
    names = {math.nan: "none", 0.0: "mixup", 0.5: "either", 1.0: "cutmix"}
    for (share, name), alpha, seed in itertools.product(names.items(), (0.0, 0.1), seeds):
        value = accuracy(name, alpha > 0, seed)
        row = {"seed": seed, "alpha": alpha, "cutmix": share, "id": f"{name}{alpha}{seed}", "images": {}}
        rows.append(row | {"accuracy": value})
    return pandas.DataFrame(rows)


def adding(name, smooth, seed):
    """Smoothing costs a point and either mixture brings two, wherever; seeds differ by a point."""
    return 0.8 + 0.01 * seed - 0.01 * smooth + 0.02 * (name != "none")


def test_the_eight_cells_by_name():
    recipes = combining.cells(table(adding))
    assert set(recipes) == set(itertools.product(("none", "mixup", "either", "cutmix"), (True, False)))
    assert recipes["either", True]["accuracy"].tolist() == pytest.approx([0.81, 0.82, 0.83])


def test_effects_that_add():
    recipes = combining.cells(table(adding))
    assert combining.added(recipes, "accuracy", "either").mean == pytest.approx(-1)
    assert combining.added(recipes, "accuracy", "none").mean == pytest.approx(-1)
    assert combining.interaction(recipes, "accuracy", "mixup").mean == pytest.approx(0, abs=1e-9)


def test_effects_that_do_not_add_with_their_interval():
    """Both together cost 3, 4 and 5 points more than their sum: -4 ± 4.303 · 1/√3."""

    def less(name, smooth, seed):
        together = smooth and name == "either"
        return adding(name, smooth, seed) - (0.03 + 0.01 * seed) * together

    recipes = combining.cells(table(less))
    found = combining.interaction(recipes, "accuracy", "either")
    assert found.mean == pytest.approx(-4)
    assert found.half_width == pytest.approx(4.303 / math.sqrt(3), rel=1e-3)
    assert combining.interaction(recipes, "accuracy", "cutmix").mean == pytest.approx(0, abs=1e-9)


def test_seeds_that_a_cell_lacks_are_left_out():
    whole = table(adding)
    fewer = whole.loc[~((whole["cutmix"] == 1.0) & (whole["seed"] == 2))]
    assert all([*rows.index] == [0, 1] for rows in combining.cells(fewer).values())


def test_intervals_are_over_seeds_and_images_where_outcomes_are_at_hand():
    whole = table(adding)
    generator = np.random.default_rng(0)
    whole["images"] = [{"right": generator.random(50) < 0.8} for _ in range(len(whole))]
    whole["accuracy"] = [images["right"].mean() for images in whole["images"]]
    found = combining.added(combining.cells(whole), "accuracy", "either")
    assert found.degrees is not None


def test_without_cells_of_their_own_plain_and_smoothed_are_the_core_s(monkeypatch):
    whole = table(adding)
    mixed = whole[whole["cutmix"] == 0.5].assign(method="mixup_or_cutmix")
    alone = whole[whole["cutmix"].isna()].drop(columns=["alpha", "cutmix"])
    smoothed = whole["alpha"][alone.index] > 0
    core = alone.assign(method=["label_smoothing" if smooth else "baseline" for smooth in smoothed])
    other = core.query("method == 'baseline'").assign(method="maxsup", accuracy=0.0)
    tables = {"combined": {"small": mixed}, "core": {"small": pandas.concat([core, other])}}
    monkeypatch.setattr(combining.records, "by_profile", tables.__getitem__)
    recipes = combining.recorded("small")
    assert set(recipes) == set(itertools.product(("none", "either"), (True, False)))
    assert combining.interaction(recipes, "accuracy", "either").mean == pytest.approx(0)
    assert combining.added(recipes, "accuracy", "none").mean == pytest.approx(-1)
    assert combining.recorded("elsewhere") == {}
