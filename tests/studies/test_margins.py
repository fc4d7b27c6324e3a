"""Laws of margin over slope: declared as a group, judged by all of their parts, pending without a record."""

import math
from pathlib import Path

import numpy as np
import pandas
import pytest

from softbook.studies import laws, margins, records
from softbook.studies.laws import Judgement, Part
from softlab import load_profile, regularizers
from softlab.comparison.intervals import Interval, holm, jackknife
from softlab.errors import SoftlabError
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import packaged_profiles

CHAPTERS = Path(__file__).parents[2] / "notebooks"


def test_what_a_law_names_is_there():
    of_slope = laws.laws("slope")
    assert list(of_slope) == [
        *("estimate", "estimate-elsewhere", "split", "slope-by-hand", "bound-or-strength", "bias-both-ways", "passes")
    ]
    assert not set(of_slope) & set(laws.laws())
    for law in of_slope.values():
        assert (CHAPTERS / f"{law.chapter}.ipynb").exists()
        assert law.quantity in QUANTITIES
        assert law.contrast
        assert law.method in ("", *regularizers.REGISTRY)
        assert not law.profile or load_profile(law.profile).standing == "confirmatory"
    assert set(margins.NORMALISERS.values()) <= set(QUANTITIES)


def test_a_profile_that_is_not_built_yet_is_pending(monkeypatch):
    monkeypatch.setattr(records, "by_profile", lambda study: {})
    monkeypatch.setattr(margins, "cells_of", lambda profile, again: {})
    monkeypatch.setattr(laws.records, "beside", lambda kind, profile: [])
    assert {one.verdict for one in laws.judged("slope").values()} == {"pending"}
    assert laws.elsewhere() == {}
    assert [laws.told(name)[-1] for name in ("estimate-elsewhere", "passes")] == [
        "  settings: nothing is on record",
        "  description: nothing is on record",
    ]
    assert set(laws.ESTIMATED) <= set(packaged_profiles())


def test_what_a_doubling_does_is_read_off_a_plane_over_the_cells(monkeypatch):
    planes = {"log margin": (0.5, -0.25), "log slope": (0.0, 2.0), "log length": (-1.0, 0.0)}
    cells = {}
    for images in (250, 1000):
        for steps in (8, 64):
            values = {name: [3 + up * np.log2(images) + along * np.log2(steps)] for name, (up, along) in planes.items()}
            cells[images, steps] = pandas.DataFrame({"method": ["baseline"], "seed": [4000], **values})
            cells[images, steps].attrs = records.of_table("training_images_again", "quick-confirm")
    monkeypatch.setattr(margins, "cells_of", lambda profile, again: cells)
    found = margins.plain_per_doubling()
    assert {name: pytest.approx(both) for name, both in planes.items()} == found
    assert "  log slope: +0.000 with twice the images, +2.000 with twice the steps" in laws.told("passes")


def test_a_law_holds_if_all_of_its_parts_do():
    up = Part("a", Interval(3.0, 2.0, 4.0, 5), +1)
    down = Part("b", Interval(3.0, 2.0, 4.0, 5), -1)
    unsure = Part("c", Interval(1.0, -1.0, 3.0, 5), +1)
    below = Part("d", Interval(3.0, 2.0, 4.0, 5), -1, 5.0)
    either = Part("e", Interval(-3.0, -4.0, -2.0, 5), 0)
    assert [part.declared for part in (up, below, either)] == ["above 0", "below 5", "beside 0"]
    assert [part.outcome for part in (up, down, unsure, below, either)] == [1, -1, 0, 1, 1]
    assert up.p_value == pytest.approx(Interval(3.0, 2.0, 4.0, 5).p_value())
    assert below.p_value == pytest.approx(Interval(3.0, 2.0, 4.0, 5).p_value(5.0))
    assert down.p_value == 1.0, "on the other side"
    assert Judgement("x", (), 1.0).verdict == "pending"
    assert Judgement("x", (up, below), 0.01).verdict == "as declared"
    assert Judgement("x", (up, unsure), 0.01).verdict == "open"
    assert Judgement("x", (up, below), 0.06).verdict == "open", "by the corrected p"
    assert Judgement("x", (up, down), 0.01).verdict == "the opposite of what was declared"


def units(errors, attacked=(50.0, 60.0, 40.0)):
    rows = []
    for method, (error, right) in enumerate(zip(errors, attacked, strict=True)):
        rows.append({"method": f"m{method}", "estimate": right + error, "attacked": right, "one_step": right + 9})
    return pandas.DataFrame(rows)


