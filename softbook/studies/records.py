"""Recorded tables of numbers, one row for each network. Reading trains nothing.

by_profile("core")["quick-confirm"]   # a DataFrame: what a chapter reads

Recorded rows are softbook/records/<study>/<profile>.csv, with outcomes by image in .npz beside it, and, where a study
says `along: true`, clean numbers at every snapshot in <study>/along/<profile>.csv; softbook.studies.recording writes
them. Rows are found by run id and evaluation digest, never by name: whatever changes a network, its images or what is
measured changes these. What is measured on request and has several rows a network is measures/<measure>/<profile>.csv.
"""

import functools
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from softbook.studies.asked import ASKED_QUANTITIES, KEYS
from softbook.studies.catalogue import Study, declared, study_profile
from softbook.studies.tables import RECORDS, read_about, read_measure, read_outcomes, read_rows, read_table, rows_of
from softlab.errors import SoftlabError
from softlab.numbers import stored, versions
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile
from softlab.training import runs, zoo
from softlab.training.experiment import Experiment

ALONG = "along"  # where snapshots of a study lie, in its folder
MEASURES = "measures"  # where tables of measures lie, beside the studies


def of_table(study: str, profile: str) -> dict:
    """What a recorded table's numbers are about, in words, and the command that remakes them: see intervals.Origin."""
    return {"table": f"study {study}, profile {profile}", "command": f"softbook verify {study} --profile {profile}"}


