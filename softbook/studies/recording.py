"""The numbers of a study, kept for good: rows written as they come, quantities added later, rows checked again.

record("core", settings)         # softbook record: a row for each network that has none
add("core", settings, ["AURC"])  # softbook record --only: train rows again, write these quantities beside the others
measure(Request("louder"), settings)  # softbook record --measure: rows of what is measured on request
verify("core", settings)         # softbook verify: train some rows again, and compare

What is written is read by softbook.studies.records.
"""

import functools
import itertools
import json
import math
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import torch
from torch.backends.cpu import get_cpu_capability

from softbook.studies import (
    another_slope,
    autoattack,
    averages,
    bending,
    deciles,
    judge,
    louder,
    records,
    seconds,
    transfer,
    unknown_classes,
)
from softbook.studies.asked import ASKED, ASKED_QUANTITIES, KEYS, Subject
from softbook.studies.catalogue import Study, studies_of, study_profile
from softbook.studies.tables import read_measure, read_outcomes, read_table, rows_of, write_table
from softlab import provenance
from softlab.comparison import tables
from softlab.errors import SoftlabError, check_known
from softlab.files import write_json, write_whole
from softlab.numbers import stored, versions
from softlab.numbers.quantities import LENSES, QUANTITIES
from softlab.numbers.stored import Numbers
from softlab.profile import Profile
from softlab.training import loop, runs
from softlab.training.experiment import Experiment
from softlab.training.store import alone

SAY = functools.partial(print, flush=True)  # a row at once, also in a log
FARTHEST = 6  # standard deviations over seeds, between a network that is trained again and its row
COMPARED = ("accuracy", "NLL at T")  # and `right`: what a network trained again must have to the bit for `add`
# Outcomes by image that are recorded: those that a quantity is the mean of, what calibration is made of, and rungs.
OUTCOMES = {"right", "confidence", "survived"} | {quantity.images for quantity in QUANTITIES.values()} - {""}
KNOWN = {**QUANTITIES, **ASKED_QUANTITIES}
Row = dict[str, Any]
# On request (softbook.studies.asked):
MEASURED: dict[str, Callable[[Subject], list[Row]]] = {
    "autoattack": autoattack.measure,
    "averages": averages.measure,
    "bending": bending.measure,
    "deciles": deciles.measure,
    "louder": louder.measure,
    "seconds": seconds.measure,
    "slope_by_hand": another_slope.measure,
    "transfer": transfer.measure,
    "unknown_classes": unknown_classes.measure,
}
# Of networks that no study has:
NETWORKS = {"seconds": seconds.experiments, "unknown_classes": unknown_classes.experiments}


@dataclass(frozen=True)
class Recording:
    """A table being written: its study and profile, what is trained for it, and with which code.

    profile: as the study changes it.  store: of the networks (None: the usual one).
    say: takes a line for each row that is written.
    """

    study: str
    profile: Study
    commit: str
    store: str | Path | None
    say: Callable

    @property
    def path(self) -> Path:
        return records.RECORDS / self.study / f"{self.profile.name}.csv"

    @property
    def entries(self) -> Mapping[str, Any]:
        """What chapters.yaml, or a declaration, says of the study."""
        return studies_of(self.profile)[self.study]

    @property
    def snapshots(self) -> Path:
        """Where numbers of snapshots lie, if the study has any."""
        return self.path.parent / "along" / self.path.name

    @property
    def has_snapshots(self) -> bool:
        return bool(self.entries.get("along"))

    @property
    def outcomes(self) -> set[str]:
        """Outcomes by image that the study keeps."""
        return {*self.entries.get("images", OUTCOMES)}

    @functools.cached_property
    def experiments(self) -> dict[str, Experiment]:
        """The networks of the study by run id, as trained on this device."""
        return by_run_id(self.profile.experiments())

    def train(self, experiment: Experiment) -> runs.Run:
        return runs.fit_or_load(experiment, store=self.store, device=loop.choose_device(), use_zoo=False)

    def evaluation_digest(self, experiment: Experiment) -> str:
        return stored.evaluation_digest(runs.dataset_of(experiment), self.profile.evaluation)

    def writing(self) -> AbstractContextManager:
        """For one process at a time: the table itself."""
        return alone(records.RECORDS, f"{self.study}.{self.profile.name}", "records")

    def describing(self) -> AbstractContextManager:
        """For one process at a time: about.json, which all profiles of a study share."""
        return alone(records.RECORDS, self.study, "describes")

    @property
    def asked(self) -> list[str]:
        """What is measured of its networks besides lenses: names of MEASURED."""
        return list(self.entries.get("asked", ()))

    @property
    def quantities(self) -> list[str]:
        """The columns of numbers that the table has."""
        return [*QUANTITIES, *(name for asked in self.asked for name in ASKED[asked])]

    def failed(self, name: str, experiment: Experiment, failure: loop.Diverged) -> Row:
        """The row of a network whose training failed: its conditions, what failed, and no numbers."""
        here = provenance.environment(loop.device_name(loop.choose_device()))
        row = records.conditions(self.profile, experiment) | {"id": name, "cpu": get_cpu_capability()}
        row |= {part: here[part] for part in ("torch", "device")}
        row |= {"failed": str(failure), "date": datetime.now(UTC).date().isoformat(), "images": {}, "older": ()}
        return row | dict.fromkeys(self.quantities, np.nan)

    def write(self, rows: Mapping[str, Row]) -> None:
        """Write the table with these rows, by run id; what the study no longer has is left out."""
        _write(self, [rows[name] for name in self.experiments if name in rows], self.outcomes)

    def progress(self, name: str, text: str) -> None:
        """Say a line on the network of this run id."""
        self.say(f"[{[*self.experiments].index(name) + 1} of {len(self.experiments)}] {text}")


