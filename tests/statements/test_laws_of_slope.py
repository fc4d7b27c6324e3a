"""Laws of margin over slope: declared as a group, judged by all of their parts, pending without a record."""

import itertools
import math
from pathlib import Path

import numpy as np
import pandas
import pytest
from planted_margins import SIZES, table

from softbook.statements import laws
from softbook.statements.laws import Judgement, Part
from softbook.statements.statistics import computed
from softbook.studies import another_slope, margins, records
from softlab import load_profile, regularizers
from softlab.comparison.intervals import Interval, holm
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import packaged_profiles

CHAPTERS = Path(__file__).parents[2] / "notebooks"


def test_what_a_law_of_margin_and_slope_names_is_there():
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


def test_a_profile_that_is_not_built_yet_is_pending(monkeypatch, put_on_record):
    put_on_record({})
    monkeypatch.setattr(records, "of_measure", lambda measure, profile: pandas.DataFrame())
    monkeypatch.setattr(margins, "cells_of", lambda profile, again: {})
    monkeypatch.setattr(laws, "cells_of", lambda profile, again: {})
    assert {one.verdict for one in laws.judged("slope").values()} == {"pending"}
    assert laws.elsewhere() == {}
    assert [laws.lines(name)[-1] for name in ("estimate-elsewhere", "passes")] == [
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
    monkeypatch.setattr(laws, "cells_of", lambda profile, again: cells)
    for line in (
        "  log margin: +0.500 with twice the images, -0.250 with twice the steps",
        "  log slope: +0.000 with twice the images, +2.000 with twice the steps",
        "  log length: -1.000 with twice the images, +0.000 with twice the steps",
    ):
        assert line in laws.lines("passes")


def test_a_law_holds_if_all_of_its_parts_do():
    up = Part("a", Interval(3.0, 2.0, 4.0, 5), "rises")
    down = Part("b", Interval(3.0, 2.0, 4.0, 5), "falls")
    unsure = Part("c", Interval(1.0, -1.0, 3.0, 5), "rises")
    below = Part("d", Interval(3.0, 2.0, 4.0, 5), "below 5")
    either = Part("e", Interval(-3.0, -4.0, -2.0, 5), "differs")
    assert [part.declared for part in (up, below, either)] == ["above 0", "below 5", "beside 0"]
    assert [part.outcome for part in (up, down, unsure, below, either)] == [1, -1, 0, 1, 1]
    assert Judgement("x", (), 1.0).verdict == "pending"
    assert Judgement("x", (up, below), 0.01).verdict == "as declared"
    assert Judgement("x", (up, unsure), 0.01).verdict == "open"
    assert Judgement("x", (up, below), 0.06).verdict == "open", "by the corrected p"
    assert Judgement("x", (up, down), 0.01).verdict == "the opposite of what was declared"


@pytest.fixture
def judged(monkeypatch, put_on_record):
    """judged(law, table): the parts of a law of this group, where its study has this table of any length."""

    def parts(name, table):
        law = laws.laws("slope")[name]
        with monkeypatch.context() as patch:
            patch.setattr(laws, "laws", lambda group="": {name: law})
            patch.setattr(laws.Law, "networks", lambda self: 0)
            put_on_record({law.study: {law.profile: table}})
            patch.setattr(another_slope, "recorded", lambda profile: table)
            return laws.judged("slope")[name].parts

    return parts


def test_the_split_holds_only_relative_to_every_measure_of_size(judged):
    columns = {"log margin": (1.4, 0.6, 0.7), "log slope": (6.0, 5.4, 5.0), **SIZES}
    parts = judged("split", table(**columns))
    assert [part.outcome for part in parts] == [1] * 9
    columns["log range"] = (3.0, 2.4, 2.2)  # relative to this size the margin shrinks: -.8 + .6
    parts = judged("split", table(**columns))
    assert [part.outcome for part in parts].count(-1) == 1
    assert "range" in next(part.what for part in parts if part.outcome == -1)


def test_the_bias_is_compared_at_both_ratios(judged):
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
    parts = judged("bias-both-ways", rows)
    assert [part.outcome for part in parts][2:] == [1, -1], "ten points apart at the ratio of label smoothing"
    assert parts[2].value.mean == pytest.approx(10, abs=1.5)


def test_printed_p_values_of_the_first_laws_are_not_moved_by_the_new_ones():
    """Holm's correction goes over the twelve alone."""
    found = laws.judged().values()
    assert [one.p for one in found] == holm([one.parts[0].value.p_value() for one in found])
    assert len(found) == sum(law.kind == "empirical" for law in laws.laws().values()) == 11


def test_bound_and_strength_by_hand(put_on_record):
    """Cells (tight .01, tight 1, loose .01, loose 1) = (2, 8, 1, 3): bound 3, strength 4, interaction 4."""
    rows = []
    for seed in range(3):
        for (alpha, strength), value in {(0.1, 0.01): 2, (0.1, 1.0): 8, (0.0001, 0.01): 1, (0.0001, 1.0): 3}.items():
            rows.append({"seed": seed, "alpha": alpha, "strength": strength, "robust, 4/255": value / 100})
    put_on_record({"bound_or_strength": {"quick-fp32": pandas.DataFrame(rows)}})
    found = {of: computed("bound_and_strength", {"of": of})[0].mean for of in ("difference", "interaction")}
    assert found == pytest.approx({"difference": 3 - 4, "interaction": 4})


def by_hand(robust, missed=0.01, admitted=lambda method, seed, tau: True):
    """A record in which R depends on τ, and the estimate misses it by so much."""
    rows = []
    for method, seed, tau in itertools.product(("baseline", "label_smoothing"), margins.SEEDS, another_slope.TAUS):
        left = robust(tau) + 0.001 * (seed % 5)
        row = {"method": method, "seed": seed, "tau": tau, "admitted": admitted(method, seed, tau)}
        rows.append(row | {"robust, 4/255": left, "estimate, 4/255": left + missed + 0.0001 * (seed % 3)})
    return pandas.DataFrame(rows)


def test_the_law_asks_for_a_gain_of_both_and_a_close_estimate_everywhere(judged):
    parts = judged("slope-by-hand", by_hand(lambda tau: 0.5 - 0.1 * tau))
    assert [part.outcome for part in parts] == [1] * 12
    assert parts[0].value.mean == pytest.approx(100 * 0.1 * 0.29)
    far = judged("slope-by-hand", by_hand(lambda tau: 0.5 - 0.1 * tau, missed=0.04))
    assert {part.outcome for part in far} == {1, -1}
    assert judged("slope-by-hand", by_hand(lambda tau: 0.5).head(49)) == (), "not all are there yet"


def test_what_is_not_admitted_is_not_looked_at(judged):
    few = by_hand(lambda tau: 0.5 - 0.1 * tau, admitted=lambda method, seed, tau: method == "baseline" or tau == 1)
    parts = judged("slope-by-hand", few)
    assert [part.outcome for part in parts[:1]] == [1]
    (gain,) = [part for part in parts if part.what.startswith("label_smoothing: R")]
    assert gain.outcome == 0, "no network is left to tell"
