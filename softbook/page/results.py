"""What a notebook leaves beside itself: its numbers, and the networks that they come from, as JSON.

results.save("cones", lab, yours)             # the last cell of a chapter; yours: of softlab.compare
results.read(path)["measurements"]            # rows of quantity, method, seed and value
"""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas

from softlab.comparison.effects import by_method
from softlab.comparison.intervals import Values
from softlab.comparison.side_by_side import RunComparison
from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import Profile
from softlab.provenance import environment
from softlab.training.loop import choose_device
from softlab.training.runs import dataset_of

SCHEMA = 4  # of the file


def save(
    chapter: str,
    settings: Profile,
    found: pandas.DataFrame | RunComparison | None = None,
    numbers: Mapping[str, Values] | None = None,
) -> Path:
    """Write what a notebook found (results.schema.json) to where `results_path` says; returns the path.

    found: of softlab.compare, networks by the names that they have there, with the quantities compared; or of a report
    card, one network of each method and seed, with all quantities.
    numbers: others, by name, {method: {seed: value}}.
    """
    runs: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    if found is not None:
        compared = isinstance(found, RunComparison)
        table: Any = found.networks.assign(method=found.networks["name"]) if compared else found
        own = table.assign(study="yours", run=table["id"])
        runs = own[["study", "method", "seed", "run", "torch", "device"]].to_dict("records")
        values = {name: by_method(table, name) for name in (found.means if compared else QUANTITIES)}
    measurements = [
        {"quantity": name, "method": method, "seed": int(seed), "value": float(value) if math.isfinite(value) else None}
        for name, by_name in {**values, **(numbers or {})}.items()
        for method, by_seed in by_name.items()
        for seed, value in by_seed.items()
    ]
    record = {"schema": SCHEMA, "chapter": chapter, "profile": settings.name, "standing": settings.standing}
    record |= {"seeds": list(settings.seeds), "data": settings.experiment.data.partition(":")[0]}
    record |= {"data_digest": dataset_of(settings.experiment).digest, "date": time.strftime("%Y-%m-%d")}
    record |= {**environment(choose_device().type), "measurements": measurements}
    path = results_path(chapter)
    write_json(path, record | {"runs": runs})
    return path


def results_path(notebook: str) -> Path:
    """Where a notebook leaves its results: SOFTLAB_RESULTS, else beside what papermill writes, else in this folder.

    Papermill tells a notebook its output with --inject-output-path.
    """
    from IPython import get_ipython

    if os.environ.get("SOFTLAB_RESULTS"):
        return Path(os.environ["SOFTLAB_RESULTS"])
    output = getattr(get_ipython(), "user_ns", {}).get("PAPERMILL_OUTPUT_PATH")
    return Path(output).with_suffix(".results.json") if output else Path(f"{notebook}.results.json")


def read(path: Path) -> dict:
    """Read a results file.  Raises SoftlabError for a file that is not one, or has another schema."""
    try:
        record = json.loads(path.read_bytes())
    except (OSError, ValueError):
        record = None
    if not isinstance(record, dict) or record.get("schema") != SCHEMA:
        raise SoftlabError(f"{path} is no results file of schema {SCHEMA}")
    return record
