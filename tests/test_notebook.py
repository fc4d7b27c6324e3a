"""Helpers of the notebooks: values by method and seed, tables, sentences."""

import math

from softlab.evidence import means
from softlab.intervals import each, known
from softlab.notebook import as_text, table


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


def test_intervals_as_text_in_other_units():
    assert as_text(means({"mixup": [0.1, 0.1]}), 100) == {"mixup": "10.0 ± 0.0"}
