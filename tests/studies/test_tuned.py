"""Two methods at their own best strengths, by hand on three seeds."""

import pandas
import pytest

from softbook.studies import records, tuned

FIT = {  # accuracy on images for fitting: MaxSup is best at .03, label smoothing at .1
    ("maxsup", 0.03): 0.8,
    ("maxsup", 0.1): 0.7,
    ("label_smoothing", 0.03): 0.6,
    ("label_smoothing", 0.1): 0.7,
}
RIGHT = {  # on test images, which do not choose
    ("maxsup", 0.03): [0.72, 0.74, 0.76],
    ("maxsup", 0.1): [0.9, 0.9, 0.9],
    ("label_smoothing", 0.03): [0.9, 0.9, 0.9],
    ("label_smoothing", 0.1): [0.71, 0.72, 0.73],
}


def networks(widths=(0.0,)):
    """RIGHT for seeds 0 to 2, plus something for each width."""
    rows = [
        {
            "method": method,
            "strength": strength,
            "seed": seed,
            "accuracy": right + more,
            "accuracy, fit": fit + 0.01 * seed,
        }
        for (method, strength), fit in FIT.items()
        for seed, right in enumerate(RIGHT[method, strength])
        for more in widths
    ]
    table = pandas.DataFrame(rows)
    table.attrs = records.by_profile("long_tail")["quick-fp32"].attrs
    return table


BOTH = ["maxsup", "label_smoothing"]


def best_lead(table):
    return tuned.lead(table, *BOTH, tuned.BEST, tuned.BEST)


def test_images_for_fitting_choose_and_test_images_judge():
    """1, 2 and 3 points ahead, seed by seed: 2 ± 4.303 / √3."""
    assert [tuned.best(networks(), name, BOTH) for name in BOTH] == [0.03, 0.1]
    assert best_lead(networks()).mean == pytest.approx(2)
    assert best_lead(networks()).half_width == pytest.approx(4.303 / 3**0.5, rel=1e-3)


def test_a_strength_may_be_named_on_either_side():
    """MaxSup at .1 less label smoothing at .03: .9 of both."""
    assert tuned.lead(networks(), *BOTH, 0.1, 0.03).mean == pytest.approx(0)


def test_a_seed_counts_once_however_many_widths_it_has():
    found = best_lead(networks(widths=(-0.1, 0.1)))
    assert found.n == 3
    assert found.mean == pytest.approx(2)


def test_seeds_that_a_strength_lacks_are_left_out():
    table = networks()
    fewer = table.loc[(table["seed"] > 0) | (table["strength"] == 0.1)]
    assert best_lead(fewer).n == 2


@pytest.mark.parametrize("method", BOTH)
@pytest.mark.parametrize("place", tuned.everywhere(*BOTH))
def test_every_place_has_several_strengths_of_both_losses(place, method):
    networks = tuned.networks_at(place)
    assert len(set(networks.loc[networks["method"] == method, "strength"])) > 1


def test_ten_networks_of_each_strength_and_part_are_on_record_with_the_same_seeds():
    methods = ["label_smoothing", "maxsup"]
    found = tuned.networks_at("long tail")
    listed = [(method, alpha) for method in methods for alpha in (0.01, 0.03, 0.1)]
    listed += [("baseline", 0.0), ("regularization_only", 0.1), ("amplification_only", 0.1)]
    for method, strength in listed:
        rows = found.loc[(found["method"] == method) & (found["strength"] == strength)]
        assert sorted(rows["seed"]) == [*range(3000, 3010)], (method, strength)