def by_run_id(experiments: Iterable[Experiment]) -> dict[str, Experiment]:
    """Experiments by the run id that they have if they are trained on this device."""
    device = loop.choose_device()
    resolved = [(experiment, loop.resolve(experiment, device)) for experiment in experiments]
    return {runs.identify(trained, runs.dataset_of(trained)): experiment for experiment, trained in resolved}


def otherwise(experiment: Experiment, shared: Mapping[str, Any]) -> str:
    """What an experiment has otherwise than these fields say, method and seed aside, as JSON: a row names it."""
    fields = experiment.as_dict()
    own = {name: fields[name] for name in fields if name not in ("method", "seed") and fields[name] != shared[name]}
    return json.dumps(own)


def record(
    study: str,
    settings: Profile,
    store: str | Path | None = None,
    say: Callable = SAY,
    names: Collection[str] | None = None,
) -> Path:
    """Write a row for each network of a study at this profile that has none yet; returns the path of the table.

    names: run ids, of those networks alone (None: of all).
    Networks that the store lacks are trained. A kill loses the row in progress. If a profile leaves precision to the
    device, a row that another device recorded in another precision stays. Rows that were measured on other images are
    measured again; for newer quantities see add. Rows of networks that the study no longer has are dropped.
    Another process that records the same table is waited for.
    A training that fails leaves a row that says so and has no numbers. Before the first row of a declared study its
    contrasts are tried on planted ones (judge.tried).
    Raises SoftlabError if the code is not committed: a row names the commit that trained it.
    """
    commit = provenance.clean_commit()
    recording = Recording(study, study_profile(settings, study), commit, store, say)
    declaration = judge.declarations().get(study)
    if declaration and not recording.path.exists():
        judge.tried(declaration)
    with recording.writing():
        _remove_torn(recording.path)
        _add_rows(recording, recording.experiments if names is None else names)
    records.forget()
    return recording.path


def lacking(recording: Recording) -> list[str]:
    """Run ids of the networks without a row; all of a seed come before those of the next, so that rows have pairs."""
    rows = _recorded_rows(recording.path) if recording.path.exists() else {}
    asked = {row["asked"] for row in rows.values() if row["evaluation"]}
    missing = {
        name: experiment
        for name, experiment in recording.experiments.items()
        if name not in rows and records.asked_id(experiment) not in asked
    }
    return sorted(missing, key=lambda name: missing[name].seed)


