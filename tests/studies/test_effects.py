"""Effects: paired differences with intervals over seeds, and over images where a quantity is a mean over them."""

import math

import numpy as np
import pandas
import pytest

from softbook.studies import records
from softlab import SoftlabError
from softlab.comparison.effects import (
    at_best,
    averages,
    by_dose,
    by_method,
    differences,
    effects,
    half_way,
    outcomes,
    over_grid,
    shares,
    shifts,
    ways,
)
from softlab.comparison.intervals import OPEN, t_interval, two_way_interval
from softlab.numbers.quantities import QUANTITIES


def table(values, images=None, quantity="log logit scale"):
    """values: {method: {seed: value}}."""
    rows = [
        {"id": f"{method}-{seed}", "method": method, "seed": seed, quantity: value}
        | {"images": (images or {}).get((method, seed), {})}
        for method, of in values.items()
        for seed, value in of.items()
    ]
    return pandas.DataFrame(rows)


# Differences 2, 3, 4: mean 3, standard deviation 1, half width 4.303 / sqrt 3 = 2.484.
VALUES = {"baseline": {0: 1.0, 1: 1.0, 2: 1.0}, "mixup": {0: 3.0, 1: 4.0, 2: 5.0}, "cutmix": {0: 0.0, 1: 1.0, 2: 2.0}}


def test_an_effect_is_the_paired_difference_over_seeds():
    found = effects(table(VALUES), "log logit scale")
    assert list(found) == ["mixup", "cutmix"]
    one = found["mixup"]
    assert (one.interval.mean, one.interval.n, one.over) == (3.0, 3, "seeds")
    assert one.interval.half_width == pytest.approx(2.484, abs=1e-3)
    assert one.ids == ("mixup-0", "mixup-1", "mixup-2", "baseline-0", "baseline-1", "baseline-2")
    assert f"{one}" == "3.00 ± 2.48"
    assert f"{one:+}" == str(one) == "+3.00 ± 2.48"


def test_over_a_grid_each_seed_counts_once():
    rows = pandas.concat([table(VALUES).assign(width=4), table(VALUES).assign(width=8)], ignore_index=True)
    rows.loc[(rows["width"] == 8) & (rows["method"] == "mixup"), "log logit scale"] += 2
    found = over_grid(rows, "log logit scale", "mixup", "baseline")
    assert (found.mean, found.n) == (4.0, 3)  # 2, 3, 4 and 4, 5, 6: of each seed the mean
    assert found.half_width == pytest.approx(2.484, abs=1e-3)


def test_effects_and_averages_say_of_which_table_they_are():
    rows = table(VALUES)
    length = QUANTITIES["log logit scale"]
    assert effects(rows, "log logit scale")["mixup"].interval.origin is None
    rows.attrs = {"table": "study core, profile quick", "command": "softbook verify core --profile quick"}
    for part in (rows, rows[rows["seed"] < 2], rows.assign(other=1).loc[::-1]):
        origin = effects(part, "log logit scale")["mixup"].interval.origin
        assert (origin.what, origin.images) == (f"change of {length.changed}", 0)
        assert {"table": origin.table, "command": origin.command} == rows.attrs
        mean = averages(part, "log logit scale")["mixup"]
        assert mean.mean == part.loc[part["method"] == "mixup", "log logit scale"].mean()
        assert mean.scaled(100).text().note.startswith(f"{length.label}: 95 % interval ")


def test_a_table_names_the_command_that_makes_its_numbers_again():
    verify = records.of_table("core", "quick")
    assert verify == {"table": "study core, profile quick", "command": "softbook verify core --profile quick"}


def test_what_intervals_say_is_asked_by_name():
    found = effects(table(VALUES), "log logit scale")
    assert found.rises("mixup")
    assert not found.rises()  # cutmix: 0 ± 2.48
    assert not found.falls("cutmix")
    assert found.within(2.5, "cutmix")
    assert not found.within(2.4, "cutmix")
    assert not found.rises("mixup", "maxsup")  # nothing is said of what was not measured
    assert not effects(table({"baseline": {0: 1.0}}), "log logit scale").rises()


def test_seeds_are_paired_and_those_without_a_value_left_out():
    values = {"baseline": {0: 1.0, 1: 5.0, 2: 2.0}, "mixup": {2: 4.0, 0: 2.0, 3: 9.0}}
    assert effects(table(values), "log logit scale")["mixup"].interval.mean == 1.5
    values["mixup"][2] = np.nan
    assert effects(table(values), "log logit scale")["mixup"].interval.n == 1
    assert by_method(table(values), "log logit scale")["mixup"] == {0: 2.0, 3: 9.0}


