"""Tables of numbers, one row for each network: live where it is in the store, else recorded. Reading trains nothing.

study_table(settings, "core")   # a DataFrame: what a chapter reads
train(settings, "core")         # before it: networks that are neither in the store nor on record
record("core", settings)        # softlab record: write rows for good, as they come
add("core", settings, ["AURC"]) # softlab record --only: train rows again, and write these quantities beside the others
verify("core", settings)        # softlab verify: train some rows again, and compare

Recorded rows are assets/records/<study>/<profile>.csv, with outcomes by image in .npz beside it, and, where a study
says `along: true`, clean numbers at every snapshot in <study>/along/<profile>.csv. They are found by run id and
evaluation digest, never by names: what changes a network, its images or what is measured changes these.
"""

import functools
import json
import math
import tempfile
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas

from softlab import provenance
from softlab.errors import SoftlabError, check_known
from softlab.files import write_json, write_whole
from softlab.numbers import stored, versions
from softlab.numbers.quantities import LENSES, QUANTITIES
from softlab.numbers.stored import Numbers
from softlab.profile import Profile, study_profile
from softlab.studies.networks import mixed
from softlab.studies.tables import read_about, read_outcomes, read_table, write_table
from softlab.training import loop, runs, zoo
from softlab.training.experiment import Experiment
from softlab.training.store import alone

RECORDS = provenance.ASSETS / "records"
SAY = functools.partial(print, flush=True)  # a row at once, also in a log
COMPARED = ("accuracy", "NLL at T")  # and `right`: what a network trained again must have to the bit for `add`
# Outcomes by image that are recorded: those that a quantity is the mean of, what calibration is made of, and rungs.
OUTCOMES = {"right", "confidence", "survived"} | {quantity.images for quantity in QUANTITIES.values()} - {""}


def study_table(
    settings: Profile, study: str = "core", store: str | Path | None = None, device: str | None = None
) -> pandas.DataFrame:
    """The numbers of a study at this profile, one row for each network.

    Columns: method, seed, what the study's grid varies, source ("live": from a network of the store, or "recorded"),
    id, torch, device, cpu, every quantity (NaN where its lens could not be applied, or was not there when it was
    recorded), images: {outcome: array whose last axis goes over images}, and older: the quantities that were measured
    by an older version than today's.
    Raises SoftlabError if a network is neither in the store nor recorded: `train` comes first.
    """
    profile = study_profile(settings, study)
    place = loop.choose_device(device)
    found = [(one, *_found(one, profile, place, store)) for one in profile.experiments()]
    left = sum(not live and row is None for _, live, row in found)
    if left:
        raise SoftlabError(
            f"{left} networks of study {study} at profile {settings.name} are neither trained nor on record: "
            f"begin() of a notebook trains what it needs, and so does softlab train --study {study} --profile NAME"
        )
    rows = []
    for experiment, _, row in found:
        if row is None:
            run = runs.fit_or_load(experiment, store=store, device=place)
            row = {"source": "live"} | _row(run, stored.of(run, profile.evaluation))
        rows.append(_varied(profile, experiment) | row)
    table = pandas.DataFrame(rows)
    table.attrs.update(of_table(study, settings.name, table["source"], settings.is_packaged()))
    if mixture := mixed(rows):
        print(f"study {study} mixes networks of {mixture}: a difference between methods may be one between these")
    return table


def train(settings: Profile, study: str = "core", store: str | Path | None = None, device: str | None = None) -> None:
    """Train the networks of a study that are neither in the store nor on record, and measure them."""
    from tqdm import tqdm

    profile = study_profile(settings, study)
    place = loop.choose_device(device)
    with tqdm(_untrained(profile, place, store), unit="network", leave=False, delay=2) as bar:
        for experiment in bar:
            bar.set_description(f"{experiment.method}, seed {experiment.seed}", refresh=False)
            stored.of(runs.fit_or_load(experiment, store=store, device=place), profile.evaluation)


