"""What the chapters on robustness ask of records: cells, corners, curves, and AutoAttack beside the ladder."""

import math

import numpy as np
import pandas
import pytest
from test_effects import VALUES, table

from softbook.studies import robustness
from softbook.studies.robustness import effect_apart, fall_together
from softlab.comparison.effects import effects
from softlab.comparison.intervals import OPEN, two_way_interval


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


def test_points_fall_together_on_a_curve_that_only_rises_or_only_falls():
    x = [1.0, 2.0, 2.0, 3.0, 4.0]
    # Left out in turn: the ends are predicted as their neighbours, one off each; the others are met.  The mean of the
    # others is 2.25, 2.5, 2.5, 2.75 and 3.
    squared = 1.75**2 + 0.5**2 + 0.5**2 + 0.75**2 + 2**2
    assert fall_together(x, [4.0, 3.0, 3.0, 2.0, 1.0]) == pytest.approx(1 - 2 / squared)
    assert fall_together(x, [1.0, 2.0, 2.0, 3.0, 4.0]) == pytest.approx(1 - 2 / squared)
    assert fall_together([1, 1, 1], [1, 2, 3]) == pytest.approx(0)  # all at one place: no better than the mean


def cells_with(seeds, value, methods=("mixup",)):
    """Tables of nine cells in which a method has value(images, steps, seed)."""
    return {
        (images, steps): pandas.DataFrame(
            [
                {"id": f"{m}-{seed}", "method": m, "seed": seed, "robust, 4/255": value(m, images, steps, seed)}
                for m in methods
                for seed in seeds
            ]
        )
        for images in (250, 1000, 4000)
        for steps in (360, 1440, 5760)
    }


def test_doubling_gives_the_slopes_of_a_plane_for_each_seed():
    def left(method, images, steps, seed):
        return 0.03 * math.log2(images) - (0.05 + 0.01 * seed) * math.log2(steps)

    more, longer, both = robustness.per_doubling(cells_with((0, 2), left), "mixup", "robust, 4/255")
    assert (more.mean, longer.mean, more.n) == (pytest.approx(3), pytest.approx(-6), 2)
    assert more.half_width == pytest.approx(0, abs=1e-9)
    assert longer.half_width == pytest.approx(12.706, abs=1e-2)  # of -5 and -7
    assert both.mean == pytest.approx(-3)
    lacks_one = cells_with((0,), left)
    lacks_one[250, 360] = lacks_one[250, 360][:0]
    assert robustness.per_doubling(lacks_one, "mixup", "robust, 4/255")[0].n == 0


def met(monkeypatch, right, ladder=math.nan):
    """AutoAttack has met these networks at 4/255, and left these images right."""
    rows = [
        {"id": name, "radius": 4.0, "ladder": ladder, "images": {"survives 4/255": np.array(images)}}
        for name, images in right.items()
    ]
    monkeypatch.setattr(robustness.records, "of_measure", lambda measure, profile: pandas.DataFrame(rows))


def test_autoattack_is_read_of_networks_that_it_has_met(monkeypatch, tmp_path):
    survives = {"survives 4/255": np.array([True, True, False, False])}
    table = pandas.DataFrame({"id": ["done", "not yet"], "method": ["mixup", "cutmix"], "images": [survives, survives]})
    monkeypatch.setattr(robustness.records, "RECORDS", tmp_path)
    monkeypatch.setattr(robustness.records, "by_profile", lambda study: {"a": table})

    def left():
        found = robustness.met_by_autoattack("a", 4, ["core"])
        return found[["id", "the ladder", "AutoAttack"]].to_numpy().tolist()

    assert left() == []
    met(monkeypatch, {"done": [True, False, False, False]})
    assert left() == [["done", 50.0, 25.0]]
    met(monkeypatch, {"done": [True, False, False, False]}, ladder=0.75)
    assert left() == [["done", 75.0, 25.0]], "of the very network"


def test_what_autoattack_takes_beyond_the_ladder_counts_each_network_once(monkeypatch):
    survives = {"survives 4/255": np.array([True, True, True, False])}
    core = pandas.DataFrame({"id": ["a", "b"], "method": ["mixup", "mixup"], "images": [survives, survives]})
    more = pandas.DataFrame({"id": ["a", "c"], "method": ["mixup", "cutmix"], "images": [survives, survives]})
    tables = {"core": {"quick": core}, "again": {"quick": more}, "empty": {}}
    monkeypatch.setattr(robustness.records, "by_profile", tables.get)
    meetings = (("here", "quick", 4, ("core", "again", "empty")), ("nowhere", "quick", 4, ("empty",)))
    monkeypatch.setattr(robustness, "MEETINGS", meetings)
    none = np.zeros(4, bool)
    met(monkeypatch, {"a": none, "b": [True, True, False, False], "c": none})
    assert robustness.taken_beyond() == {"here": {"mixup": [75.0, 25.0], "cutmix": [75.0]}}


def test_what_the_weak_attack_alone_leaves_is_counted_at_its_radius():
    survived = np.ones((3, len(robustness.RADII), 4), bool)
    survived[2, robustness.RADII.index(4), :1] = False  # the third rung takes one of four
    survived[1:, robustness.RADII.index(2), :2] = False
    rows = [{"method": "mixup", "seed": seed, "images": {"survived": survived}} for seed in (0, 1)]
    assert robustness.left_by_weak_attack(pandas.DataFrame(rows))["mixup"].mean == 25
