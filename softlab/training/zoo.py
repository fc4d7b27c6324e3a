"""Packaged trained networks, for readers who want to look before they train: SOFTLAB_ZOO=1, or a folder.

A zoo is a store whose weights have half precision and which holds no snapshots. Nothing is taken from it unless asked
for, except the few networks that a chapter looks into (networks.specimens). A network counts as the one asked for
whatever its precision and threads, if images and versions of the code are the same: its folder has the run id of the
experiment without these (`asked`).
"""

import os
from pathlib import Path

from softlab.errors import SoftlabError
from softlab.provenance import ASSETS, check_assets
from softlab.training.experiment import Experiment

OWN = ASSETS / "zoo"  # networks of the quick profile


def asked(experiment: Experiment) -> Experiment:
    """The experiment without the fields that may differ in a zoo."""
    plain = Experiment()
    aside = {name: getattr(plain, name) for name in ("precision", "threads", "compiled", "snapshot_epochs")}
    return experiment.replace(**aside)


def folder() -> Path | None:
    """The zoo in use: SOFTLAB_ZOO names it (1: softlab's own); None where it is not set, or 0."""
    name = os.environ.get("SOFTLAB_ZOO", "0")
    if name in ("", "0"):
        return None
    if name == "1":
        check_assets()
    place = OWN if name == "1" else Path(name).expanduser()
    if not place.is_dir():
        raise SoftlabError(f"SOFTLAB_ZOO is 1, 0, or a folder of networks: {name!r} is no folder")
    return place


def find(name: str, place: Path | None = None) -> Path | None:
    """The folder of a network in a zoo (None: the one in use), or None. name: the run id of its `asked` experiment."""
    place = place or folder()
    return place / name if place and (place / name).is_dir() else None
