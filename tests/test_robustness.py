"""What chapter 6 asks of records: cells, corners, turns of signs, curves, and AutoAttack beside the ladder."""

import numpy as np
import pandas
import pytest
from test_effects import VALUES, table

from softlab import records, robustness
from softlab.effects import Effect, effects
from softlab.intervals import OPEN, Interval, two_way_interval
from softlab.robustness import effect_apart, fall_together, turns


def test_effects_in_two_places_are_compared_seed_by_seed():
    other = table({"baseline": {0: 0.0, 1: 0.0, 2: 0.0}, "mixup": {0: 1.0, 1: 1.0, 2: 1.0}})
    apart = effect_apart(table(VALUES), other, "log logit scale", "mixup")
    assert (
        apart.interval
        == effects(table({**VALUES, "mixup": {0: 2.0, 1: 3.0, 2: 4.0}}), "log logit scale")["mixup"].interval
    )
    assert len(apart.ids) == 12
    later = table({"baseline": {2: 0.0, 3: 0.0}, "mixup": {2: 1.0, 3: 1.0}})
    assert effect_apart(table(VALUES), later, "log logit scale", "mixup").interval.n == 1
    assert effect_apart(table(VALUES), later, "log logit scale", "cutmix").interval == OPEN


def test_effects_in_two_places_on_the_same_images_are_over_these_too():
    rng = np.random.default_rng(0)
    survives = rng.random((2, 2, 3, 40)) < np.reshape([0.5, 0.7, 0.5, 0.4], (2, 2, 1, 1))  # place, method, seed
    tables = []
    for place in survives:
        values = {m: dict(enumerate(one.mean(1))) for m, one in zip(("baseline", "mixup"), place, strict=True)}
        images = {
            (m, seed): {"survives 4/255": right}
            for m, one in zip(("baseline", "mixup"), place, strict=True)
            for seed, right in enumerate(one)
        }
        tables.append(table(values, images, "robust, 4/255"))
    apart = effect_apart(*tables, "robust, 4/255", "mixup")
    terms = survives.astype(float)
    assert apart.over == "seeds and images"
    assert apart.interval == two_way_interval(terms[0, 1] - terms[0, 0] - (terms[1, 1] - terms[1, 0]))


def test_a_sign_turns_where_intervals_say_so_along_rows_and_columns():
    def effect(mean, half=1.0):
        return Effect("gap", Interval(mean, mean - half, mean + half, 3), "seeds", ())

    grid = {(1, 1): effect(-2), (2, 1): effect(0.5), (3, 1): effect(2), (1, 2): effect(-3), (3, 2): effect(-0.5)}
    assert turns(grid) == [((1, 1), (3, 1))]
    assert turns(grid | {(1, 2): effect(3)}) == [((1, 1), (3, 1)), ((1, 1), (1, 2))]
    assert turns({}) == []


def test_points_fall_together_on_a_curve_that_only_rises_or_only_falls():
    x = [1.0, 2.0, 2.0, 3.0, 4.0]
    at, level, score = fall_together(x, [4.0, 3.0, 3.0, 2.0, 1.0])
    assert list(at) == [1, 2, 3, 4]
    assert list(level) == [4, 3, 2, 1]
    # Left out in turn: the ends are predicted as their neighbours, one off each; the others are met.  The mean of the
    # others is 2.25, 2.5, 2.5, 2.75 and 3.
    squared = 1.75**2 + 0.5**2 + 0.5**2 + 0.75**2 + 2**2
    assert score == pytest.approx(1 - 2 / squared)
    assert list(fall_together([1, 2, 3, 4], [1, 3, 2, 4])[1]) == [1, 2.5, 2.5, 4]
    assert fall_together([1, 1, 1], [1, 2, 3])[2] == pytest.approx(0)  # all at one place: no better than the mean


def test_autoattack_is_read_of_networks_that_it_has_met_to_the_end(monkeypatch, tmp_path):
    assert robustness.autoattacked("nowhere") == {"the ladder": {}, "AutoAttack": {}}
    survives = {"survives 4/255": np.array([True, True, False, False])}
    table = pandas.DataFrame({"id": ["done", "begun"], "method": ["mixup", "cutmix"], "images": [survives, survives]})
    monkeypatch.setattr(robustness, "AUTOATTACK", tmp_path)
    monkeypatch.setattr(records, "scales", lambda: {"a": table})
    assert robustness.autoattacked("a") == {"the ladder": {}, "AutoAttack": {}}
    np.savez(tmp_path / "a.npz", done=np.array([True, False, False, False]), begun=np.array([True]))
    (tmp_path / "a.json").write_text('{"done": {}}')
    assert robustness.autoattacked("a") == {"the ladder": {"mixup": [50.0]}, "AutoAttack": {"mixup": [25.0]}}