def recorded(experiment: Experiment, evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The recorded row of an experiment, as in by_profile; None if there is none.

    If precision is left to the device, it does not count, as in a zoo: the row says on what it was trained.
    A network may be in several tables, some of which were measured by fewer lenses: the fullest row counts.
    """
    digest = stored.evaluation_digest(runs.dataset_of(experiment), evaluation)
    rows = [_plain_rows(path)[name] for path, name in _places().get((asked_id(experiment), digest), ())]
    return max(rows, key=_filled, default=None)


def _filled(row: Mapping[str, Any]) -> int:
    """How many quantities a row has."""
    return sum(math.isfinite(row[name]) for name in QUANTITIES)


def asked_id(experiment: Experiment) -> str:
    """The run id of an experiment as it is asked for: of any precision, if that is left to the device."""
    asked = zoo.asked(experiment) if experiment.precision == "auto" else experiment
    return runs.identify(asked, runs.dataset_of(experiment))


def by_profile(study: str = "core") -> dict[str, pandas.DataFrame]:
    """The recorded tables of a study, {profile: table}: a row for each network.

    Columns: method, seed, what the study's grid varies, source ("recorded"), id, torch, device, cpu, every quantity
    (NaN where its lens could not be applied, or was not there when it was recorded), images: {outcome: array whose last
    axis goes over images}, and older: the quantities that were measured by an older version than today's.
    """
    return _tables(RECORDS / study, study)


def snapshots(study: str = "core") -> dict[str, pandas.DataFrame]:
    """Recorded numbers of a study's networks by profile, as in by_profile, but a row for each snapshot (`epoch`)."""
    return _tables(RECORDS / study / ALONG, study)


def of_measure(measure: str, profile: str) -> pandas.DataFrame:
    """What was measured on request at a profile and has rows of its own; empty without a record.

    measure: of KEYS.  Columns: method, seed, what tells rows of a network apart, id (in slope_by_hand of the network
    that was trained on), study, torch, date, commit, numbers, images: {outcome: array} by image.
    """
    table = _tables(RECORDS / MEASURES / measure, measure).get(profile, pandas.DataFrame())
    study = measure if table.empty else str(table["study"].iloc[0])
    what = measure if study == measure else f"{study} --measure {measure}"
    table.attrs = {"table": f"{measure}, profile {profile}", "command": f"softbook record {what} --profile {profile}"}
    return table


def every_table(growing: bool = False) -> dict[tuple[str, str], pandas.DataFrame]:
    """All recorded tables of studies: {(study, profile): table}.

    growing: those of declared studies, too, that are not whole.  Whoever reads them changes nothing: they are shared.
    """
    tables = {(path.parent.name, path.stem): _read(path) for path in sorted(RECORDS.glob("*/*.csv"))}
    return {place: table for place, table in tables.items() if growing or not is_growing(*place, len(table))}


def is_growing(study: str, profile: str, rows: int) -> bool:
    """Is this a declared study that has fewer rows than were declared? No sentence is about it before it is whole."""
    return study in declared() and rows < len(study_profile(load_profile(profile), study).experiments())


def state() -> tuple[tuple[str | int, ...], ...]:
    """What depends on all tables together depends on this: it changes when one of their files does."""
    files = [path for pattern in ("*/*.csv", "*/about.json") for path in sorted(RECORDS.glob(pattern))]
    return (_state(), *((str(path), path.stat().st_mtime_ns) for path in files))


def _tables(folder: Path, study: str) -> dict[str, pandas.DataFrame]:
    tables = {path.stem: _read(path).assign(source="recorded") for path in sorted(folder.glob("*.csv"))}
    for profile, table in tables.items():
        table.attrs.update(of_table(study, profile))
    return tables


def listed() -> pandas.DataFrame:
    """What is on record: a row for each study and profile, with its networks, seeds, last date and commits."""
    rows = []
    for (study, profile), table in every_table(growing=True).items():
        commits = ", ".join(sorted(table["commit"].unique()))
        row = {"study": study, "profile": profile, "networks": len(table), "seeds": table["seed"].nunique()}
        rows.append(row | {"date": max(table["date"].dropna(), default=""), "commit": commits})
    return pandas.DataFrame(rows)


def about(study: str) -> dict[str, Any]:
    """What the recorded tables of a study are, by profile: description, standing, evaluation, experiment, lenses."""
    return read_about(RECORDS / study / "about.json")


def published() -> dict[str, dict[str, Any]]:
    """Numbers of networks that others published, by file (tools/examine_published.py): {source, images, numbers, …}."""
    path = RECORDS / "published" / "networks.json"
    return json.loads(path.read_bytes()) if path.exists() else {}


def varied(table: pandas.DataFrame) -> list[str]:
    """What the grid of a table's study sets: the columns between seed and source."""
    columns = list(table.columns)
    return columns[columns.index("seed") + 1 : min(columns.index(name) for name in ("id", "source") if name in columns)]


def conditions(profile: Study, experiment: Experiment) -> dict[str, Any]:
    """Method, seed, cell, and what the study's grid and doses set; None for a parameter that a method does not have."""
    fields = {**experiment.as_dict(), **experiment.method_parameters}
    found = {name: fields.get(name) for name in ("method", "seed", *profile.grid)}
    if profile.cells:
        found["cell"] = profile.cell_of(experiment)
    if profile.doses:
        parameter, _ = profile.doses.get(experiment.method, (None, ()))
        found |= {"parameter": parameter, "dose": fields.get(parameter) if parameter else None}
    return found


def _read(path: Path) -> pandas.DataFrame:
    """A table on record: of a study, of its snapshots, or of a measure; it is shared, so change a copy."""
    return _read_once(path, *_table_state(path))


def _table_state(path: Path) -> tuple[str | int, ...]:
    return _state(path, path.with_suffix(".npz"), _study_of(path) / "about.json")


def _study_of(path: Path) -> Path:
    """The folder of a table's study; of a measure's table its own."""
    return path.parents[1] if path.parent.name == ALONG else path.parent


def _state(*parts: Path) -> tuple[str | int, ...]:
    """What a cached table depends on: today's versions, and the files' times."""
    today, _ = versions.of_today()
    return (today, *(part.stat().st_mtime_ns for part in parts if part.exists()))


@functools.lru_cache(maxsize=256)  # more than there are tables: who goes through all of them twice reads each once
def _read_once(path: Path, *state: str | int) -> pandas.DataFrame:
    own = path.parent.name
    if path.parents[1].name == MEASURES:
        table = read_measure(path, KEYS[own])
    else:
        key = ["epoch"] if own == ALONG else []
        table = _current(read_table(path, QUANTITIES, key, ASKED_QUANTITIES), _study_of(path).name, path.stem)
    if path.parent.parent != RECORDS and not path.with_suffix(".npz").exists():
        return table.assign(images=[{}] * len(table))
    return table.assign(images=[Outcomes(path, state, name) for name in table["id"]])


class Outcomes(Mapping[str, np.ndarray]):
    """The outcomes by image of a recorded network, {outcome: array}; its table's are read when the first is asked for.

    Most readers of a table ask for none, and the installed package leaves out those that no chapter asks for.
    """

    def __init__(self, path: Path, state: tuple[str | int, ...], name: str):
        self._path = path.with_suffix(".npz")
        self._state = state
        self._name = name

    def _arrays(self) -> dict[str, np.ndarray]:
        return _outcomes_once(self._path, *self._state).get(self._name, {})

    def __getitem__(self, outcome: str) -> np.ndarray:
        return self._arrays()[outcome]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays())

    def __len__(self) -> int:
        return len(self._arrays())


