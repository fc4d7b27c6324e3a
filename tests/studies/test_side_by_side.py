"""softlab.compare: networks side by side, paired by seed, by hand and against scipy's paired t test."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import softlab
from softlab import SoftlabError
from softlab.comparison import side_by_side
from softlab.comparison.intervals import two_way_interval
from softlab.numbers import stored
from softlab.numbers.look import Numbers
from softlab.numbers.quantities import QUANTITIES
from softlab.training.runs import Run, fit_or_load

CLEAN = {"test_size": 200, "attack_size": 0}
SCALE = "log logit scale"
LENGTH = QUANTITIES[SCALE].label


@pytest.fixture
def networks(tiny, monkeypatch):
    """A function that makes runs of a method with these values of a quantity, by seed; no network is behind them."""
    known: dict[str, Numbers] = {}
    monkeypatch.setattr(stored, "of", lambda run, evaluation, lenses: known[run.id])

    def make(method, values, quantity=SCALE, images=None, problems=None, **changes):
        runs = []
        for seed, value in values.items():
            experiment = tiny.replace(method=method, seed=seed, **changes)
            run = Run(f"{method}-{changes}-{seed}", Path(), experiment, {"loss": [1.0]}, {})
            known[run.id] = Numbers({quantity: value}, (images or {}).get(seed, {}), problems or {})
            runs.append(run)
        return runs

    return make


def test_two_lists_by_hand(networks):
    """Differences 2, 3, 4: mean 3, standard deviation 1, half width 4.303 / √3 = 2.484."""
    plain = networks("baseline", {0: 1.0, 1: 1.0, 2: 1.0})
    mixed = networks("mixup", {2: 5.0, 0: 3.0, 1: 4.0})  # in another order: paired by seed
    found = softlab.compare(plain, mixed, quantities=[SCALE])
    assert found.names == ["baseline", "mixup"]
    assert found.mean(SCALE, "mixup").mean == 4.0
    difference = found.difference(SCALE, "mixup")
    assert (difference.interval.mean, difference.interval.n, difference.over) == (3.0, 3, "seeds")
    assert difference.interval.half_width == pytest.approx(2.484, abs=1e-3)
    assert found.differences[SCALE].rises("mixup")
    cells = found.table().loc[LENGTH].to_dict()
    assert cells == {"baseline": "1.00 ± 0.00", "mixup": "4.00 ± 2.48", "mixup − baseline": "+3.00 ± 2.48 ↑"}


def test_names_of_ones_own_and_three_of_them(networks):
    plain = networks("baseline", {0: 1.0, 1: 2.0, 2: 3.0})
    same = networks("mixup", {0: 0.0, 1: 2.0, 2: 4.0})  # differences -1, 0, 1
    lower = networks("cutmix", {0: -1.0, 1: 0.0, 2: 1.0})  # -2 each
    found = softlab.compare({"plain": plain, "<mine>": same, "theirs": lower}, quantities=SCALE)
    row = found.table().loc[LENGTH]
    assert row["<mine> − plain"] == "+0.00 ± 2.48"
    assert row["theirs − plain"] == "-2.00 ± 0.00 ↓"
    text = str(found)
    assert text.startswith("3 networks each, of seeds 0, 1, 2. Differences are to plain, paired by seed")
    assert "-2.00 ± 0.00 ↓" in text
    page = found._repr_html_()
    assert "&lt;mine&gt;" in page
    assert "<mine>" not in page


def test_a_difference_is_scipys_paired_one(networks):
    draws = np.random.default_rng(0)
    ours = draws.normal(size=8)
    theirs = draws.normal(size=8)
    found = softlab.compare(
        networks("baseline", dict(enumerate(theirs))), networks("mixup", dict(enumerate(ours))), quantities=[SCALE]
    )
    interval = found.difference(SCALE, "mixup").interval
    peer = stats.ttest_rel(ours, theirs)
    assert (interval.low, interval.high) == pytest.approx(peer.confidence_interval(0.95))
    assert interval.p_value() == pytest.approx(peer.pvalue)


def test_a_mean_over_images_has_an_interval_over_seeds_and_images(networks):
    right = {0: [1, 0, 0, 1], 1: [1, 1, 0, 0]}
    more = {0: [1, 1, 1, 1], 1: [1, 1, 0, 1]}
    images = [{seed: {"right": np.array(row, bool)} for seed, row in part.items()} for part in (right, more)]
    plain = networks("baseline", {0: 0.5, 1: 0.5}, "accuracy", images[0])
    mixed = networks("mixup", {0: 1.0, 1: 0.75}, "accuracy", images[1])
    difference = softlab.compare(plain, mixed, quantities=["accuracy"]).difference("accuracy", "mixup")
    assert difference.over == "seeds and images"
    assert difference.interval == two_way_interval([[0, 1, 1, 0], [0, 0, 0, 1]])
    assert str(difference).startswith("+37.5 ± ")  # in points


def test_one_network_each_has_a_difference_without_an_interval(networks):
    found = softlab.compare(networks("baseline", {7: 1.0}), networks("mixup", {7: 3.0}), quantities=[SCALE])
    assert str(found).startswith("One network each, of seed 7: a difference has no interval, and may be chance.")
    assert found.table().loc[LENGTH, "mixup − baseline"] == "+2.00"


def test_what_could_not_be_measured_is_said(networks):
    plain = networks("baseline", {0: 1.0, 1: 2.0, 2: 3.0})
    broken = networks("mixup", {0: 2.0, 1: np.nan, 2: 6.0}, problems={"cones": "there is no single linear head"})
    found = softlab.compare(plain, broken, quantities=[SCALE, "constant class"])
    assert found.difference(SCALE, "mixup").interval.mean == 2.0  # of seeds 0 and 2
    assert found.notes == [
        "mixup: cones could not be measured: there is no single linear head",
        f"mixup: {LENGTH} is the mean of 2 of 3 networks; others have no finite value",
    ]
    label = QUANTITIES["constant class"].label
    assert found.table().loc[label].tolist() == ["–", "–", "–"]
    assert str(found).endswith(found.notes[1])


def test_only_the_lenses_of_what_is_asked_are_applied(tiny, monkeypatch):
    applied = []
    monkeypatch.setattr(stored, "of", lambda run, evaluation, lenses: applied.append(lenses) or Numbers())
    plain = [Run("a", Path(), tiny, {"loss": [1.0]}, {})]
    mixed = [Run("b", Path(), tiny.replace(method="mixup"), {"loss": [1.0]}, {})]
    softlab.compare(plain, mixed, quantities=["ECE", "robust, 4/255"])
    assert applied == [{"calibrated", "attacked", "outcomes"}] * 2
    everything = softlab.compare(plain, mixed)
    assert list(everything.means) == list(side_by_side.MAIN)
    clean = softlab.compare(plain, mixed, evaluation={"attack_size": 0})
    assert list(clean.means) == [name for name in side_by_side.MAIN if not name.startswith("robust")]


def test_what_cannot_be_compared_is_one_line(networks):
    plain = networks("baseline", {0: 1.0, 1: 1.0})
    mixed = networks("mixup", {0: 1.0, 1: 1.0})
    longer = networks("mixup", {0: 1.0, 1: 1.0}, epochs=3)
    fewer = networks("cutmix", {0: 1.0})
    elsewhere = networks("maxsup", {0: 1.0, 1: 1.0}, class_count=5)
    cases = [
        (lambda: softlab.compare(plain), "takes two lists of runs, or"),
        (lambda: softlab.compare(plain[0], mixed), "the first list must be a list of runs, .*, not of type Run$"),
        (lambda: softlab.compare({"plain": plain}), "two names at least, not 1"),
        (lambda: softlab.compare({"plain": plain, "mine": []}), "'mine' has no runs"),
        (lambda: softlab.compare({"plain": plain, "mine": [3]}), "'mine' holds something of type int, no Run"),
        (lambda: softlab.compare({"plain": plain, "mine": mixed}, mixed), "alone, or two lists"),
        (lambda: softlab.compare(mixed, longer), "both lists are of 'mixup': give them names"),
        (lambda: softlab.compare(plain, fewer), r"'baseline' has seeds \[0, 1\], but 'cutmix' has \[0\]"),
        (lambda: softlab.compare(plain + plain, mixed), "'baseline' has two networks of seed 0"),
        (lambda: softlab.compare(plain, [mixed[0], longer[1]]), "networks of 'mixup' differ in epochs"),
        (lambda: softlab.compare(plain, elsewhere), "'maxsup' has networks of other images than 'baseline'"),
        (lambda: softlab.compare(plain, mixed, quantities=["ECF"]), "unknown quantity 'ECF'; did you mean 'ECE'"),
        (lambda: softlab.compare(plain, mixed, quantities=[]), "one quantity at least"),
        (
            lambda: softlab.compare(plain, mixed, quantities=["robust, 1/255"], evaluation={"attack_size": 0}),
            "'robust, 1/255' takes attacks or corruptions",
        ),
        (lambda: softlab.compare(plain, mixed, evaluation={"attacks": 1}), "unknown entry of evaluation 'attacks'"),
    ]
    for call, message in cases:
        with pytest.raises(SoftlabError, match=message) as told:
            call()
        assert "\n" not in str(told.value)


def test_a_comparison_is_asked_by_name(networks):
    plain = networks("baseline", {0: 1.0, 1: 1.0})
    found = softlab.compare(plain, networks("mixup", {0: 1.0, 1: 1.0}), quantities=[SCALE])
    with pytest.raises(SoftlabError, match="unknown name 'mixupp'; did you mean 'mixup'"):
        found.mean(SCALE, "mixupp")
    with pytest.raises(SoftlabError, match="unknown quantity of this comparison 'ECE'"):
        found.difference("ECE", "mixup")
    with pytest.raises(SoftlabError, match="differences are to 'baseline' itself: ask for 'mixup'"):
        found.difference(SCALE, "baseline")


def test_trained_networks_have_the_numbers_on_file(tiny):
    """What is not measured yet is measured, and the means are those of `numbers.of`."""
    runs = {
        name: [fit_or_load(tiny.replace(method=name, seed=seed)) for seed in range(2)]
        for name in ("baseline", "label_smoothing")
    }
    found = softlab.compare(runs, evaluation=CLEAN)
    evaluation = softlab.load_profile("quick", evaluation=CLEAN).evaluation
    for quantity in ("accuracy", "ECE", "log margin"):
        values = {name: [stored.of(run, evaluation).values[quantity] for run in some] for name, some in runs.items()}
        means = {name: sum(some) / 2 for name, some in values.items()}
        assert {name: found.mean(quantity, name).mean for name in runs} == pytest.approx(means, abs=1e-5)
        difference = means["label_smoothing"] - means["baseline"]
        moved = found.difference(quantity, "label_smoothing")
        assert moved.interval.mean == pytest.approx(difference, abs=1e-5)
        assert moved.over == "seeds and images"
    assert found.notes == []
