"""What the record_*.py have in common: code that is committed, where a row comes from, the file that it is added to."""

import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from softbook.studies.records import RECORDS
from softbook.studies.tables import json_rows
from softlab import provenance
from softlab.batches import as_pixels
from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.numbers.stored import look_at
from softlab.training.models import Network
from softlab.training.runs import Run
from softlab.training.store import alone


def committed() -> str:
    """The commit that rows are of; ends the script, in one line, where the code is not committed."""
    try:
        return provenance.clean_commit()
    except SoftlabError as error:
        sys.exit(str(error))


def origin(commit: str) -> dict[str, str]:
    """What every row says of where it comes from."""
    return {"commit": commit, "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}


def add(path: Path, *rows: Mapping[str, Any]) -> None:
    """Add rows to softbook/records/WHAT/PROFILE.json; another process that adds to it is waited for."""
    with alone(RECORDS, f"{path.parent.name}.{path.stem}", "records"):
        write_json(path, [*json_rows(path), *rows])


def attacked(run: Run, evaluation: Mapping[str, Any], images: int | None = None) -> tuple[Network, Tensor, Tensor]:
    """A network as it is measured, and what the ladder meets: images (N, C, H, W) in 0 to 1 with labels (N,).

    images: the first so many of them (None: all).
    """
    look = look_at(run, evaluation)
    seen, labels = (part[: evaluation["attack_size"]][:images] for part in look.samples.test)
    return look.model, as_pixels(seen), labels
