"""A number beside those on record: where it lies, in words and on a strip."""

import pandas
import pytest

from softbook import beside as offers
from softbook.beside import Setting
from softlab.inspector import context, pages
from softlab.inspector.context import Strip, beside
from softlab.numbers.quantities import QUANTITIES


def of(**columns):
    """A table of ten networks, five plain and five with label smoothing; what is not given is not there."""
    table = pandas.DataFrame({"method": ["baseline", "label_smoothing"] * 5})
    return table.assign(**{name: float("nan") for name in QUANTITIES} | columns)


TEN = [0.50, 0.51, 0.52, 0.53, 0.54, 0.55, 0.56, 0.57, 0.58, 0.59]


@pytest.fixture
def on_record(monkeypatch):
    found = [
        Setting("grey", 10, 1, of(accuracy=[0.8] * 10, **{"mean confidence": TEN})),
        Setting("colour, better", 10, 3, of(accuracy=[0.9] * 10, **{"mean confidence": TEN})),
        Setting("colour", 10, 3, of(accuracy=[0.7] * 10, gap=TEN)),
        Setting("hundred", 100, 3, of(accuracy=[0.6] * 10)),
    ]
    monkeypatch.setattr(offers, "_settings", lambda: found)


@pytest.mark.parametrize(
    ("classes", "channels", "accuracy", "setting"),
    [
        (10, 1, 0.1, "grey"),
        (10, 3, 0.86, "colour, better"),
        (10, 3, 0.74, "colour"),
        (10, None, 0.81, "grey"),
        (2, 3, 0.99, "colour, better"),
        (1000, 1, 0.8, "hundred"),
    ],
)
def test_the_nearest_setting_is_that_of_classes_then_channels_then_accuracy(
    classes, channels, accuracy, setting, on_record
):
    assert beside({"accuracy": accuracy}, classes, channels).setting == setting


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.40, "less sure than all 10"),
        (0.505, "less sure than 9 of 10"),
        (0.585, "surer than 9 of 10"),
        (0.70, "surer than all 10"),
        (0.545, "in their middle as to mean confidence"),
    ],
)
def test_where_a_number_lies_is_said_in_words(value, words, on_record):
    found = beside({"accuracy": 0.8, "mean confidence": value}, 10, 1)
    assert found.strips["mean confidence"].words == words
    assert f"10 networks on record at the nearest setting (grey) it is {words}. These are marks" in found.sentence()


def test_marks_are_means_in_the_units_of_the_book(on_record):
    strip = beside({"accuracy": 0.8, "mean confidence": 0.6}, 10, 1).strips["mean confidence"]
    assert strip.marks == pytest.approx({"baseline": 54, "label_smoothing": 55})
    assert (strip.text, strip.range) == ("60.0", "50.0 to 59.0")
    assert strip.across(50) == pytest.approx(3)
    assert strip.across(60) == pytest.approx(97)
    assert Strip("x", 1.0, (1.0,), {}, "", 1).across(1.0) == 50


def test_what_either_does_not_have_has_no_strip(on_record):
    found = beside({"accuracy": 0.7, "mean confidence": 0.6, "gap": float("nan")}, 10, 3)
    assert list(found.strips) == ["accuracy"]
    assert "it is right less often than all 10. These" in beside({"accuracy": 0.6}, 10, 3).sentence()


def test_where_nobody_offers_records_there_is_no_context(monkeypatch):
    monkeypatch.setattr(context, "offered", lambda name: None)
    assert beside({"accuracy": 0.7}, 10) is None


def test_on_a_page_each_number_has_its_strip_and_a_name_for_who_does_not_see_it(on_record):
    text = pages.to_html([beside({"accuracy": 0.8, "mean confidence": 0.6}, 10, 1)])
    assert text.count('role="img"') == 2
    assert 'aria-label="mean confidence (%): 60.0, surer than all 10"' in text
    assert text.count("var(--label_smoothing)") == 1 + 2
    assert "http" not in text


def test_every_quantity_that_is_shown_is_one():
    assert set(offers.WORDS) <= set(QUANTITIES)
    assert set(context.SAID) <= set(offers.WORDS)
    assert {one.classes for one in offers._settings()} == {10, 100}