@functools.lru_cache(maxsize=256)
def _outcomes_once(path: Path, *state: str | int) -> dict[str, dict[str, np.ndarray]]:
    if not path.exists():
        raise SoftlabError(f"{path} is not there: a checkout of the book has all outcomes by image, its package some")
    return read_outcomes(path)


def _current(table: pandas.DataFrame, study: str, profile: str) -> pandas.DataFrame:
    """The table with a column `older`: the quantities of a row whose version is older than today's.

    Their values stay as recorded. What was not asked for in a row is NaN.
    """
    known = about(study).get(profile, {})
    today = versions.current()
    older: dict[str, tuple[str, ...]] = {}
    for digest, rows in table.groupby("lenses").groups.items():
        have = versions.measured(known, str(digest))
        if have is None:
            raise SoftlabError(f"{RECORDS / study / 'about.json'} lacks the lenses {digest} of profile {profile}")
        table.loc[rows, [name for name in today if name not in have]] = np.nan
        older[str(digest)] = tuple(name for name, version in have.items() if version != today.get(name, version))
    return table.assign(older=[older[digest] for digest in table["lenses"]])


def forget() -> None:
    """Forget cached rows, as tables on record have changed."""
    _places.cache_clear()


@functools.cache
def _places() -> dict[tuple[str, str], list[tuple[Path, str]]]:
    """The tables that hold a network, by its run id (also as it is asked for) and evaluation digest: file and run id.

    It looks at these three columns alone: reading every table whole takes much longer, and a notebook needs few.
    """
    found: dict[tuple[str, str], list[tuple[Path, str]]] = {}
    for path in sorted(RECORDS.glob("*/*.csv")):
        header, rows = read_rows(path)
        own, asked, evaluation = (header.index(name) for name in ("id", "asked", "evaluation"))
        for row in rows:
            for name in {row[own], row[asked]}:
                found.setdefault((name, row[evaluation]), []).append((path, row[own]))
    return found


def _plain_rows(path: Path) -> dict[str, dict[str, Any]]:
    """The rows of a table by run id, without method, seed and what its study varies."""
    return _plain_rows_once(path, *_table_state(path))


@functools.lru_cache(maxsize=256)
def _plain_rows_once(path: Path, *state: str | int) -> dict[str, dict[str, Any]]:
    columns = ["id", "torch", "device", "cpu", *QUANTITIES, "images", "older"]
    table = _read(path)
    columns += [name for name in ASKED_QUANTITIES if name in table]
    return {row["id"]: {"source": "recorded", **row} for row in rows_of(table.loc[:, columns])}
