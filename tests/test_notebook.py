"""Helpers of the notebooks: values by method and seed, tables, sentences."""

import math

import pytest

from softlab import laws, notebook
from softlab.effects import Effect
from softlab.intervals import Interval, each, known
from softlab.notebook import table


def test_each_goes_through_the_same_entries_of_all():
    a = {"baseline": {0: 1, 1: 2}, "mixup": {0: 3}}
    b = {"baseline": {0: 10, 1: 20}, "mixup": {0: 30}}
    assert each(lambda x, y: x + y, a, b) == {"baseline": {0: 11, 1: 22}, "mixup": {0: 33}}


def test_known_leaves_out_what_has_no_value():
    values = {"baseline": {0: 1.0, 1: math.nan}, "mixup": {0: math.nan}, "cutmix": {0: 2.0, 1: math.inf}}
    assert known(values) == {"baseline": {0: 1.0}, "cutmix": {0: 2.0}}


def test_a_table_has_a_row_per_method_in_the_order_of_its_columns():
    shown = table({"n": {"baseline": 2, "label_smoothing": 1}, "more": {"label_smoothing": 7}})
    assert list(shown.index) == ["baseline", "label smoothing"]
    assert shown.loc["baseline", "more"] == ""


def test_a_sentence_has_a_dash_for_a_method_that_was_left_out(monkeypatch):
    said = []
    monkeypatch.setattr(notebook, "say", said.append)
    notebook.tell("", holds=False, otherwise="{mixup:+} and {cutmix:.1f}", mixup=2)
    assert said == ["+2 and –"]
    with pytest.raises(KeyError):
        notebook.tell("", holds=False, otherwise="{no_method}")


def test_a_law_is_told_with_its_contrast_once_there_is_one(monkeypatch):
    said = []
    monkeypatch.setattr(notebook, "say", said.append)
    monkeypatch.setattr(laws, "judged", dict)
    notebook.declared("gap")
    assert said == []
    effect = Effect("gap", Interval(-0.1, -0.12, -0.08, 5), "seeds", ())
    monkeypatch.setattr(laws, "judged", lambda: {"gap": (effect, True, 0.001)})
    notebook.declared("gap")
    assert "-10.0 ± 2.0 (fashion-heldout, p = 0.001" in said[0]
    assert said[0].endswith(" as declared.")
    monkeypatch.setattr(laws, "judged", lambda: {"gap": (effect, True, 0.2)})
    notebook.declared("gap")
    assert said[1].endswith("not as declared.")