def test_the_jackknife_over_methods_by_hand():
    """Errors 1, 2, 3: without one of them 2.5, 2, 1.5; variance (2/3) · (.25 + 0 + .25) = 1/3, that of a mean of 3."""
    some = units((1.0, 2.0, 3.0))
    found = jackknife(some, "method", lambda some: float((some["estimate"] - some["attacked"]).mean()))
    assert found.mean == 2.0
    assert found.half_width == pytest.approx(4.302652729911275 * math.sqrt(1 / 3))
    assert found.n == 3


def test_the_skill_by_hand():
    """Plain 50, others 60 and 40: Σ ΔR² = 200; the estimate misses one difference by 10 and the other by 0."""
    some = pandas.DataFrame({"method": ["a", "b"], "attacked": [60.0, 40.0], "estimate": [60.0, 50.0]})
    plain = pandas.Series({"attacked": 50.0, "estimate": 50.0})
    assert margins.skill(some, plain) == pytest.approx(1 - 100 / 200)


def table(**columns):
    """A row for each of five seeds of plain training, label smoothing, CutMix; columns: quantity -> three means."""
    generator = np.random.default_rng(0)
    rows = []
    for place, method in enumerate(("baseline", "label_smoothing", "cutmix")):
        for seed in margins.SEEDS:
            values = {name: means[place] + generator.normal(0, 0.01) for name, means in columns.items()}
            rows.append({"method": method, "seed": seed, **values})
    return pandas.DataFrame(rows)


SIZES = dict.fromkeys(margins.NORMALISERS.values(), (3.0, 1.8, 2.2))


def test_the_split_holds_only_relative_to_every_measure_of_size():
    columns = {"log margin": (1.4, 0.6, 0.7), "log slope": (6.0, 5.4, 5.0), **SIZES}
    parts = laws.split_parts(table(**columns))
    assert [part.outcome for part in parts] == [1] * 9
    columns["log range"] = (3.0, 2.4, 2.2)  # relative to this size the margin shrinks: -.8 + .6
    parts = laws.split_parts(table(**columns))
    assert [part.outcome for part in parts].count(-1) == 1
    assert "range" in next(part.what for part in parts if part.outcome == -1)
    columns["log margin"] = (1.4, math.nan, 0.7)
    assert laws.split_parts(table(**columns)) == []


def test_the_bias_is_compared_at_both_ratios():
    """Plain at ratio .02, label smoothing at .08; shares recorded at .01 to .32, the same for both but at .08."""
    columns = {"log bias over length": (math.log(0.02), math.log(0.08), 0.0)}
    shares = {
        0.01: (0.97, 0.97),
        0.02: (0.94, 0.94),
        0.04: (0.9, 0.9),
        0.08: (0.7, 0.8),
        0.16: (0.3, 0.4),
        0.32: (0.2, 0.2),
    }
    for ratio, (plain, smoothed) in shares.items():
        columns[f"constant class, ratio {ratio}"] = (plain, smoothed, 0.5)
    rows = table(**columns)
    exact = [name for name in rows if name not in ("method", "seed")]
    rows[exact] = rows[exact].round(2)
    rows["log bias over length"] = rows["method"].map({"baseline": math.log(0.02), "label_smoothing": math.log(0.08)})
    parts = laws.bias_parts(rows.dropna())
    assert [part.outcome for part in parts][2:] == [1, -1], "ten points apart at the ratio of label smoothing"
    assert parts[2].interval.mean == pytest.approx(10, abs=1.5)


def test_bound_and_strength_by_hand():
    """Cells (tight .01, tight 1, loose .01, loose 1) = (2, 8, 1, 3): bound 3, strength 4, interaction 4."""
    rows = []
    for seed in range(3):
        for (alpha, strength), value in {(0.1, 0.01): 2, (0.1, 1.0): 8, (0.0001, 0.01): 1, (0.0001, 1.0): 3}.items():
            rows.append({"seed": seed, "alpha": alpha, "strength": strength, "robust, 4/255": value / 100})
    found = margins.factorial(pandas.DataFrame(rows))
    assert {name: one.mean for name, one in found.items()} == pytest.approx(
        {"bound": 3, "strength": 4, "interaction": 4, "difference": -1}
    )
    sure = Interval(3.0, 2.0, 4.0, 3)
    unsure = Interval(0.0, -1.0, 1.0, 3)
    named = [
        margins.decided_by({"bound": bound, "strength": strength, "interaction": both})
        for bound, strength, both in (
            *((sure, unsure, unsure), (unsure, sure, unsure), (sure, sure, unsure), (unsure, unsure, unsure)),
            (sure, sure, sure),
        )
    ]
    assert named == ["bound", "strength", "both", "neither", "interaction"]


