"""Results files: what a notebook leaves, as its schema says."""

import json
import math
from pathlib import Path

import jsonschema
import pandas
import pytest

from softbook.cli import FOLDER
from softbook.page import results
from softlab import SoftlabError, load_profile

SCHEMA = json.loads((FOLDER / "page" / "results.schema.json").read_bytes())


def saved(**numbers):
    """What is left of a table of two networks, and of numbers besides."""
    rows = [{"method": "baseline", "seed": 0, "accuracy": 0.7}, {"method": "mixup", "seed": 3, "accuracy": math.nan}]
    table = pandas.DataFrame(rows).reindex(columns=["method", "seed", *results.QUANTITIES])
    table[["id", "torch", "device"]] = "baseline-seed0-0123456789ab", "2.9", "cpu"
    return results.save("soft_labels", load_profile("smoke"), table, numbers)


def test_a_file_holds_all_numbers_and_where_they_are_from(tmp_path, monkeypatch):
    path = saved(lead={"mixup": {3: 2, 5: math.inf}})
    assert path == tmp_path / "results.json"  # from the environment
    record = json.loads(path.read_bytes(), parse_constant=pytest.fail)
    jsonschema.validate(record, SCHEMA)
    assert (record["schema"], record["chapter"], record["profile"]) == (4, "soft_labels", "smoke")
    assert (record["standing"], record["seeds"], record["data"]) == ("exploratory", [0, 1], "fashion-mini")
    assert record["measurements"] == [
        {"quantity": "accuracy", "method": "baseline", "seed": 0, "value": 0.7},
        {"quantity": "lead", "method": "mixup", "seed": 3, "value": 2},
        {"quantity": "lead", "method": "mixup", "seed": 5, "value": None},
    ]
    assert results.read(path) == record
    monkeypatch.delenv("SOFTLAB_RESULTS")
    monkeypatch.chdir(tmp_path)
    assert saved() == Path("soft_labels.results.json")


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[1]", b"null", b'{"schema": 3}', b'{"schema": 5}'])
def test_what_is_no_results_file_is_refused(tmp_path, content):
    path = tmp_path / "some.results.json"
    path.write_bytes(content)
    with pytest.raises(SoftlabError, match=r"some\.results\.json is no results file of schema 4"):
        results.read(path)


@pytest.mark.parametrize(
    ("where", "value"),
    [
        (["schema"], 1),
        (["schema"], 3),
        (["seeds"], []),
        (["date"], "yesterday"),
        (["data_digest"], "abc"),
        (["measurements", 0, "value"], "0.5"),
        (["measurements", 0, "seed"], -1),
        (["verdicts"], []),
        (["more"], 1),
    ],
)
def test_other_content_is_not_as_the_schema_says(where, value):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    record = json.loads(saved().read_bytes())
    place = record
    for step in where[:-1]:
        place = place[step]
    place[where[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record, SCHEMA)