def add(
    study: str, settings: Profile, names: Iterable[str], store: str | Path | None = None, say: Callable = SAY
) -> list[str]:
    """Add quantities that are newer than the recorded rows to these; returns the ids that differ.

    names: of quantities, or of lenses for all of theirs.  Each row that lacks one, or has an older version of it, is
    trained again. Where COMPARED and the right predictions are the row's to the bit, the named quantities are written
    and nothing else changes, neither date nor commit: those of the addition are in about.json. Another processor may
    round differently; rows of networks that differ stay as they are.  A kill loses the row in progress.
    Raises SoftlabError where there is no such table, a name is unknown, or the code is not committed.
    """
    commit = provenance.clean_commit()
    recording = Recording(study, study_profile(settings, study), commit, store, say)
    wanted = _quantities_of(names)
    if not recording.path.exists():
        raise SoftlabError(f"study {study} has no record at profile {settings.name}: `softbook record` writes one")
    with recording.writing():
        _remove_torn(recording.path)
        different = _add_columns(recording, wanted)
    records.forget()
    return different


def _remove_torn(path: Path) -> None:
    """Remove what a kill left half-written."""
    for torn in path.parent.rglob(f".{path.stem}.*"):
        torn.unlink()


def _add_rows(recording: Recording, names: Collection[str]) -> None:
    """Write the rows of these networks that a table lacks, each as soon as it is measured."""
    rows = _recorded_rows(recording.path) if recording.path.exists() else {}
    in_any_precision = {row["asked"]: row for row in rows.values()}
    snapshots = _recorded_snapshots(recording)
    digest, entries = versions.of_today()
    with recording.describing():
        _describe(recording, entries)
    for name, experiment in recording.experiments.items():
        asked = records.asked_id(experiment)
        row = rows.get(name) or in_any_precision.get(asked)
        if row is None and name not in names:
            continue
        evaluation = recording.evaluation_digest(experiment)
        if row and row["evaluation"] == evaluation:
            rows[name] = row
            snapshots[name] = snapshots.get(row["id"], [])
            continue
        origin = {"asked": asked, "evaluation": evaluation, "lenses": digest, "commit": recording.commit}
        origin |= {"experiment": otherwise(experiment, recording.profile.experiment.as_dict())}
        try:
            run = recording.train(experiment)
        except loop.Diverged as failure:
            rows[name] = recording.failed(name, experiment, failure) | origin
            recording.write(rows)
            recording.progress(name, f"{name}: {failure}")
            continue
        origin |= {"date": run.provenance["trained"][:10]}
        if recording.has_snapshots and experiment.snapshot_epochs:
            # First: a kill in between would leave a row without them, which nobody would miss.
            snapshots[name] = _snapshot_rows(recording, experiment, run, origin)
            _write_snapshots(recording, snapshots)
        numbers = stored.of(run, recording.profile.evaluation)
        rows[name] = records.conditions(recording.profile, experiment) | tables.measured(run, numbers) | origin
        rows[name] |= _asked(run, recording.profile, recording.asked)
        recording.write(rows)
        recording.progress(name, run.id)


def _asked(run: runs.Run, profile: Study, names: Iterable[str]) -> Row:
    """What is measured on request and stands in a network's own row."""
    rows = [row for name in names for row in MEASURED[name](Subject(run, profile.evaluation))]
    return {name: value for row in rows for name, value in row.items()}


def _snapshot_rows(recording: Recording, experiment: Experiment, run: runs.Run, origin: Row) -> list[Row]:
    """What is measured of a network at each of its snapshots."""
    conditions = records.conditions(recording.profile, experiment)
    rows = []
    for epoch in experiment.snapshot_epochs:
        numbers = stored.of(run, recording.profile.evaluation, epoch)
        rows.append(conditions | {"epoch": epoch} | tables.measured(run, numbers) | origin)
    return rows


def _quantities_of(names: Iterable[str]) -> tuple[str, ...]:
    """Quantities named by themselves or by their lens, each once."""
    wanted: dict[str, None] = {}
    for name in names:
        check_known("quantity or lens", name, [*QUANTITIES, *LENSES])
        wanted |= dict.fromkeys([name] if name in QUANTITIES else LENSES[name].quantities)
    return tuple(wanted)


