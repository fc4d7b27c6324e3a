"""Intervals against scipy and by hand, and the rules of verdicts."""

import json
import math

import numpy as np
import pytest
from scipy import stats

from softlab import SoftlabError
from softlab.evidence import Interval, Ledger, equivalence, exceedance, paired_interval, t_interval, verdict

ABOVE, BELOW, OPEN = Interval(2, 1, 3, 5), Interval(-2, -3, -1, 5), Interval(0.5, -1, 2, 5)


def test_t_interval_by_hand_and_against_scipy():
    assert t_interval([1.0, 3.0]).half_width == pytest.approx(12.7062, abs=1e-4)  # t(.975, 1) · √2/√2
    values = np.random.default_rng(0).normal(size=7)
    ours, peer = t_interval(values), stats.ttest_1samp(values, 0).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((peer.low, peer.high))


def test_a_paired_interval_removes_what_the_seeds_share():
    seeds = np.array([0.0, 10.0, 20.0, 30.0])
    moved = seeds + np.array([1.0, 1.1, 0.9, 1.0])
    apart = paired_interval(moved, seeds)
    assert apart.mean == pytest.approx(1)
    assert apart.half_width < 0.2
    peer = stats.ttest_rel(moved, seeds).confidence_interval()
    assert (apart.low, apart.high) == pytest.approx((peer.low, peer.high))


@pytest.mark.parametrize("n", [3, 5])
def test_intervals_cover_as_often_as_they_say(n):
    draws = np.random.default_rng(n).normal(size=(4000, n))
    covered = np.mean([t_interval(draw).low <= 0 <= t_interval(draw).high for draw in draws])
    assert 0.94 < covered < 0.96


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([ABOVE, ABOVE], "supported"),
        ([BELOW, BELOW], "contradicted"),
        ([ABOVE, BELOW], "mixed"),
        ([ABOVE, OPEN], "undecided"),
        ([OPEN, OPEN], "undecided"),
        ([OPEN, BELOW], "mixed"),
        ([ABOVE, Interval(1, -math.inf, math.inf, 1)], "no verdict"),
    ],
)
def test_the_rules_of_verdicts(intervals, expected):
    assert verdict(dict(enumerate(intervals))) == expected
    opposite = {"supported": "contradicted", "contradicted": "supported"}
    if OPEN not in intervals:
        assert verdict(dict(enumerate(intervals)), side=-1) == opposite.get(expected, expected)


def test_an_interval_that_touches_zero_decides_nothing():
    assert Interval(1, 0, 2, 5).side() == 0


def test_text_of_an_interval():
    assert Interval(0.0213, 0.0113, 0.0313, 5).scaled(100).text(sign=True) == "+2.1 ± 1.0"
    assert t_interval([0.5]).text(2) == "0.50"


def test_misuse_is_named():
    with pytest.raises(SoftlabError, match="one finite value per seed"):
        t_interval([])
    with pytest.raises(SoftlabError, match="one finite value per seed"):
        t_interval([1.0, float("nan")])
    with pytest.raises(SoftlabError, match="same seeds"):
        paired_interval([1.0], [1.0, 2.0])
    with pytest.raises(SoftlabError, match="at least one interval"):
        verdict({})


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([Interval(0, -0.5, 0.5, 5), Interval(0.2, -0.1, 0.9, 5)], "supported"),
        ([Interval(2, 1.5, 3, 5), Interval(-2, -3, -1.5, 5)], "contradicted"),
        ([Interval(0, -0.5, 0.5, 5), Interval(1, 0.5, 1.5, 5)], "undecided"),
        ([Interval(0, -0.5, 0.5, 5), Interval(2, 1.5, 3, 5)], "mixed"),
        ([Interval(0, -math.inf, math.inf, 1)], "no verdict"),
    ],
)
def test_the_rules_of_equivalence(intervals, expected):
    assert equivalence(dict(enumerate(intervals)), margin=1) == expected


@pytest.mark.parametrize(
    ("intervals", "expected"),
    [
        ([Interval(2, 1.1, 3, 5)], "supported"),
        ([Interval(0, -0.5, 0.5, 5), Interval(-3, -4, -2, 5)], "contradicted"),
        ([Interval(2, 1.1, 3, 5), Interval(1, 0.5, 1.5, 5)], "undecided"),
        ([Interval(2, 1.1, 3, 5), Interval(0, -0.5, 0.5, 5)], "mixed"),
        ([Interval(2, -math.inf, math.inf, 1)], "no verdict"),
    ],
)
def test_the_rules_of_an_effect_beyond_a_margin(intervals, expected):
    assert exceedance(dict(enumerate(intervals)), margin=1) == expected


def test_a_ledger_compares_with_a_number_too():
    values = {"baseline": {0: 0.29, 1: 0.30, 2: 0.31}, "mixup": {0: 0.39, 1: 0.40, 2: 0.41}}
    judged = Ledger("a_chapter", "smoke").judge("is-large", values, against=0.0, beyond=0.2)
    assert judged.verdict == "supported"
    assert {name: round(one.mean, 9) for name, one in judged.intervals.items()} == {"baseline": 0.3, "mixup": 0.4}
    assert Ledger("a_chapter", "smoke").judge("is-large", values, against=0.3, margin=0.05).verdict == "mixed"


def test_a_ledger_judges_pairs_by_common_seeds_and_writes_what_it_saw(tmp_path):
    ledger = Ledger("a_chapter", "smoke")
    values = {
        "baseline": {0: 1.0, 1: 2.0, 2: 5.0},
        "mixup": {0: 2.0, 1: 3.01},
        "maxsup": {0: 0.0, 1: 1.01},
    }
    both = ledger.judge("rises", values)
    assert both.verdict == "mixed"
    assert both.intervals["mixup"].n == 2
    assert ledger.judge("rises", values, methods=["mixup"]).verdict == "supported"
    assert set(ledger.judge("rises", values, methods=["mixup"]).intervals) == {"mixup", "maxsup"}
    own = {"baseline": {0: 3.0, 1: 4.01, 2: 7.0}}
    assert ledger.judge("grows", own, against={"baseline": values["baseline"]}).verdict == "supported"
    ledger.judge("alone", {"baseline": {0: 1.0}, "mixup": {0: 2.0}})
    path = ledger.save(tmp_path / "results.json")
    found = json.loads(path.read_text())
    assert (found["schema"], found["chapter"], found["profile"]) == (1, "a_chapter", "smoke")
    assert found["verdicts"][0]["differences"]["mixup"]["n"] == 2
    assert found["verdicts"][-1]["verdict"] == "no verdict"
    assert found["verdicts"][-1]["differences"]["mixup"]["low"] is None
    first = {"claim": "rises", "method": "baseline", "seed": 0, "value": 1.0, "variant": ""}
    assert found["evidence"][0] == first
    with pytest.raises(SoftlabError, match="there is no baseline among them"):
        ledger.judge("rises", {"mixup": {0: 1.0}})
