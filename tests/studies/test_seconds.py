"""What methods cost in time: ratios by hand, and a record that may be missing."""

import pandas
import pytest

from softbook.studies import seconds
from softlab import regularizers


def test_ratios_are_taken_round_by_round():
    """2 : 1 and 8 : 2 are 3 ± 12.706 · 1 (two rounds), however slow a round is."""
    rows = [("plain", 0, 1.0), ("noise", 0, 2.0), ("plain", 1, 2.0), ("noise", 1, 8.0)]
    found = seconds.times_plain(pandas.DataFrame(rows, columns=["name", "round", "seconds"]), "noise")
    assert found.mean == 3
    assert found.half_width == pytest.approx(12.706, rel=1e-3)


def test_every_method_is_one_of_the_books():
    assert all(regularizers.get(name, **parameters) for name, parameters in seconds.METHODS.values())


def test_without_a_record_there_is_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(seconds.records, "RECORDS", tmp_path)
    assert seconds.recorded("quick-fp32").empty
