"""Trained networks that come along, for those who want to look before they train: SOFTLAB_ZOO=1, or a folder.

A zoo is a store whose weights have half precision and which holds no snapshots. Nothing is taken from it unless it is
asked for. A network counts as the one asked for whatever precision and threads it was trained with, if images and
code are the same.
"""

import functools
import json
import os
from pathlib import Path

from softlab.errors import SoftlabError
from softlab.experiment import Experiment
from softlab.provenance import PACKAGE

OWN = PACKAGE / "zoo"  # networks of the quick profile
ASIDE = ("precision", "threads", "compiled", "snapshot_epochs")  # fields that may differ


def folder() -> Path | None:
    """The zoo in use: SOFTLAB_ZOO names it (1: the package's own); None where it is not set, or 0."""
    name = os.environ.get("SOFTLAB_ZOO", "0")
    if name in ("", "0"):
        return None
    place = OWN if name == "1" else Path(name).expanduser()
    if not place.is_dir():
        raise SoftlabError(f"SOFTLAB_ZOO is 1, 0, or a folder of networks: {name!r} is no folder")
    return place


def find(experiment: Experiment, data_digest: str, code_digest: str) -> Path | None:
    """The folder of this experiment's network in the zoo in use, or None. Digests: of images, and of what trains."""
    place = folder()
    if place is None:
        return None
    return _index(place).get(_key(experiment.as_dict(), data_digest, code_digest))


@functools.cache
def _index(place: Path) -> dict[str, Path]:
    found = {}
    for run in sorted(place.glob("*-seed*")):
        try:
            fields, record = (json.loads((run / f"{part}.json").read_bytes()) for part in ("experiment", "provenance"))
            found[_key(fields, record["data_digest"], record["code"])] = run
        except (OSError, ValueError, KeyError, TypeError):
            raise SoftlabError(f"{run} is no network of a zoo") from None
    return found


def _key(fields: dict, data_digest: str, code_digest: str) -> str:
    kept = {name: value for name, value in fields.items() if name not in ASIDE}
    return json.dumps([kept, data_digest, code_digest], sort_keys=True)
