"""Contrasts by hand, on a small record: which rows they take, what is made of several, and what is refused."""

import math

import numpy as np
import pandas
import pytest

from softbook.statements import values
from softbook.statements.values import value_of
from softlab.errors import SoftlabError


def table(effects, quantity="accuracy", seeds=4, **columns):
    """Rows whose methods exceed plain training, at .8, by these shares; seeds differ by 0, ±.01."""
    rows = []
    for method, effect in {"baseline": 0.0, **effects}.items():
        for seed in range(seeds):
            jitter = 0.01 * ((seed % 3) - 1) * (method != "baseline")
            row = {"id": f"{method}-{seed}", "method": method, "seed": seed, quantity: 0.8 + effect + jitter}
            rows.append({**row, **columns, "images": {}})
    return pandas.DataFrame(rows)


@pytest.fixture
def recorded(put_on_record):
    """A record of two settings: CutMix gains 2 points at A and 5 at B, Mixup loses 1 at both."""
    known = {
        "core": {
            "quick-confirm": table({"cutmix": 0.02, "mixup": -0.01, "label_smoothing": 0.0, "maxsup": 0.001}),
            "fashion-heldout": table({"cutmix": 0.05, "mixup": -0.01}),
        },
        "dose": {"quick-confirm": pandas.concat([table({"a": 0.1}, alpha=0.0), table({"a": 0.3}, alpha=0.1)])},
    }
    put_on_record(known)
    return known


def test_a_method_less_plain_training_in_points(recorded):
    found = value_of({"of": "accuracy", "method": "cutmix", "at": "A"})
    assert found.mean == pytest.approx(100 * (0.02 + np.mean([-0.01, 0, 0.01, -0.01])))
    assert found.n == 4
    assert value_of({"of": "accuracy", "method": "cutmix", "less": "mixup"}).mean == pytest.approx(3.0)
    assert value_of({"of": "accuracy", "method": "baseline", "less": "nothing"}).mean == pytest.approx(80.0)


def test_several_settings_and_methods_make_as_many_contrasts(recorded):
    spec = {"of": "accuracy", "method": ["cutmix", "mixup"], "at": "AB"}
    assert len(values.contrasts(spec)) == 4
    assert value_of({**spec, "take": "largest"}).mean == pytest.approx(4.75)
    assert value_of({**spec, "take": "smallest"}).mean == pytest.approx(-1.25)
    assert value_of({**spec, "take": "spread"}).mean == pytest.approx(6.0)
    assert value_of({**spec, "count": "rises"}).mean == 2
    assert value_of({**spec, "count": "rises"}).n == 4
    with pytest.raises(SoftlabError, match="4 contrasts, and no word of which to take"):
        value_of(spec)


def test_a_count_is_no_number_where_the_rest_is_not_as_expected(recorded):
    spec = {"of": "accuracy", "method": ["cutmix", "mixup"], "at": "AB", "count": "above 2"}
    assert value_of({**spec, "others": "below 4"}).mean == 1
    assert math.isnan(value_of({**spec, "others": "rises"}).mean)


def test_any_of_takes_what_its_parts_say(recorded):
    parts = [{"method": "cutmix"}, {"method": "mixup", "times": -1}]
    assert value_of({"of": "accuracy", "any_of": parts, "take": "smallest"}).mean == pytest.approx(1.25)
    inner = [{"method": "cutmix"}, {"method": ["cutmix", "mixup"], "take": "smallest"}]
    assert value_of({"of": "accuracy", "any_of": inner, "take": "smallest"}).mean == pytest.approx(-1.25)


def test_a_partner_may_stand_at_another_point(recorded):
    spec = {"study": "dose", "of": "accuracy", "method": "a", "where": {"alpha": 0.1}}
    assert value_of(spec | {"less": "a", "with": {"where": {"alpha": 0.0}}}).mean == pytest.approx(20.0)
    assert len(values.contrasts({"study": "dose", "of": "accuracy", "method": "a", "each": "alpha"})) == 2


def test_what_is_made_of_a_value(recorded):
    spec = {"of": "accuracy", "method": "cutmix", "at": "A"}
    assert value_of({**spec, "times": -2}).mean == pytest.approx(-3.5)
    assert value_of({**spec, "over": {**spec, "at": "B"}}).mean == pytest.approx(1.75 / 4.75)
    assert value_of({**spec, "round": "up"}).mean == 2
    assert value_of({**spec, "round": "down", "digits": 1}).mean == pytest.approx(1.7)
    value = value_of(spec)
    assert value_of({**spec, "take": "highest end", "round": "up"}).mean == math.ceil(value.high)
    assert value_of({**spec, "as": "factor"}).mean == pytest.approx(math.exp(1.75))


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ({"of": "accurracy", "method": "cutmix"}, "accuracy"),
        ({"of": "accuracy", "method": "cutmix", "take": "biggest"}, "way to take"),
        ({"statistic": "pendin"}, "pending"),
    ],
)
def test_unknown_names_are_refused_with_the_nearest(recorded, spec, match):
    with pytest.raises(SoftlabError, match=match):
        value_of(spec)