def _found(
    experiment: Experiment, profile: Profile, device, store: str | Path | None
) -> tuple[bool, dict[str, Any] | None]:
    """Is the network in the store; if not, its recorded row, or None."""
    live = runs.present(experiment, device, store) is not None
    return live, None if live else recorded(experiment, profile.evaluation)


def _untrained(profile: Profile, device, store: str | Path | None = None) -> list[Experiment]:
    """Of a study's profile: experiments that have neither a run in the store nor a row."""
    return [one for one in profile.experiments() if _found(one, profile, device, store) == (False, None)]


def untrained(settings: Profile, study: str = "core") -> int:
    """How many networks of a study are neither in the store nor on record."""
    return len(_untrained(study_profile(settings, study), loop.choose_device()))


def of_table(study: str, profile: str, sources: Iterable[str], packaged: bool = True) -> dict:
    """What the numbers of a table are of, in words, and the command that makes them again: see intervals.Origin.

    sources: of its rows, as in records.study_table.  packaged: whether the profile's name is all that there is to know
    of it; else no command is named.
    """
    command = "verify" if set(sources) == {"recorded"} else "record"
    command = f"softlab {command} {study} --profile {profile}" if packaged else ""
    return {"table": f"study {study}, profile {profile}{'' if packaged else ' (changed)'}", "command": command}


def networks(settings: Profile, study: str, store: str | Path | None = None) -> list[dict[str, Any]]:
    """Which networks a study's numbers are of, as far as there are any: one row for each, for JSON."""
    profile = study_profile(settings, study)
    device = loop.choose_device()
    rows = []
    for one in profile.experiments():
        folder = runs.present(one, device, store)
        live = json.loads((folder / "provenance.json").read_bytes()) | {"id": folder.name} if folder else None
        if origin := live or recorded(one, profile.evaluation):
            row = {"study": study, "method": one.method, "seed": one.seed, "run": origin["id"]}
            rows.append(row | {name: origin[name] for name in ("torch", "device")})
    return rows


