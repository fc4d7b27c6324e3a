"""Intervals and p values by hand, against scipy and statsmodels, and by simulation."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from softlab import SoftlabError
from softlab.comparison.intervals import (
    OPEN,
    Interval,
    between,
    holm,
    means,
    paired_interval,
    t_interval,
    two_way_interval,
)

SEEDS = [3, 5, 10]
ONE = Interval(0.4, -math.inf, math.inf, 1)


def draws(n, mean=0.0):
    return np.random.default_rng(n).normal(mean, size=(4000, n))


def test_an_interval_by_hand():
    found = t_interval([1.0, 3.0])  # standard error 1; Student's t with one degree of freedom is Cauchy's distribution
    assert (found.mean, found.n) == (2, 2)
    assert found.half_width == found.mean - found.low == pytest.approx(math.tan(0.475 * math.pi))
    assert found.p_value(1) == pytest.approx(0.5)
    assert found.p_value() == found.p_value(4) == pytest.approx(1 - 2 * math.atan(2) / math.pi)


@pytest.mark.parametrize("n", [2, *SEEDS])
def test_intervals_and_p_values_are_those_of_scipy(n):
    values, other = 10 * draws(n, 0.3)[:2]
    found = t_interval(values)
    peer = stats.ttest_1samp(values, 0).confidence_interval()
    assert (found.low, found.mean, found.high) == pytest.approx((peer.low, values.mean(), peer.high))
    for null in (0, 3, -10, found.low, found.mean):
        assert found.p_value(null) == pytest.approx(stats.ttest_1samp(values, null).pvalue)
    pair = values + other, values - 1  # what they share cancels
    found = paired_interval(*pair)
    peer = stats.ttest_rel(*pair)
    assert (found.low, found.high) == pytest.approx(tuple(peer.confidence_interval()))
    assert found.p_value() == pytest.approx(peer.pvalue)


@pytest.mark.parametrize("n", SEEDS)
def test_intervals_cover_as_often_as_they_say(n):
    found = [t_interval(values) for values in draws(n, 2.0)]
    assert 0.94 < np.mean([one.low <= 2 <= one.high for one in found]) < 0.96
    assert 0.04 < np.mean([one.p_value(2) < 0.05 for one in found]) < 0.06


def test_one_seed_tests_nothing_and_seeds_without_spread_everything():
    assert t_interval([0.4]) == ONE
    assert (ONE.half_width, ONE.side()) == (math.inf, 0)
    assert np.isnan([ONE.p_value(), ONE.p_value(0.4)]).all()
    same = t_interval([0.5, 0.5, 0.5])
    assert (same.half_width, same.side()) == (0, 1)
    assert (same.p_value(), same.p_value(0.5)) == (0, 1)


def test_sides_units_and_words():
    sides = [Interval(1, *ends, 5).side() for ends in ((0.1, 2), (0, 2), (-1, 2), (-2, 0), (-2, -0.1))]
    assert sides == [1, 0, 0, 0, -1]
    found = Interval(0.0213, 0.0113, 0.0313, 5)
    percent = found.scaled(100)
    assert percent == Interval(100 * 0.0213, 100 * 0.0113, 100 * 0.0313, 5)
    assert found.scaled(-1) == Interval(-0.0213, -0.0313, -0.0113, 5)
    assert percent.p_value() == pytest.approx(found.p_value())
    assert (percent.text(sign=True), found.text(3), ONE.text(2)) == ("+2.1 ± 1.0", "0.021 ± 0.010", "0.40")
    assert [Interval(-0.001, -0.1, 0.098, 5).text(2, sign) for sign in (False, True)] == ["0.00 ± 0.10", "+0.00 ± 0.10"]


def test_means_by_method_and_misuse():
    found = means({"baseline": [1.0, 3.0], "mixup": {4: 1.0, 2: 3.0}, "cutmix": {7: 0.4}})
    assert found == {"baseline": t_interval([1, 3]), "mixup": t_interval([1, 3]), "cutmix": ONE}
    for wrong in ([], [1.0, math.nan], [math.inf, 1.0], [[1.0, 2.0]]):
        with pytest.raises(SoftlabError, match="one finite value per seed"):
            t_interval(wrong)
    with pytest.raises(SoftlabError, match="same seeds, not 1 and 2"):
        paired_interval([1.0], [1.0, 2.0])


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # .04 itself, but no less than 2 · .03
    assert holm([0.02, 0.02, 0.02]) == pytest.approx([0.06, 0.06, 0.06])
    assert (holm([0.5, 0.9, 0.001]), holm([0.03]), holm([])) == ([1, 1, 0.003], [0.03], [])
    assert holm([0.03, math.nan, 0.02]) == pytest.approx([0.04, math.nan, 0.04], nan_ok=True)  # a family of two
    assert math.isnan(holm([math.nan])[0])


def test_holm_is_that_of_statsmodels(monkeypatch):
    monkeypatch.setattr("gc.collect", lambda: 0)  # multipletests calls it every time: a quarter of a second
    random = np.random.default_rng(0)
    for number in random.integers(1, 30, size=200):
        p_values = random.random(number) ** random.integers(1, 5)
        p_values = np.ceil(p_values * 8) / 8 if number % 2 else p_values  # ties
        tested = random.permutation(number) <= random.integers(number)
        found = np.array(holm(np.where(tested, p_values, math.nan)))
        assert found[tested] == pytest.approx(multipletests(p_values[tested], method="holm")[1])
        assert np.isnan(found[~tested]).all()


def test_seeds_and_images_by_hand():
    """Two seeds, three images: mean squares 6 of seeds, 13/6 of images, 1/2 of the rest; 23/3 together."""
    one = two_way_interval([[1, 2, 4], [4, 4, 5]])
    seeds = 6.0
    images = 13 / 6
    rest = 0.5
    assert (one.mean, one.n) == (pytest.approx(10 / 3), 2)
    degrees = (23 / 3) ** 2 / (seeds**2 / 1 + images**2 / 2 + rest**2 / 2)
    assert one.degrees == pytest.approx(degrees)
    assert one.half_width == pytest.approx(stats.t.ppf(0.975, degrees) * math.sqrt(23 / 3 / 6))
    assert one.p_value(one.low) == pytest.approx(0.05)
    assert one.scaled(100).p_value() == pytest.approx(one.p_value())
    assert two_way_interval(np.ones((3, 4))).half_width == 0
    for wrong in ([[1.0, 2.0]], [[1.0], [2.0]], [1.0, 2.0], [[1.0, math.nan], [1.0, 2.0]]):
        with pytest.raises(SoftlabError, match="over seeds and images"):
            two_way_interval(wrong)


@pytest.mark.parametrize("spreads", [(1, 1, 1), (0.02, 0.3, 1), (0, 0, 1), (0.05, 0, 1), (0, 1, 1), (0.3, 0.1, 1)])
def test_an_interval_over_seeds_and_images_covers_what_it_says(spreads):
    """Standard deviations of seeds, images and the rest; never below 93 %, which few seeds alone would be."""
    draw = np.random.default_rng(1)
    hits = 0
    times = 600
    for _ in range(times):
        shapes = ((5, 1), (1, 200), (5, 200))
        one = two_way_interval(sum(s * draw.normal(size=shape) for s, shape in zip(spreads, shapes, strict=True)))
        hits += one.low <= 0 <= one.high
    assert 0.925 <= hits / times <= 0.99


def test_what_no_seed_has_is_on_neither_side():
    assert between({"mixup": {0: 1.0}, "baseline": {1: 1.0}}, "mixup", "baseline") == OPEN
    assert between({"baseline": {1: 1.0}}, "mixup", "baseline").side() == 0
    assert OPEN.scaled(100).text(sign=True) == "–"
