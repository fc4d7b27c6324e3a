"""What a notebook leaves beside itself: its numbers, and the networks that they come from, as JSON.

results.save("cones", settings, numbers)   # the last cell of a chapter
results.read(path)["measurements"]            # rows of quantity, method, seed and value
"""

import json
import math
import os
import time
from collections.abc import Mapping
from pathlib import Path

import pandas

from softbook.studies.catalogue import chapters
from softbook.studies.records import networks
from softlab.comparison.effects import by_method
from softlab.comparison.intervals import Values
from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import Profile
from softlab.provenance import environment
from softlab.training.loop import choose_device
from softlab.training.runs import dataset_of

SCHEMA = 4  # of the file


def save(
    chapter: str, settings: Profile, table: pandas.DataFrame | None = None, numbers: Mapping[str, Values] | None = None
) -> Path:
    """Write what a notebook found (results.schema.json) to where `results_path` says; returns the path.

    table: of records.study_table, one network of each method and seed: all its quantities.  numbers: others, by name,
    {method: {seed: value}}.
    """
    found = {} if table is None else {name: by_method(table, name) for name in QUANTITIES}
    measurements = [
        {"quantity": name, "method": method, "seed": int(seed), "value": float(value) if math.isfinite(value) else None}
        for name, values in {**found, **(numbers or {})}.items()
        for method, by_seed in values.items()
        for seed, value in by_seed.items()
    ]
    record = {"schema": SCHEMA, "chapter": chapter, "profile": settings.name, "standing": settings.standing}
    record |= {"seeds": list(settings.seeds), "data": settings.experiment.data.partition(":")[0]}
    record |= {"data_digest": dataset_of(settings.experiment).digest, "date": time.strftime("%Y-%m-%d")}
    record |= {**environment(choose_device().type), "measurements": measurements}
    studies = chapters(settings).get(chapter, ["core"])
    path = results_path(chapter)
    write_json(path, record | {"runs": [row for study in studies for row in networks(settings, study)]})
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
