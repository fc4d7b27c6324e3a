"""Packaged trained networks, for readers who want to look before they train: SOFTLAB_ZOO=1, a folder, or fit(zoo=True).

A zoo is a store whose weights have half precision and which holds no snapshots. Nothing is taken from it unless it is
asked for. A network counts as the one asked for whatever precision and threads it was trained with, if images and
versions of the code are the same: its folder has the run id of the experiment without these (`asked`).
"""

import os
from pathlib import Path

from softlab.errors import SoftlabError
from softlab.plugins import offered
from softlab.training.experiment import Experiment


def own() -> Path | None:
    """The zoo that another distribution offers (softlab.plugins); None where there is none."""
    return offered("zoo")


def asked(experiment: Experiment) -> Experiment:
    """The experiment without the fields that may differ in a zoo."""
    plain = Experiment()
    aside = {name: getattr(plain, name) for name in ("precision", "threads", "compiled", "snapshot_epochs")}
    return experiment.replace(**aside)


def folder() -> Path | None:
    """The zoo in use: SOFTLAB_ZOO names it (1: the one that comes along); None where it is not set, or 0."""
    name = os.environ.get("SOFTLAB_ZOO", "0")
    if name in ("", "0"):
        return None
    place = own() if name == "1" else Path(name).expanduser()
    if place is None:
        raise SoftlabError("SOFTLAB_ZOO is 1, but no zoo is installed: it comes with the distribution softlab-book")
    if not place.is_dir():
        raise SoftlabError(f"SOFTLAB_ZOO is 1, 0, or a folder of networks: {name!r} is no folder")
    return place


def find(name: str, place: Path | None = None) -> Path | None:
    """The folder of a network in a zoo (None: the one in use), or None. name: the run id of its `asked` experiment."""
    place = place or folder()
    return place / name if place and (place / name).is_dir() else None