def test_nothing_is_said_of_a_method_without_any_value():
    found = effects(table(VALUES | {"mixup": dict.fromkeys(range(3), np.nan)}), "log logit scale")
    assert found["mixup"].interval == OPEN
    assert f"{found['mixup']:+}" == "–"
    assert not any((found.rises("mixup"), found.falls("mixup"), found.within(1e9, "mixup")))
    assert found["maxsup"].interval == OPEN  # left out altogether
    assert "maxsup" not in found
    with pytest.raises(SoftlabError, match="cutmix"):
        found["cutmixx"]


def right(*rows):
    return {("baseline", 0): rows[0], ("baseline", 1): rows[1], ("mixup", 0): rows[2], ("mixup", 1): rows[3]}


def test_a_mean_over_images_has_an_interval_over_seeds_and_images():
    rows = [[1, 0, 0, 1], [1, 1, 0, 0], [1, 1, 1, 1], [1, 1, 0, 1]]
    images = {key: {"right": np.array(row, bool)} for key, row in right(*rows).items()}
    values = {"baseline": {0: 0.5, 1: 0.5}, "mixup": {0: 1.0, 1: 0.75}}
    one = effects(table(values, images, "accuracy"), "accuracy")["mixup"]
    assert one.over == "seeds and images"
    assert one.interval == two_way_interval([[0, 1, 1, 0], [0, 0, 0, 1]])
    assert one.interval.mean == 0.375
    assert f"{one:+}".startswith("+37.5")  # in percent
    del images["mixup", 1]
    assert effects(table(values, images, "accuracy"), "accuracy")["mixup"].over == "seeds"


def test_ece_is_a_mean_over_images_once_the_signs_of_its_bins_are_fixed():
    # Two bins of two images each. The lucky network is right too often by .25 and .45, the unlucky one too seldom by
    # .75 and too often by .45; the better ones too often by .25 and too seldom by .05.
    confidence = np.array([0.75, 0.75, 0.55, 0.55])
    lucky = {"confidence": confidence, "right": np.array([True, True, True, True])}
    unlucky = {"confidence": confidence, "right": np.array([False, False, True, True])}
    better = {"confidence": confidence, "right": np.array([True, True, True, False])}
    images = right(lucky, unlucky, better, better)
    values = {"baseline": {0: 0.35, 1: 0.6}, "mixup": {0: 0.15, 1: 0.15}}
    one = effects(table(values, images, "ECE"), "ECE")["mixup"]
    assert one.interval.mean == pytest.approx(0.15 - (0.35 + 0.6) / 2)
    assert one.over == "seeds and images"
    levels = averages(table(values, images, "ECE"), "ECE")
    assert levels["mixup"].mean - levels["baseline"].mean == pytest.approx(one.interval.mean)
    terms = np.array([[0.25, 0.25, 0.45, 0.45], [0.75, 0.75, 0.45, 0.45]])
    by_hand = two_way_interval(terms)
    found = levels["baseline"]
    assert (found.low, found.high) == pytest.approx((by_hand.low, by_hand.high))
    over_seeds = t_interval(terms.mean(1))
    assert (found.low, found.high) != pytest.approx((over_seeds.low, over_seeds.high))
    gap = effects(table(values, images, "ECE").assign(gap=0.0), "gap")["mixup"]
    assert gap.interval.mean == pytest.approx(0.0)


def test_coverage_is_that_of_the_level():
    """Simulated: networks and images both drawn anew; the true effect is 0.1. The interval covers it in 94 to 97 %."""
    generator = np.random.default_rng(0)
    covered = 0
    draws = 1500
    for _ in range(draws):
        by_seed = generator.normal(0, 0.05, (5, 1))
        by_image = generator.normal(0, 0.7, (1, 200))
        both = 0.1 + by_seed + by_image + generator.normal(0, 0.5, (5, 200))
        one = two_way_interval(both)
        covered += one.low <= 0.1 <= one.high
    assert 0.935 <= covered / draws <= 0.97