def _add_columns(recording: Recording, wanted: Collection[str]) -> list[str]:
    """Write these quantities into rows that lack them; returns the ids of networks that differ from their rows."""
    rows = _recorded_rows(recording.path)
    snapshots = _recorded_snapshots(recording)
    lenses = {lens.name for lens in LENSES.values() if set(wanted) & set(lens.quantities)}
    outcomes = {QUANTITIES[name].images for name in wanted} & recording.outcomes
    different = []
    for name, lacking in _rows_that_lack(recording, rows, wanted):
        row = rows[name]
        run = recording.train(recording.experiments[name])
        numbers = stored.of(run, recording.profile.evaluation, lenses=lenses | {"outcomes", "calibrated"})
        if differing := _differing(numbers, row):
            different.append(name)
            recording.progress(name, f"{name} differs from its row ({', '.join(differing)})")
            continue
        with recording.describing():
            digest = _describe_addition(recording, row["lenses"], lacking)
        if name in snapshots:
            _extend_snapshots(recording, run, snapshots[name], lacking, digest)
            _write_snapshots(recording, snapshots)
        row |= _values(numbers, lacking) | {"lenses": digest}
        row["images"] |= {outcome: numbers.images[outcome] for outcome in outcomes if outcome in numbers.images}
        # Rows of a study that another profile's code has dropped stay: this adds columns, and takes nothing away.
        _write(recording, list(rows.values()), recording.outcomes if outcomes else None)
        recording.progress(name, name)
    return different


def _rows_that_lack(
    recording: Recording, rows: Mapping[str, Row], wanted: Collection[str]
) -> Iterator[tuple[str, dict[str, int]]]:
    """Run ids of rows, measured on the images of today, that lack some of these quantities, and which: {name: version}.

    What about.json says is read once, before anything is added to it.
    """
    about = records.about(recording.study).get(recording.profile.name, {})
    for name, experiment in recording.experiments.items():
        row = rows.get(name)
        if row is None or row["evaluation"] != recording.evaluation_digest(experiment):
            continue
        if lacking := _lacking(versions.measured(about, row["lenses"]) or {}, wanted):
            yield name, lacking


def _extend_snapshots(
    recording: Recording, run: runs.Run, snapshots: list[Row], quantities: Collection[str], digest: str
) -> None:
    """Put these quantities into the rows of a network's snapshots. digest: of versions, that the rows get."""
    lenses = {lens.name for lens in LENSES.values() if set(quantities) & set(lens.quantities)}
    for snapshot in snapshots:
        numbers = stored.of(run, recording.profile.evaluation, int(snapshot["epoch"]), lenses)
        snapshot |= _values(numbers, quantities) | {"lenses": digest}


def _lacking(measured: Mapping[str, int], wanted: Iterable[str]) -> dict[str, int]:
    """The quantities that a row lacks in today's version, {name: version}. measured: the versions that it has."""
    today = versions.current()
    return {name: today[name] for name in wanted if measured.get(name) != today[name]}


def _differing(numbers: Numbers, row: Row) -> list[str]:
    """The quantities that show that this network is not the row's."""
    differing = [name for name in COMPARED if numbers.values[name] != row[name]]
    if not np.array_equal(row["images"].get("right", numbers.images["right"]), numbers.images["right"]):
        differing.append("right")
    return differing


def _values(numbers: Numbers, names: Iterable[str]) -> dict[str, float]:
    """Of these quantities; NaN where their lens could not be applied."""
    return {name: numbers.values.get(name, np.nan) for name in names}


def _recorded_rows(path: Path) -> dict[str, Row]:
    """A recorded table by run id, whatever the versions of its quantities are."""
    table = read_table(path, QUANTITIES, asked=ASKED_QUANTITIES)
    return {row["id"]: row for row in _with_outcomes(table, path)}


def _with_outcomes(table: pandas.DataFrame, path: Path) -> list[Row]:
    """The rows of the table at this path, with their outcomes by image in memory."""
    images = read_outcomes(path.with_suffix(".npz")) if path.with_suffix(".npz").exists() else {}
    return [row | {"images": images.get(row["id"], {})} for row in rows_of(table)]


def _recorded_snapshots(recording: Recording) -> dict[str, list[Row]]:
    """Recorded rows of snapshots by run id."""
    if not recording.has_snapshots or not recording.snapshots.exists():
        return {}
    table = read_table(recording.snapshots, QUANTITIES, ["epoch"])
    return {str(name): rows_of(rows) for name, rows in table.groupby("id", sort=False)}


