"""Scales: which tables a page compares, which it speaks of, and what it says where there is one alone."""

import pandas
import pytest
from checkout import ROOT
from lifted import table

from softbook.studies import across_settings, records
from softbook.studies.across_settings import at_the_floor, generalization_gaps
from softlab.profile import load_profile


def test_settings_have_letters_in_their_order_and_the_legend_names_each():
    names = [*across_settings.SETTINGS.values()]
    assert [name[0] for name in names] == [*"ABCDEFGH"]
    assert set(across_settings.SETTINGS) <= set(records.about("core"))
    legend = (ROOT / "book" / "how_to_read.md").read_text()
    assert all(f"| {name} |" in legend for name in names)


def test_tables_come_by_setting_without_those_of_too_few_networks(monkeypatch):
    known = {"fashion-heldout": table(0.1), "quick-confirm": table(0.2), "quick": table(0.3)}
    monkeypatch.setattr(records, "by_profile", lambda study: known)
    assert [name[0] for name in across_settings.tables_by_setting()] == ["A", "B"]
    assert across_settings.tables_by_setting(least=4) == {}
    found = across_settings.effects_by_setting("gap", least=3)
    assert [name[0] for name in found] == ["A", "B"]
    assert found[across_settings.SETTINGS["quick-confirm"]]["mixup"].interval.mean == pytest.approx(0.201)


def core(shift, name):
    """A table of two methods and two seeds, ECE raised by `shift`."""
    rows = [
        {"method": method, "seed": seed, "id": f"{name}-{method}-{seed}", "ECE": 0.1 + lift, "images": {}}
        for method, lift in (("baseline", 0), ("mixup", shift))
        for seed in range(2)
    ]
    return pandas.DataFrame(rows)


def test_the_generalization_gap_stands_beside_confidence_gaps_where_it_is_on_record():
    """By hand: 0.9 on training images and 0.7 on new ones; Mixup takes 5 points off a gap of 10."""
    known = table(-0.05).assign(accuracy=0.7, **{"training accuracy": 0.9})
    known["ECE"] = known["gap"]
    tables = {"small": known, "lost": known.assign(**{"training accuracy": float("nan")})}
    ahead, gaps, changes = generalization_gaps(tables, ["baseline", "mixup", "maxsup"])
    assert ahead == pytest.approx({"small": 20.0})
    assert {method: list(of) for method, of in gaps.items()} == {
        "baseline": ["small"],
        "mixup": ["small"],
        "maxsup": [],
    }
    assert gaps["baseline"]["small"].mean == pytest.approx(10)
    assert changes["mixup"]["small"].mean == pytest.approx(-4.9)
    assert not changes["baseline"]


def test_where_hardly_an_image_survives_an_attack_nothing_is_compared():
    table = pandas.DataFrame({"method": ["baseline", "baseline", "mixup"], "robust, 4/255": [0.01, 0.05, 0.9]})
    assert at_the_floor(table, "robust, 4/255")  # .03 of the baseline's
    assert not at_the_floor(table.assign(**{"robust, 4/255": 0.06}), "robust, 4/255")
    assert not at_the_floor(table.assign(accuracy=0.01), "accuracy")


def test_pages_speak_of_the_seeds_that_nobody_had_looked_at():
    quick = load_profile("quick")
    table = across_settings.headline()
    assert set(table["method"]) == set(quick.methods)
    assert sorted(set(table["seed"])) == [*range(1000, 1010)]
    assert table.attrs == records.by_profile()["quick-confirm"].attrs
    spoken_of = load_profile(across_settings.SPOKEN_OF)
    assert spoken_of.standing == "confirmatory"
    assert (spoken_of.experiment, spoken_of.evaluation) == (quick.experiment, quick.evaluation)