def test_printed_p_values_of_the_first_laws_are_not_moved_by_the_new_ones():
    """Holm's correction goes over the twelve alone."""
    found = laws.judged().values()
    assert [one.p for one in found] == holm([one.effect.interval.p_value() for one in found])
    assert len(found) == sum(law.kind == "empirical" for law in laws.laws().values()) == 11


def test_places_are_paired_by_seed_and_a_dose_has_its_own():
    rows = [
        ("baseline", 1, None, 1.0, 6.0, 0.40),
        ("baseline", 2, None, 1.2, 6.0, 0.50),
        ("mixup", 1, 0.1, 0.5, 5.8, 0.30),
        ("mixup", 2, 0.1, 0.7, 5.8, 0.40),
        ("mixup", 1, 0.2, 0.6, 5.0, math.nan),
        ("cutmix", 1, 0.2, math.nan, 5.0, 0.40),
    ]
    names = ["method", "seed", "dose", "log margin", "log slope", "robust, 4/255"]
    several = pandas.DataFrame(rows, columns=names)
    first, second = margins.places(several)  # CutMix has no margin
    assert (first.method, first.dose, first.margin.n) == ("mixup", 0.1, 2)
    assert first.margin.mean == pytest.approx(-0.5)
    assert first.slope.mean == pytest.approx(-0.2)
    assert first.ratio.mean == pytest.approx(-0.3)
    assert first.attacked.mean == pytest.approx(-10)
    assert (second.dose, second.attacked.n) == (0.2, 0)
    (alone,) = margins.places(several.iloc[:4].drop(columns="dose"))
    assert alone.dose is None
    assert margins.places(several.drop(columns="log margin")) == []
    with pytest.raises(SoftlabError, match="plain training"):
        margins.places(several.iloc[2:])


def test_a_normaliser_moves_margin_and_slope_by_as_much():
    columns = {"log margin": (1.4, 0.6, 0.7), "log slope": (6.0, 5.4, 5.0), **SIZES}
    found = margins.by_normaliser(table(**columns), "label_smoothing")
    assert list(found) == ["raw", *margins.NORMALISERS]
    margin, slope = found["raw"]
    assert margin.mean == pytest.approx(-0.8, abs=0.05)
    for beside, other in found.values():
        assert other.mean - beside.mean == pytest.approx(slope.mean - margin.mean)
    assert found["length"][0].mean == pytest.approx(-0.8 + 1.2, abs=0.05)
    assert margins.by_normaliser(table(**columns), "maxsup") == {}
    columns["log range"] = (3.0, math.nan, 2.2)
    assert margins.by_normaliser(table(**columns), "label_smoothing") == {}


def test_every_estimate_counts_each_row_once():
    units, counts = margins.every_estimate()
    listed = records.listed()
    growing = [records.is_growing(*row) for row in listed[["study", "profile", "networks"]].itertuples(index=False)]
    assert sum(counts.values()) == sum(listed["networks"]) - sum(listed.loc[growing, "networks"])
    assert set(units["radius"]) == set(margins.RECORDED_RADII)
    own = units.query("study == 'core' and profile == 'cifar10-papers' and radius == '1/255' and method == 'cutmix'")
    rows = records.by_profile("core")["cifar10-papers"].query("method == 'cutmix'")
    assert own["estimate"].item() == pytest.approx(100 * rows["estimate, 1/255"].mean())
    assert own["attacked"].item() == pytest.approx(100 * rows["robust, 1/255"].mean())


def test_kept_images_stand_by_ratio_as_means_over_seeds_in_percent():
    rows = {"method": ["baseline", "baseline"], "constant class, ratio 0.04": [0.8, 0.6]}
    table = pandas.DataFrame(rows | {"constant class, ratio 0.01": [1.0, 0.9]})
    assert margins.kept_by_ratio(table) == {"baseline": {0.01: pytest.approx(95), 0.04: pytest.approx(70)}}