@dataclass(frozen=True)
class Request:
    """Rows of a measure that are wanted: of which networks, and how they are measured.

    measure: of asked.KEYS.  study: whose networks; one of NETWORKS for its own.  methods: of these alone, or, of a
    declared study, its cells (none: of all).  radii: in 255ths.  images: see Subject.
    """

    measure: str
    study: str = "core"
    methods: Collection[str] = ()
    radii: Sequence[float] = (4.0,)
    images: int | None = None

    def experiments(self, settings: Profile) -> list[Experiment]:
        """What is trained for it, all of a seed before those of the next."""
        if self.study in NETWORKS:
            return NETWORKS[self.study](settings)
        profile = study_profile(settings, self.study)
        for name in self.methods:
            check_known("method or cell", name, profile.cells or profile.methods)
        named = [(profile.cell_of(one) if profile.cells else one.method, one) for one in profile.experiments()]
        chosen = [one for name, one in named if not self.methods or name in self.methods]
        return sorted(chosen, key=lambda one: one.seed)


def measure(request: Request, settings: Profile, store: str | Path | None = None, say: Callable = SAY) -> Path:
    """Write the rows of a measure that networks lack, each network's at once; returns the path of the table.

    Networks that the store lacks are trained. A kill loses the network in work.
    Raises SoftlabError for an unknown measure, method or cell, or if the code is not committed.
    """
    commit = provenance.clean_commit()
    check_known("measure", request.measure, KEYS)
    path = records.RECORDS / records.MEASURES / request.measure / f"{settings.name}.csv"
    networks = by_run_id(request.experiments(settings))
    radii = request.radii if "radius" in KEYS[request.measure] else (math.nan,)
    for number, ((name, experiment), radius) in enumerate(itertools.product(networks.items(), radii), 1):
        if _is_measured(path, name, radius):
            continue
        run = runs.fit_or_load(experiment, store=store, device=loop.choose_device(), use_zoo=False)
        subject = Subject(run, settings.evaluation, radius, request.images)
        origin = _origin(request, subject, commit)
        _append(path, [origin | row for row in MEASURED[request.measure](subject)])
        say(f"[{number} of {len(networks) * len(radii)}] {run.id}")
    return path


def _is_measured(path: Path, name: str, radius: float) -> bool:
    """Has this network rows in a measure's table?  radius: at which (NaN: the measure has none)."""
    rows = _measured_rows(path)
    return any(row["id"] == name and (math.isnan(radius) or row["radius"] == radius) for row in rows)


def _measured_rows(path: Path) -> list[Row]:
    """The rows of a measure's table; none if there is no such file."""
    return _with_outcomes(read_measure(path, KEYS[path.parent.name]), path) if path.exists() else []


def _origin(request: Request, subject: Subject, commit: str) -> Row:
    """What every row of a measure says of its network, and of where and when it was measured."""
    experiment = subject.run.experiment
    row: Row = {"method": experiment.method, "seed": experiment.seed}
    row |= {} if math.isnan(subject.radius) else {"radius": subject.radius}
    row |= {"id": subject.run.id, "study": request.study}
    if request.study not in NETWORKS:
        row["evaluation"] = stored.evaluation_digest(runs.dataset_of(experiment), subject.evaluation)
    row |= {"torch": torch.__version__, "cpu": subject.run.provenance.get("cpu")}
    return row | {"date": datetime.now(UTC).date().isoformat(), "commit": commit}


def _append(path: Path, rows: Sequence[Row]) -> None:
    """Add rows to a measure's table; another process that adds to it is waited for."""
    with alone(records.RECORDS, f"{path.parent.name}.{path.stem}", "records"):
        _remove_torn(path)
        together = [*_measured_rows(path), *rows]
        if any(row.get("images") for row in together):
            outcomes = {outcome for row in together for outcome in row.get("images", ())}
            _write_outcomes(path.with_suffix(".npz"), together, outcomes)
        write_table(path, together, ())


