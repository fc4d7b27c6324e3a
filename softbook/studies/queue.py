"""What is declared and not on record yet, in the order in which it is recorded: `softbook record --queue`.

work(queued(), minutes=170)     # trains, measures and writes until the minutes are over; the same call goes on

queue.yml lists tables by study and profile, the first to be recorded first; `device: cuda` leaves one to machines that
have a GPU. All networks of a seed come before those of the next, so that a table that is still growing has pairs.
Workers train and measure; one process writes the rows, in the order of the queue. When the minutes are over, workers
are ended wherever they are: a network in training goes on from its checkpoint in the next call.

A table is of one commit, one torch and one device. One that was begun with others is left alone, with a line that says
which commit to check out.
"""

import contextlib
import functools
import multiprocessing
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from softbook.studies import recording
from softbook.studies.catalogue import FOLDER, study_profile
from softbook.studies.recording import Recording
from softbook.studies.tables import read_rows
from softlab import provenance
from softlab.errors import check_known
from softlab.files import read_yaml
from softlab.numbers import stored
from softlab.profile import load_profile
from softlab.training import loop, runs
from softlab.training.experiment import Experiment

ORIGIN = ("commit", "torch", "device")  # what all rows of a table have in common


@dataclass(frozen=True)
class Job:
    """One network of the queue. name: its run id.  experiment: its fields.  evaluation: of its profile."""

    study: str
    profile: str
    name: str
    experiment: dict[str, Any]
    evaluation: dict[str, Any]


def queued(names: Collection[str] = ()) -> list[tuple[str, str]]:
    """(study, profile) of each table of queue.yml that this machine records, in order.

    names: of studies or profiles, to which the list is narrowed (none: all).  Raises SoftlabError for an unknown name.
    """
    entries = read_yaml(FOLDER / "queue.yml")["tables"]
    known = [entry[part] for entry in entries for part in ("study", "profile")]
    for name in names:
        check_known("study or profile of the queue", name, known)
    here = loop.choose_device().type
    return [
        (entry["study"], entry["profile"])
        for entry in entries
        if entry.get("device", here) == here and (not names or {entry["study"], entry["profile"]} & {*names})
    ]


def work(
    tables: Sequence[tuple[str, str]],
    minutes: float | None = None,
    workers: int = 1,
    store: str | Path | None = None,
    say: Callable[[str], object] = recording.SAY,
) -> int:
    """Records the networks that these tables lack, in order; returns how many are left.

    minutes: after which it stops (None: when all is recorded).  workers: networks that are trained side by side.
    """
    end = None if minutes is None else time.monotonic() + 60 * minutes
    jobs = list(_jobs(tables, store, say))
    left = len(jobs)
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers) as pool, contextlib.suppress(multiprocessing.TimeoutError):
        done = pool.imap(functools.partial(_measured, store=store), jobs)
        for job in jobs:
            seconds = done.next(None if end is None else max(0.0, end - time.monotonic()))
            recording.record(job.study, load_profile(job.profile), store, lambda line: None, names=[job.name])
            left -= 1
            say(f"{time.strftime('%H:%M:%S')}  {job.study} {job.profile}: {job.name}, {seconds:.0f} s; {left} left")
    return left


def _jobs(tables: Sequence[tuple[str, str]], store: str | Path | None, say: Callable[[str], object]) -> Iterator[Job]:
    """The networks that these tables lack; a table of another commit or machine is left out, and said."""
    for study, name in tables:
        profile = study_profile(load_profile(name), study)
        table = Recording(study, profile, provenance.clean_commit(), store, say)
        missing = recording.lacking(table)
        if missing and (other := _other_origin(table)):
            say(f"{study} at {name}: {other}")
            continue
        for job in missing:
            yield Job(study, name, job, table.experiments[job].as_dict(), dict(profile.evaluation))


def _other_origin(table: Recording) -> str:
    """What a growing table has in its rows that this checkout and machine have not; empty where it may grow here."""
    if not table.path.exists():
        return ""
    header, rows = read_rows(table.path)
    here = provenance.environment(loop.device_name(loop.choose_device())) | {"commit": table.commit}
    for part in ORIGIN:
        others = {row[header.index(part)] for row in rows} - {here[part]}
        if others:
            advice = f"; git worktree add --detach ../recorder {min(others)}, and record there" * (part == "commit")
            return f"its rows are of {part} {min(others)}, this is {here[part]}{advice}"
    return ""


def _measured(job: Job, store: str | Path | None) -> float:
    """Trains and measures one network, unless it is there; the seconds that it took. What fails is the row's to say."""
    torch.set_num_threads(1)
    started = time.perf_counter()
    with contextlib.suppress(loop.Diverged):
        run = runs.fit_or_load(Experiment(**job.experiment), store=store, use_zoo=False)
        stored.of(run, job.evaluation)
    return time.perf_counter() - started
