"""Records of many networks on a GPU that is lent for minutes: python tools/campaign.py FOLDER [STEP ...] [--minutes 9]

STEP is STUDY:PROFILE:SEEDS, in the order of their worth; without one, those of STEPS. `softbook record` writes the
tables, row by row; beside it, workers train and measure the networks ahead of it, so that the GPU is busy while lenses
compute on the CPU. When the minutes are over, all are ended. FOLDER has records.tar.gz, to be unpacked in
softbook/records before the next call, which goes on where this one stopped, and log.txt with seconds for each network.
Both grow with each row, so that a machine that is taken away early takes one row along: let FOLDER be the one that
comes back from it.
SOFTLAB_COMMIT says of which commit the code is, in full, where it was copied without its .git. With PYTHONPATH=.
softlab need not be installed, but what it needs must be (pyproject.toml).
"""

import argparse
import contextlib
import itertools
import multiprocessing
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import torch

from softbook.studies import recording, records
from softbook.studies.catalogue import studies_of, study_profile
from softlab import load_profile
from softlab.errors import SoftlabError
from softlab.files import write_whole
from softlab.numbers import stored
from softlab.profile import Profile
from softlab.training import runs
from softlab.training.experiment import Experiment

# The papers' architecture first, as many pairs as fit; then their regime with length and cosine set by hand, and
# features probed in colour. AutoAttack runs alone, after these (tools/record_autoattack.py).
STEPS = (
    "core:resnet18-confirm:1",
    "core:resnet18-confirm:2",
    "core:resnet18-confirm:3",
    "park_by_hand:cifar10-papers:1",
    "park_by_hand:cifar10-papers:3",
    "park_by_hand:cifar10-papers:5",
    "transfer:cifar10-jpeg-flip:2",
    "transfer:cifar10-jpeg-flip:5",
    "core:resnet18-confirm:5",
    "training_images:resnet18-confirm:1",
    "dimension:resnet18-confirm:1",
)


def settings_of(step: str) -> tuple[str, Profile]:
    """The study and the profile, with so many seeds, of STUDY:PROFILE:SEEDS."""
    study, profile, seeds = step.split(":")
    return study, load_profile(profile, seeds=int(seeds))


Job = tuple[dict, dict, bool]  # an experiment, how it is evaluated, and whether its snapshots are, too


def lacking(steps: Sequence[str]) -> list[Job]:
    """Experiments of the steps without a row, in their order, each once, with how they are evaluated."""
    found: list[Job] = []
    seen = []
    for study, settings in map(settings_of, steps):
        profile = study_profile(settings, study)
        along = bool(studies_of(settings)[study].get("along"))
        for one in profile.experiments():
            job = (one, dict(profile.evaluation))
            if job not in seen and not records.recorded(*job):
                seen.append(job)
                found.append((one.as_dict(), job[1], along))
    return found


def measured(job: Job) -> str:
    """Train and measure one network; what it took."""
    torch.set_num_threads(1)
    experiment = Experiment(**job[0])
    evaluation = job[1]
    along = job[2]
    times = [time.perf_counter()]
    try:
        run = runs.fit_or_load(experiment, use_zoo=False)
        times.append(time.perf_counter())
        stored.of(run, evaluation)
        for epoch in experiment.snapshot_epochs if along else ():
            stored.of(run, evaluation, epoch)
    except Exception as error:  # also the device's: what the others measure is kept
        return f"{experiment.method}: {error}"
    times.append(time.perf_counter())
    training, lenses = (after - before for before, after in itertools.pairwise(times))
    return (
        f"{training:6.1f} s training {lenses:6.1f} s numbers, {run.history['accuracy'][-1]:.3f} in training: {run.id}"
    )


def write(steps: Sequence[str], path: Path) -> None:
    """The tables of the steps, one after the other, and the archive after each row; a step that fails is told."""
    torch.set_num_threads(1)
    for study, settings in map(settings_of, steps):
        try:
            recording.record(study, settings, say=lambda text: archive(steps, path))
        except SoftlabError as error:
            print(f"{study} of {settings.name}: {error}", flush=True)


def tables_of(steps: Sequence[str]) -> set[Path]:
    """What a step may have written: its table with outcomes and snapshots, what describes it, AutoAttack's files."""
    found: set[Path] = set()
    for study, settings in map(settings_of, steps):
        folder = records.RECORDS / study
        for pattern in (f"{settings.name}.*", f"along/{settings.name}.csv", "about.json"):
            found |= set(folder.glob(pattern))
        found |= set((records.RECORDS / "autoattack").glob(f"{settings.name}[.-]*"))
    return found


def archive(steps: Sequence[str], path: Path) -> None:
    """Write what the steps have on record so far, whole."""

    def write_tables(file: BinaryIO) -> None:
        with tarfile.open(fileobj=file, mode="w:gz") as archived:
            for table in sorted(tables_of(steps)):
                archived.add(table, table.relative_to(records.RECORDS))

    write_whole(path, write_tables)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=9)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("steps", nargs="*", default=STEPS, metavar="STUDY:PROFILE:SEEDS")
    options = parser.parse_args()
    end = time.monotonic() + 60 * options.minutes
    context = multiprocessing.get_context("spawn")
    options.folder.mkdir(parents=True, exist_ok=True)
    rows = options.folder / "records.tar.gz"
    writer = context.Process(target=write, args=(options.steps, rows), daemon=True)
    with (options.folder / "log.txt").open("a") as log, context.Pool(options.workers) as pool:
        writer.start()
        found = pool.imap_unordered(measured, lacking(options.steps))
        with contextlib.suppress(multiprocessing.TimeoutError, StopIteration):
            while (left := end - time.monotonic()) > 0:
                print(time.strftime("%H:%M:%S"), found.next(left), file=log, flush=True)
        writer.join(max(0, end - time.monotonic()))
        writer.kill()
    archive(options.steps, rows)
    print((options.folder / "log.txt").read_text(), end="")


if __name__ == "__main__":
    main()