def recorded(experiment: Experiment, evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """The recorded row of an experiment, as in study_table; None if there is none.

    Where precision is left to the device, it counts as little as in a zoo: the row says on what it was trained.
    """
    dataset = runs.dataset_of(experiment)
    asked = zoo.asked(experiment) if experiment.precision == "auto" else experiment
    return _index().get((runs.identify(asked, dataset), stored.evaluation_digest(dataset, evaluation)))


def scales(study: str = "core", besides: pandas.DataFrame | None = None) -> dict[str, pandas.DataFrame]:
    """The recorded tables of a study, as of study_table: {profile: table}.

    besides: a table that is at hand; what is recorded of networks that are all in it is left out.
    """
    at_hand = set() if besides is None else set(besides["id"])
    tables = _tables(study, RECORDS / study, _read)
    return {profile: table for profile, table in tables.items() if not at_hand.issuperset(table["id"])}


def snapshots(study: str = "core") -> dict[str, pandas.DataFrame]:
    """Recorded numbers of a study's networks by profile, as in study_table, but a row for each snapshot (`epoch`)."""
    return _tables(study, RECORDS / study / "along", _read_along)


def _tables(study: str, folder: Path, read: Callable[[Path], pandas.DataFrame]) -> dict[str, pandas.DataFrame]:
    provenance.check_assets()
    tables = {path.stem: read(path).assign(source="recorded") for path in sorted(folder.glob("*.csv"))}
    for profile, table in tables.items():
        table.attrs.update(of_table(study, profile, table["source"]))
    return tables


def listed() -> pandas.DataFrame:
    """What is on record: a row for each study and profile, with its networks, seeds, last date and commits."""
    rows = []
    for path in sorted(RECORDS.glob("*/*.csv")):
        table = read_table(path, QUANTITIES)
        seeds = table["seed"].unique()
        commits = ", ".join(sorted(table["commit"].unique()))
        row = {"study": path.parent.name, "profile": path.stem, "networks": len(table), "seeds": len(seeds)}
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
    """What the grid of a table's study sets: the columns between seed and where a row is from."""
    columns = list(table.columns)
    return columns[columns.index("seed") + 1 : min(columns.index("id"), columns.index("source"))]


def record(study: str, settings: Profile, store: str | Path | None = None, say: Callable = SAY) -> Path:
    """Write a row for each network of a study at this profile that has none yet; returns the path of the table.

    Networks that the store lacks are trained. A kill loses the row in work. Where a profile leaves precision to the
    device, a row that another device recorded in another precision stays. Rows that were measured on other images are
    measured again; for quantities that came later see add. Rows of networks that the study no longer has are dropped.
    Another process that records the same table is waited for.
    Raises SoftlabError where the code is not committed: a row says which code it is of.
    """
    commit = provenance.clean_commit()
    profile = study_profile(settings, study)
    path = RECORDS / study / f"{settings.name}.csv"
    with alone(RECORDS, f"{study}.{settings.name}", "records"):
        _add_rows(path, profile, commit, store, say)
    _index.cache_clear()
    return path


def add(
    study: str, settings: Profile, names: Iterable[str], store: str | Path | None = None, say: Callable = SAY
) -> list[str]:
    """Write quantities that are newer than recorded rows beside what these have; returns the ids that differ.

    names: of quantities, or of lenses for all of theirs.  Each row that lacks one, or has an older version of it, is
    trained again. Where COMPARED and the right predictions are the row's to the bit, the named quantities are written
    and nothing else changes, neither date nor commit: those of the addition are in about.json. Another processor may
    round otherwise; rows of networks that differ stay as they are.  A kill loses the row in work.
    Raises SoftlabError where there is no such table, a name is unknown, or the code is not committed.
    """
    commit = provenance.clean_commit()
    profile = study_profile(settings, study)
    path = RECORDS / study / f"{settings.name}.csv"
    wanted: dict[str, None] = {}
    for name in names:
        check_known("quantity or lens", name, [*QUANTITIES, *LENSES])
        wanted |= dict.fromkeys([name] if name in QUANTITIES else LENSES[name].quantities)
    if not path.exists():
        raise SoftlabError(f"study {study} has no record at profile {settings.name}: `softlab record` writes one")
    with alone(RECORDS, f"{study}.{settings.name}", "records"):
        left = _add_columns(path, profile, commit, tuple(wanted), store, say)
    _index.cache_clear()
    return left


def _experiments(profile: Profile, device) -> dict[str, Experiment]:
    """The networks of a study by run id, as trained on this device."""
    found = {}
    for one in profile.experiments():
        known = loop.resolve(one, device)
        found[runs.identify(known, runs.dataset_of(known))] = one
    return found


def _earlier(snapshots: Path) -> dict[str, list[dict[str, Any]]]:
    """Recorded rows of snapshots by run id."""
    if not snapshots.exists():
        return {}
    return {
        str(name): _rows(rows) for name, rows in read_table(snapshots, QUANTITIES, "epoch").groupby("id", sort=False)
    }


def _add_rows(path: Path, profile: Profile, commit: str, store: str | Path | None, say: Callable) -> None:
    _clean(path)
    device = loop.choose_device()
    lenses, described = versions.of_today()
    study = profile.studies[path.parent.name]
    snapshots = path.parent / "along" / path.name
    along = bool(study.get("along"))
    outcomes = {*study.get("images", OUTCOMES)}
    experiments = _experiments(profile, device)
    kept = {} if not path.exists() else {row["id"]: row for row in _rows(_as_written(path))}
    earlier = _earlier(snapshots) if along else {}
    with alone(RECORDS, path.parent.name, "describes"):
        _describe(path, profile, described)
    asked_for = {row["asked"]: row for row in kept.values()}
    for count, (name, one) in enumerate(experiments.items(), 1):
        dataset = runs.dataset_of(one)
        digest = stored.evaluation_digest(dataset, profile.evaluation)
        asked = runs.identify(zoo.asked(one) if one.precision == "auto" else one, dataset)  # as in `recorded`
        row = kept.get(name) or asked_for.get(asked)  # or in the precision of another device, which the profile allows
        if row and row["evaluation"] == digest:
            kept[name] = row
            earlier[name] = earlier.get(row["id"], [])
            continue
        run = runs.fit_or_load(one, store=store, device=device, use_zoo=False)
        origin = {"asked": asked, "evaluation": digest, "lenses": lenses}
        origin |= {"date": run.provenance["trained"][:10], "commit": commit}
        if along and one.snapshot_epochs:  # first: a kill in between would leave a row without them, not missed
            found = {epoch: stored.of(run, profile.evaluation, epoch) for epoch in one.snapshot_epochs}
            where = _varied(profile, one)
            earlier[name] = [{**where, "epoch": epoch, **_row(run, at), **origin} for epoch, at in found.items()]
            _write_along(snapshots, experiments, earlier)
        kept[name] = {**_varied(profile, one), **_row(run, stored.of(run, profile.evaluation)), **origin}
        _write(path, [kept[name] for name in experiments if name in kept], outcomes)
        say(f"[{count} of {len(experiments)}] {run.id}")


def _add_columns(
    path: Path, profile: Profile, commit: str, wanted: tuple[str, ...], store: str | Path | None, say: Callable
) -> list[str]:
    _clean(path)
    device = loop.choose_device()
    today = versions.current()
    left = []
    study = profile.studies[path.parent.name]
    snapshots = path.parent / "along" / path.name
    lenses = [lens.name for lens in LENSES.values() if set(wanted) & set(lens.quantities)]
    outcomes = {QUANTITIES[name].images for name in wanted} & {*study.get("images", OUTCOMES)}
    experiments = _experiments(profile, device)
    rows = {row["id"]: row for row in _rows(_as_written(path))}
    earlier = _earlier(snapshots) if study.get("along") else {}
    described = about(path.parent.name).get(path.stem, {})
    for count, (name, one) in enumerate(experiments.items(), 1):
        row = rows.get(name)
        if row is None or row["evaluation"] != stored.evaluation_digest(runs.dataset_of(one), profile.evaluation):
            continue
        have = versions.measured(described, row["lenses"]) or {}
        lacking = {quantity: today[quantity] for quantity in wanted if have.get(quantity) != today[quantity]}
        if not lacking:
            continue
        run = runs.fit_or_load(one, store=store, device=device, use_zoo=False)
        found = stored.of(run, profile.evaluation, lenses={*lenses, "outcomes", "calibrated"})
        differing = [quantity for quantity in COMPARED if found.values[quantity] != row[quantity]]
        right = row["images"].get("right", found.images["right"])
        if differing or not np.array_equal(right, found.images["right"]):
            left.append(name)
            say(f"[{count} of {len(experiments)}] {name} differs from its row ({', '.join(differing or ['right'])})")
            continue
        with alone(RECORDS, path.parent.name, "describes"):
            digest = _describe_addition(path, row["lenses"], lacking, commit)
        for at in earlier.get(name, []):
            seen = stored.of(run, profile.evaluation, int(at["epoch"]), lenses)
            at |= {quantity: seen.values.get(quantity, np.nan) for quantity in lacking} | {"lenses": digest}
        if name in earlier:
            _write_along(snapshots, experiments, earlier)
        row |= {quantity: found.values.get(quantity, np.nan) for quantity in lacking} | {"lenses": digest}
        row["images"] |= {outcome: found.images[outcome] for outcome in outcomes if outcome in found.images}
        # Rows of a study that another profile's code has dropped stay: this adds columns, and takes nothing away.
        _write(path, list(rows.values()), {*study.get("images", OUTCOMES)} if outcomes else None)
        say(f"[{count} of {len(experiments)}] {name}")
    return left


def _clean(path: Path) -> None:
    """Away with what a kill left in the middle of writing."""
    for torn in path.parent.rglob(f".{path.stem}.*"):
        torn.unlink()


def _write_along(path: Path, experiments: Iterable[str], rows: Mapping[str, list[dict[str, Any]]]) -> None:
    write_table(path, [row for name in experiments for row in rows.get(name, [])], QUANTITIES, "%.7g")


def verify(
    study: str, settings: Profile, count: int = 3, store: str | Path | None = None, clean: bool = False
) -> Iterator[tuple[str, str, list[str]]]:
    """Train some recorded rows again: for each its run id, `same bits`, `alike` or `differs`, and what differs.

    count: how many, from the middle of as many parts of the table.  store: train none, but compare all that this store,
    or the zoo, has.  clean: compare no number that takes an attack or a corruption.
    Alike: within three standard deviations of the other seeds at the same point of the grid, as where another processor
    rounds otherwise; where fewer than two are on record, whatever is not the same differs.
    """
    profile = study_profile(settings, study)
    device = loop.choose_device()
    known = [(one, row) for one in profile.experiments() if (row := recorded(one, profile.evaluation)) is not None]
    tried = [(one, row) for one, row in known if not store or runs.present(one, device, store)]
    if not tried:
        raise SoftlabError(f"no record of study {study} at profile {settings.name}{' is in the store' * bool(store)}")
    if not store:
        tried = [tried[place] for place in dict.fromkeys(((np.arange(count) + 0.5) * len(known) / count).astype(int))]
    table = pandas.DataFrame([{"at": _place(profile, one), **row} for one, row in known])
    evaluation = {**profile.evaluation} | ({"attack_size": 0} if clean else {})
    with tempfile.TemporaryDirectory() as fresh:
        for one, row in tried:
            run = runs.fit_or_load(one, store=store or fresh, device=device, use_zoo=bool(store))
            values = stored.of(run, evaluation).values
            # NaN: its lens is newer than the row.
            measured = [name for name in values if not np.isnan(row[name]) and name not in row["older"]]
            other = {name: abs(values[name] - row[name]) for name in measured if values[name] != row[name]}
            others = table[(table["at"] == _place(profile, one)) & (table["id"] != row["id"])]
            far = [name for name, distance in other.items() if not distance <= 3 * others[name].std()]
            yield row["id"], "differs" if far else "alike" if other else "same bits", far or list(other)


def _place(profile: Profile, experiment: Experiment) -> str:
    """Method and point of the grid, which all seeds share."""
    return repr({**_varied(profile, experiment), "seed": None})


def _varied(profile: Profile, experiment: Experiment) -> dict[str, Any]:
    """Method, seed, and what the study's grid and doses set; None for a parameter that the method does not have."""
    fields = {**experiment.as_dict(), **experiment.method_parameters}
    found = {name: fields.get(name) for name in ("method", "seed", *profile.grid)}
    if profile.doses:
        parameter, _ = profile.doses.get(experiment.method, (None, ()))
        found |= {"parameter": parameter, "dose": fields.get(parameter) if parameter else None}
    return found


def _row(run: runs.Run, found: Numbers) -> dict[str, Any]:
    origin = {"id": run.id} | {name: run.provenance.get(name) for name in ("torch", "device", "cpu")}
    values = {name: found.values.get(name, np.nan) for name in QUANTITIES}
    return origin | values | {"images": found.images, "older": ()}


def _describe(path: Path, profile: Profile, measured: Mapping[str, Mapping[str, Any]]) -> None:
    """about.json of a study: for each profile what it is, how it was measured, and versions by digest."""
    known = about(path.parent.name)
    entry = {"description": profile.description, "standing": profile.standing, "evaluation": dict(profile.evaluation)}
    entry |= {"experiment": profile.experiment.as_dict()}
    before = known.get(path.stem, {})
    for part in ("lenses", "quantities", "additions"):
        entry[part] = {**before.get(part, {}), **measured.get(part, {})}
    _write_about(path, known | {path.stem: entry})


def _describe_addition(path: Path, digest: str, quantities: Mapping[str, int], commit: str) -> str:
    """Say in about.json what is added to rows of this digest; returns the digest that they have then."""
    known = about(path.parent.name)
    entry = known[path.stem]
    date = datetime.now(UTC).date().isoformat()
    named, addition = versions.added(entry, digest, quantities, commit, date)
    if named not in entry["additions"]:
        entry["additions"][named] = addition
        _write_about(path, known)
    return named


def _write_about(path: Path, known: Mapping[str, Mapping[str, Any]]) -> None:
    """about.json beside a table; what is empty is left out."""
    profiles = {name: {part: of for part, of in entry.items() if of != {}} for name, entry in sorted(known.items())}
    write_json(path.with_name("about.json"), profiles)


def _write(path: Path, rows: list[dict[str, Any]], outcomes: Container[str] | None) -> None:
    """Outcomes first: a row without them, after a kill in between, would not be missed. None: those on file stay."""
    if outcomes is not None:
        _write_outcomes(path.with_suffix(".npz"), rows, outcomes)
    write_table(path, rows, QUANTITIES)


def _write_outcomes(path: Path, rows: list[dict[str, Any]], outcomes: Container[str]) -> None:
    """Those of the outcomes by image that are recorded, floats in half precision."""
    arrays = {}
    for row in rows:
        for outcome, values in row["images"].items():
            if outcome in outcomes:
                arrays[f"{row['id']}/{outcome}"] = values if values.dtype == bool else values.astype(np.float16)
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # pyright: ignore


def _read(path: Path) -> pandas.DataFrame:
    """A recorded table; see _current."""
    parts = (path, path.with_suffix(".npz"), path.with_name("about.json"))
    return _read_once(path, *(part.stat().st_mtime_ns for part in parts if part.exists())).copy()


@functools.lru_cache(maxsize=64)
def _read_once(path: Path, *changed: int) -> pandas.DataFrame:
    return _current(_as_written(path), path.parent.name, path.stem)


def _as_written(path: Path) -> pandas.DataFrame:
    images = read_outcomes(path.with_suffix(".npz"))
    table = read_table(path, QUANTITIES)
    return table.assign(images=[images.get(name, {}) for name in table["id"]])


def _read_along(path: Path) -> pandas.DataFrame:
    """A recorded table of snapshots: a row for each network and epoch."""
    table = _current(read_table(path, QUANTITIES, "epoch"), path.parent.parent.name, path.stem)
    return table.assign(images=[{}] * len(table))


def _current(table: pandas.DataFrame, study: str, profile: str) -> pandas.DataFrame:
    """A table that says in `older` which quantities of a row have an older version than today's.

    Their values stand as they were recorded. What a row was not asked for is NaN.
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


def _rows(table: pandas.DataFrame) -> list[dict[str, Any]]:
    return table.to_dict("records")  # pyright: ignore[reportCallIssue]


@functools.cache
def _index() -> dict[tuple[str, str], dict[str, Any]]:
    """Recorded rows by run id and evaluation digest, without method, seed and what their study varies.

    A network may be in several tables, some of which were measured by fewer lenses: the fullest row counts.
    """
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    columns = ["id", "torch", "device", "cpu", *QUANTITIES, "images", "older"]
    for path in sorted(RECORDS.glob("*/*.csv")):
        table = _read(path)
        for row, plain in zip(_rows(table), _rows(table.loc[:, columns]), strict=True):
            for name in {row["id"], row["asked"]}:
                found.setdefault((name, row["evaluation"]), []).append({"source": "recorded", **plain})
    fullest = functools.partial(max, key=lambda row: sum(math.isfinite(row[name]) for name in QUANTITIES))
    return {key: fullest(rows) for key, rows in found.items()}
