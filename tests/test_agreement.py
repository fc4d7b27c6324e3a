"""Recorded numbers are those of the editions that they replace: same networks, measured in another way.

Weights are rounded to half precision before they are measured now, hence 1e-3.
"""

import json
from pathlib import Path

import pytest

from softlab import records

EDITIONS = Path(__file__).parent.parent / "editions"
PAIRS = {"quick-fresh": "quick-fresh-seeds", "fashion-small": "fashion-mnist-resnet8"}
LEFT_OUT = ("robust", "corrupted")  # attacks draw other starts; corruptions are averaged by kind first
JUMPS = 3  # times as far may be what moves by leaps, with each image that changes its bin, or its side


def of_edition(name):
    found = {}
    for path in sorted((EDITIONS / name / "networks").glob("core-*.json")):
        record = json.loads(path.read_bytes())
        found[record["experiment"]["method"], record["experiment"]["seed"]] = record["numbers"]
    return found


def differences(table, older):
    """(quantity, absolute difference) of all numbers that both have."""
    for row in table.to_dict("records"):
        for quantity, value in older.get((row["method"], row["seed"]), {}).items():
            if quantity in row and value is not None and not quantity.startswith(LEFT_OUT):
                yield quantity, abs(row[quantity] - value), value


def allowed(quantity):
    return 1e-3 * (JUMPS if quantity.startswith(("ECE", "settled share")) else 1)


@pytest.mark.parametrize("profile", PAIRS)
def test_recorded_numbers_are_those_of_the_edition(profile):
    found = list(differences(records.scales()[profile], of_edition(PAIRS[profile])))
    assert len(found) >= 5 * 25
    wrong = {(name, value): far for name, far, value in found if far > allowed(name) * max(1, abs(value))}
    assert not wrong