@dataclass(frozen=True)
class Move:
    """A quantity whose measured value is not the recorded one to the bit, both in the units of its lens.

    spread: its standard deviation over seeds, in the same units (NaN: not known).
    """

    quantity: str
    recorded: float
    measured: float
    spread: float

    @property
    def distance(self) -> float:
        """How far it moved, in standard deviations over seeds; infinite if these, or a value, are missing."""
        distance = abs(self.measured - self.recorded) / self.spread
        return math.inf if math.isnan(distance) else distance

    @property
    def is_far(self) -> bool:
        """Is this farther than two seeds' networks may lie apart?

        Two trainings that round differently lie apart like two seeds, by √2 times one's spread, and there are over a
        hundred quantities: at three standard deviations, of four seeds, many a network would differ by chance.
        """
        return self.distance > FARTHEST


@dataclass(frozen=True)
class Comparison:
    """A retrained network beside its row.

    id: of its run.  compared: how many quantities.  moves: those that moved at all, the farthest first.
    """

    id: str
    compared: int
    moves: Sequence[Move]

    @property
    def far(self) -> list[Move]:
        """The moves that are farther than two seeds' networks may lie apart."""
        return [move for move in self.moves if move.is_far]

    @property
    def word(self) -> str:
        """`same bits`; `alike`, as if another processor had rounded differently; or `differs`."""
        if not self.moves:
            return "same bits"
        return "differs" if self.far else "alike"

    def __str__(self) -> str:
        """`id: same bits`, or `id: word: how many numbers: quantity; quantity; …`."""
        said = [self.id, self.word]
        unit = "standard deviations over seeds"
        if self.far:
            said.append(f"{len(self.far)} of {self.compared} numbers beyond {FARTHEST} {unit}")
            said.append("; ".join(f"{m.quantity} ({m.measured:.6g}, on record {m.recorded:.6g})" for m in self.far))
        elif self.moves:
            farthest = self.moves[0].distance
            said.append(f"{len(self.moves)} of {self.compared} numbers moved, by {farthest:.1f} {unit} at most")
            said.append("; ".join(f"{move.quantity} ({move.distance:.1f})" for move in self.moves))
        return ": ".join(said)


def verify(
    study: str, settings: Profile, count: int = 3, store: str | Path | None = None, clean: bool = False
) -> Iterator[Comparison]:
    """Train the networks of some recorded rows again, and compare each with its row.

    count: how many, each from the middle of an equal part of the table.  store: train none, but compare all that this
    store, or the zoo, has.  clean: compare no number that takes an attack or a corruption.
    If no point of the table has two seeds, a number may move by rounding, or by a few images, and no further.
    """
    profile = study_profile(settings, study)
    device = loop.choose_device()
    rows = [(experiment, records.recorded(experiment, profile.evaluation)) for experiment in profile.experiments()]
    on_record = [(experiment, row) for experiment, row in rows if row is not None]
    chosen = [pair for pair in on_record if not store or runs.present(pair[0], device, store)]
    if not chosen:
        raise SoftlabError(f"no record of study {study} at profile {settings.name}{' is in the store' * bool(store)}")
    if not store:
        chosen = _spread(on_record, count)
    table = pandas.DataFrame([{"place": _place(profile, experiment), **row} for experiment, row in on_record])
    evaluation = {**profile.evaluation} | ({"attack_size": 0} if clean else {})
    with tempfile.TemporaryDirectory() as fresh:
        for experiment, row in chosen:
            try:
                run = runs.fit_or_load(experiment, store=store or fresh, device=device, use_zoo=bool(store))
            except loop.Diverged:
                yield _trains_or_not(row, trains=False)
                continue
            if _failed(row):
                yield _trains_or_not(row, trains=True)
                continue
            sizes = stored.samples_of(experiment, evaluation).sizes
            spreads = _seed_spreads(table.loc[table["id"] != row["id"]], _place(profile, experiment), sizes)
            values = dict(stored.of(run, evaluation).values)
            values |= _asked(run, profile, studies_of(profile)[study].get("asked", ()) if not clean else ())
            yield _compared(values, row, spreads)


def _failed(row: Row) -> bool:
    """Did this row's training fail? Then it has no number at all."""
    return all(math.isnan(row[name]) for name in QUANTITIES)


def _trains_or_not(row: Row, trains: bool) -> Comparison:
    """A network whose training failed, beside its row: they differ if only one of the two has no numbers."""
    same = trains != _failed(row)
    moves = [] if same else [Move("accuracy", row["accuracy"], math.nan, math.nan)]
    return Comparison(row["id"], len(QUANTITIES), moves)


