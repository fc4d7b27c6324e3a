"""What the engine is about to do: training jobs, the minutes they take by run times on record, and how far it is.

python plan.py OUT OUTPUT, at the end of a job, prints how many jobs are done and how long the others will take.
"""

import hashlib
import json
import math
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from softlab.experiment import Experiment
from softlab.files import write_json
from softlab.profile import Profile
from softlab.provenance import store_folder

ALIKE = ("data", "model", "width", "stem_stride", "train_size")  # networks whose epochs take equally long
RECORDS = 200  # of the newest runs


@dataclass(frozen=True)
class Training:
    """One training job: what `softlab train` is given, and the networks that come of it."""

    name: str
    arguments: tuple[str, ...]
    experiments: tuple[Experiment, ...]


def training_jobs(profile: Profile, study: str, per_job: int, changes: tuple[str, ...] = ()) -> Iterator[Training]:
    """A study's training jobs, a few seeds of one method in each. changes: `--set` of softlab train, as given to it.

    Two jobs that train the same networks have the same name.
    """
    everything = profile.experiments()
    for method in profile.methods:
        of_method = [one for one in everything if one.method == method]
        for first in range(0, len(of_method), per_job):
            some = of_method[first : first + per_job]
            seeds = [str(one.seed) for one in some]
            given = ["--study", study, "--method", method, "--seed", *seeds]
            name = f"{method}-{seeds[0]}-{digest([one.as_dict() for one in some])}"
            yield Training(name, (*given, *changes), tuple(some))


def network_name(study: str, method: str, seed: int) -> str:
    """How an edition names a network of a study, and the file that holds its record."""
    return f"{study}-{method}-seed{seed}"


def digest(content: object) -> str:
    """A short name for plain values: equal for equal content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]


def as_yaml(content: object) -> str:
    """Plain values as YAML. (JSON is nearly that, but YAML 1.1 takes its 1e-05 for text.)"""
    return yaml.safe_dump(content, default_flow_style=True, width=math.inf).removesuffix("...\n").strip()


def run_times() -> dict[tuple, float]:
    """Seconds for an epoch of networks that are in the store: {what they have in common: median}."""
    found: dict[tuple, list[float]] = {}
    folders = sorted(store_folder().glob("*-seed*"), key=lambda folder: folder.stat().st_mtime)
    for folder in folders[-RECORDS:]:
        try:
            fields, record = (
                json.loads((folder / f"{part}.json").read_bytes()) for part in ("experiment", "provenance")
            )
            seconds = record["wall_seconds"] / fields["epochs"]
            found.setdefault(tuple(fields[name] for name in ALIKE), []).append(seconds)
        except (OSError, ValueError, KeyError):  # not a whole run: its own reader will say so
            continue
    return {alike: statistics.median(some) for alike, some in found.items()}


def training_seconds(experiments: Iterable[Experiment], times: Mapping[tuple, float], profile: Profile) -> float | None:
    """Seconds on one core: by networks on record, else by the profile's own time; None: nobody knows."""
    base, total = profile.experiment, 0.0
    for one in experiments:
        seconds = times.get(tuple(getattr(one, name) for name in ALIKE))
        if seconds is None:
            seconds = profile.seconds_per_network.get("cpu", 0) / base.epochs
            seconds *= (one.train_size or base.train_size or 1) / (base.train_size or one.train_size or 1)
        if not seconds:
            return None
        total += seconds * one.epochs
    return total


def job_times(out: Path) -> dict[str, float]:
    """Seconds that jobs took in this build, by what they make: medians where a notebook had many parameters."""
    found: dict[str, list[float]] = {}
    records = [path for place in ("notebooks/*.json", "sweeps/*/points/*/*.json") for path in out.glob(place)]
    for path in [*records, *out.glob("sweeps/*/table.json"), *out.glob("index.json")]:
        if path.name.count(".") == 1:
            found.setdefault(path.stem, []).append(json.loads(path.read_bytes())["seconds"])
    return {name: statistics.median(some) for name, some in found.items()}


def begin(out: Path, seconds: Mapping[str, float | None], parallel: int, dry_run: bool = False) -> None:
    """Say what is about to run, and leave it in OUT/plan.json for `done`. seconds: output of each job -> estimate."""
    if dry_run:
        for output, estimate in seconds.items():
            print(f"{_minutes(estimate):>12}  {output}")
    left = time_left(seconds.values(), parallel)
    if seconds or dry_run:
        print(f"{len(seconds)} jobs, up to {parallel} at once{left}", flush=True)
    if not dry_run:
        content = {"started": time.time(), "parallel": parallel, "seconds": dict(seconds)}
        write_json(out / "plan.json", content)


def done(out: Path, output: str) -> None:
    """Say how many jobs of the plan are done, and how long the others will take."""
    plan = json.loads((out / "plan.json").read_bytes())
    waiting = {path: seconds for path, seconds in plan["seconds"].items() if not _made_since(path, plan["started"])}
    waiting.pop(output, None)
    if None in waiting.values():  # a notebook like it may have been executed meanwhile
        times = job_times(out)
        waiting = {path: seconds or times.get(Path(path).stem) for path, seconds in waiting.items()}
    total = len(plan["seconds"])
    left = time_left(waiting.values(), plan["parallel"]) if waiting else ""
    print(f"[{total - len(waiting)} of {total} jobs]{left}", flush=True)


def time_left(estimates: Iterable[float | None], parallel: int) -> str:
    """In words: the time that all jobs together take, and for how many of them nobody knows."""
    estimates = list(estimates)
    known = [one for one in estimates if one is not None]
    unknown = len(estimates) - len(known)
    parts = [f"at most {_minutes(sum(known) / parallel)}"] if known else []
    parts += [f"{unknown} of them never timed before"] if unknown else []
    return "".join(f", {part}" for part in parts)


def _minutes(seconds: float | None) -> str:
    return "not known" if seconds is None else f"{seconds / 60:.1f} min"


def _made_since(path: str, started: float) -> bool:
    file = Path(path)
    return file.exists() and file.stat().st_mtime >= started


if __name__ == "__main__":
    done(Path(sys.argv[1]), sys.argv[2])
