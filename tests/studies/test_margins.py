"""Margin over slope on record: estimates from one gradient, and changes of both."""

import math

import pandas
import pytest

from softbook.studies import margins, records
from softlab.comparison.intervals import jackknife
from softlab.errors import SoftlabError


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


def test_every_estimate_is_a_mean_over_seeds_in_percent():
    units = margins.every_estimate()
    assert set(units["radius"]) == set(margins.RECORDED_RADII)
    own = units.query("study == 'core' and profile == 'cifar10-papers' and radius == '1/255' and method == 'cutmix'")
    rows = records.by_profile("core")["cifar10-papers"].query("method == 'cutmix'")
    assert own["estimate"].item() == pytest.approx(100 * rows["estimate, 1/255"].mean())
    assert own["attacked"].item() == pytest.approx(100 * rows["robust, 1/255"].mean())


def test_kept_images_stand_by_ratio_as_means_over_seeds_in_percent():
    rows = {"method": ["baseline", "baseline"], "constant class, ratio 0.04": [0.8, 0.6]}
    table = pandas.DataFrame(rows | {"constant class, ratio 0.01": [1.0, 0.9]})
    assert margins.kept_by_ratio(table) == {"baseline": {0.01: pytest.approx(95), 0.04: pytest.approx(70)}}