def _spread(items: list, count: int) -> list:
    """The middle of each of `count` equal parts of a list; the whole list, if it is shorter."""
    places = ((np.arange(count) + 0.5) * len(items) / count).astype(int)
    return [items[place] for place in dict.fromkeys(places)]


def _place(profile: Study, experiment: Experiment) -> str:
    """Method and point of the grid, which all seeds share."""
    return repr({**records.conditions(profile, experiment), "seed": None})


def _seed_spreads(table: pandas.DataFrame, place: str, sizes: Mapping[str, int]) -> dict[str, float]:
    """The standard deviation over seeds of each quantity at a place.

    That of the networks there or of all places together, whichever is larger, and at least the quantity's resolution:
    equal values in all rows, or zeros up to rounding, do not say how far it may move. The resolution alone, if no
    place has two seeds.
    sizes: of the samples that the networks are measured on (`Samples.sizes`).
    """
    by_place = table.groupby("place")[[name for name in KNOWN if name in table]]
    together = np.sqrt((by_place.var() * (by_place.count() - 1)).sum() / (by_place.count() - 1).clip(lower=0).sum())
    own = by_place.std().reindex([place]).iloc[0]
    resolution = pandas.Series({name: KNOWN[str(name)].resolution(sizes) for name in own.index})
    return own.combine(together, np.fmax).combine(resolution, np.fmax).to_dict()


def _compared(values: Mapping[str, float], row: Row, spreads: Mapping[str, float]) -> Comparison:
    """A network's measured numbers beside its row. spreads: from `_seed_spreads`."""
    # NaN: its lens is newer than the row.
    comparable = [name for name in values if not np.isnan(row[name]) and name not in row["older"]]
    moved = [name for name in comparable if values[name] != row[name]]
    moves = [Move(name, row[name], values[name], spreads[name]) for name in moved]
    return Comparison(row["id"], len(comparable), sorted(moves, key=lambda move: -move.distance))


def _describe(recording: Recording, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """Write about.json of a study: what each profile is, how it was measured, and versions by digest."""
    known = records.about(recording.study)
    profile = recording.profile
    entry = {"description": profile.description, "standing": profile.standing, "evaluation": dict(profile.evaluation)}
    entry |= {"experiment": profile.experiment.as_dict()}
    before = known.get(profile.name, {})
    for part in ("lenses", "quantities", "additions"):
        entry[part] = {**before.get(part, {}), **measured.get(part, {})}
    _write_about(recording, known | {profile.name: entry})


def _describe_addition(recording: Recording, digest: str, quantities: Mapping[str, int]) -> str:
    """Say in about.json what is added to rows of this digest; returns their new digest."""
    known = records.about(recording.study)
    entry = known[recording.profile.name]
    date = datetime.now(UTC).date().isoformat()
    named, addition = versions.added(entry, digest, quantities, recording.commit, date)
    if named not in entry["additions"]:
        entry["additions"][named] = addition
        _write_about(recording, known)
    return named


def _write_about(recording: Recording, known: Mapping[str, Mapping[str, Any]]) -> None:
    """Write about.json beside a table, without empty entries."""
    profiles = {
        name: {part: value for part, value in entry.items() if value != {}} for name, entry in sorted(known.items())
    }
    write_json(recording.path.with_name("about.json"), profiles)


def _write(recording: Recording, rows: list[Row], outcomes: Collection[str] | None) -> None:
    """Write outcomes first: after a kill, a row without them would go unnoticed. None: those on file stay."""
    if outcomes is not None:
        _write_outcomes(recording.path.with_suffix(".npz"), rows, outcomes)
    write_table(recording.path, rows, recording.quantities)


def _write_outcomes(path: Path, rows: list[Row], outcomes: Collection[str]) -> None:
    """Write those outcomes by image that are recorded, floats in half precision."""
    arrays = {}
    for row in rows:
        for outcome, values in row.get("images", {}).items():
            if outcome in outcomes:
                arrays[f"{row['id']}/{outcome}"] = values if values.dtype == bool else values.astype(np.float16)
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # pyright: ignore


def _write_snapshots(recording: Recording, rows: Mapping[str, list[Row]]) -> None:
    ordered = [row for name in recording.experiments for row in rows.get(name, [])]
    write_table(recording.snapshots, ordered, QUANTITIES, "%.7g")