def test_outcomes_are_given_by_method_and_seed():
    images = {("baseline", 0): {"survived": np.ones((3, 4, 5), bool)}}
    found = outcomes(table({"baseline": {0: 1.0, 1: 2.0}}, images), "survived")
    assert list(found["baseline"]) == [0]
    assert found["baseline"][0].shape == (3, 4, 5)


def test_differences_are_those_of_networks_of_the_same_seed():
    values = {"baseline": {0: 1.0, 1: 2.0, 2: math.nan}, "mixup": {1: 5.0, 0: 2.0, 2: 9.0, 3: 9.0}}
    assert differences(table(values), "log logit scale") == {"mixup": {1: 3.0, 0: 1.0}}


def test_another_table_can_be_what_is_compared_with():
    base = table({"baseline": {0: 1.0, 1: 2.0}})
    assert effects(table({"steady": {0: 2.0, 1: 4.0}}), "log logit scale", base)["steady"].interval.mean == 1.5


def test_doses_are_compared_with_the_same_seeds_without_any():
    # Without: 1 and 2. A tenth moves both by 3; four tenths by 1 and 2.
    values = {"none": {0: 1.0, 1: 2.0}, "tenth": {0: 4.0, 1: 5.0}, "more": {0: 2.0, 1: 4.0}}
    rows = table(values).assign(alpha=[0, 0, 0.1, 0.1, 0.4, 0.4], method="label_smoothing")
    found = by_dose(rows, "log logit scale")
    assert {dose: one.interval.mean for dose, one in found.items()} == {0.1: 3.0, 0.4: 1.5}
    assert found[0.1].interval.half_width == 0.0
    # Differences of 1 and 2: standard deviation 0.7071, half width 12.706 · 0.7071 / sqrt 2 = 6.353.
    part = shares(rows, "log logit scale", whole=0.1)
    assert {dose: one.mean for dose, one in part.items()} == {0.0: 0.0, 0.1: 100.0, 0.4: 50.0}
    assert part[0.4].half_width == pytest.approx(100 * 6.353 / 3, abs=0.1)
    # The whole moves seeds by 2 and 4, another dose by half of each: the share is one half, and no seed says otherwise.
    together = table({"none": {0: 1.0, 1: 2.0}, "half": {0: 2.0, 1: 4.0}, "whole": {0: 3.0, 1: 6.0}})
    together = together.assign(alpha=[0, 0, 0.1, 0.1, 0.4, 0.4], method="label_smoothing")
    half = shares(together, "log logit scale", whole=0.4)[0.1]
    assert (half.mean, half.half_width) == (50.0, 0.0)
    with pytest.raises(SoftlabError, match="one method to compare with"):
        by_dose(rows[rows["alpha"] > 0], "log logit scale")


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(SoftlabError, match="log logit scale"):
        effects(table(VALUES), "log logit scal")
    with pytest.raises(SoftlabError, match="one method to compare with"):
        effects(table({"mixup": {0: 1.0}}), "log logit scale")
    twice = pandas.concat([table(VALUES), table({"mixup": {0: 9.0}})])
    with pytest.raises(SoftlabError, match="several networks of one seed"):
        effects(twice, "log logit scale")


def along(values, quantity="cosine, logit"):
    """values: {(method, seed): {epoch: value}}."""
    rows = [
        {"method": method, "seed": seed, "epoch": epoch, quantity: value}
        for (method, seed), of in values.items()
        for epoch, value in of.items()
    ]
    return pandas.DataFrame(rows)


def test_half_way_is_where_half_of_the_final_difference_is_first_reached():
    values = {
        ("baseline", 0): {0: 1.0, 2: 2.0, 6: 3.0, 10: 3.0},
        ("mixup", 0): {0: 1.0, 2: 1.9, 6: 2.0, 10: 2.0},  # 0, -.1, -1, -1: half of -1 after 4/9 of epochs 2 to 6
        ("cutmix", 0): {0: 1.0, 2: 2.5, 6: 3.0, 10: 4.0},  # 0, .5, 0, 1: reached early, and lost again
    }
    found = ways(along(values), "cosine, logit")
    assert list(found) == ["mixup", "cutmix"]
    assert list(found["mixup"].index) == [0, 2, 6, 10]
    assert list(found["mixup"][0]) == pytest.approx([0, 0.1, 1, 1])
    assert half_way(found["mixup"]) == {0: pytest.approx(2 + 16 / 9)}
    assert half_way(found["cutmix"]) == {0: 2.0}


def test_a_way_needs_a_baseline_an_end_and_all_values():
    path = {0: 1.0, 2: 2.0}
    values = {("baseline", 0): path, ("baseline", 1): path, ("mixup", 0): path, ("mixup", 2): {0: 1.0, 2: 3.0}}
    values[("mixup", 1)] = {0: 1.0, 2: np.nan}
    assert ways(along(values), "cosine, logit") == {}
    assert ways(along({("mixup", 0): path}), "cosine, logit") == {}


def confident(**methods):
    """A table of methods from {method: a row of (confidence, right) of four images for each seed}."""
    rows = []
    for method, by_seed in methods.items():
        for seed, pairs in enumerate(by_seed):
            sure, right = np.array(pairs, float).T
            images = {"confidence": sure, "right": right.astype(bool)}
            row = {"method": method, "seed": seed, "id": f"{method}-{seed}", "images": images}
            rows.append(row | {"gap": float((sure - right).mean()), "NLL at T": 0.5})
    return pandas.DataFrame(rows)


# Baseline: gap (.9 · 4 - 2) / 4 = .4. Mixup: (.6 · 4 - 2) / 4 = .1, so Δ is .3 and ECE falls by as much.
SURE = [(0.9, 1), (0.9, 0), (0.9, 1), (0.9, 0)]
LESS = [(0.6, 1), (0.6, 0), (0.6, 1), (0.6, 0)]
# Underconfident by as much as the baseline is overconfident: Δ is .8, half of that is the gap, and ECE stays.
SHY = [(0.6, 1), (0.6, 1), (0.6, 1), (0.6, 1)]


def test_what_is_taken_off_the_gap_decides_what_ece_does():
    found = shifts(confident(baseline=[SURE, SURE], mixup=[LESS, LESS], cutmix=[SHY, SHY]))
    one = found["mixup"]
    two = found["cutmix"]
    assert [one.gap.mean, one.taken.mean, one.rest.mean] == pytest.approx([0.4, 0.3, 0])
    assert [two.gap.mean, two.taken.mean, two.rest.mean] == pytest.approx([0.4, 0.8, 0], abs=1e-12)


def test_the_rest_is_what_cancels_in_the_gap():
    # Two bins, .05 too sure and .15 not sure enough: gap -.1 / 2, ECE .2 / 2, and 2 · .05 / 2 cancels.
    both = [(0.55, 1), (0.55, 0), (0.85, 1), (0.85, 1)]
    one = shifts(confident(baseline=[SURE, SURE], mixup=[both, both]))["mixup"]
    assert one.taken.mean == pytest.approx(0.45)
    assert one.rest.mean == pytest.approx(0.05)
    change = abs(one.gap.mean - one.taken.mean) - abs(one.gap.mean) + one.rest.mean
    assert change == pytest.approx(0.2 / 2 - 0.4)  # of ECE


def test_a_shift_needs_confidences_and_of_one_network_it_has_no_interval():
    table = confident(baseline=[SURE], mixup=[LESS])
    assert shifts(table)["mixup"].taken.n == 1
    assert shifts(table)["mixup"].taken.half_width == np.inf
    assert shifts(table.assign(images=[{}, {}])) == {}
    assert shifts(table.assign(gap=np.nan)) == {}  # a record of accuracies only
    same = confident(baseline=[SURE, SURE], early_stopping=[SURE, SURE], mixup=[LESS, LESS])
    assert [*shifts(same)] == ["mixup"], "nothing is taken off: no share of it"


def test_the_best_dose_is_that_with_the_lowest_mean_over_seeds_and_the_baseline_has_none():
    rows = [("baseline", math.nan, 0, 9.0), ("mixup", 0.2, 0, 1.0), ("mixup", 0.2, 1, 4.0)]
    rows += [("mixup", 1.0, 0, 2.0), ("mixup", 1.0, 1, 2.5), ("focal", 2.0, 0, 3.0)]
    doses = pandas.DataFrame(rows, columns=["method", "dose", "seed", "NLL, fit"])
    doses.attrs = {"table": "a table"}
    found = at_best(doses)
    assert list(zip(found["method"], found["seed"], strict=True)) == [
        ("baseline", 0), ("mixup", 0), ("mixup", 1), ("focal", 0)
    ]  # fmt: skip
    assert list(found.loc[found["method"] == "mixup", "dose"]) == [1.0, 1.0]
    assert found.attrs == doses.attrs
