"""One network of an edition as a file: python edition_record.py PROFILE STUDY METHOD SEED OUTPUT

Its experiment, every number of the book, the digest of its weights, and where it was trained. The file appears when
it is whole.
"""

import json
import sys
import time
from math import isfinite
from pathlib import Path

import torch
from plan import network_name

from softlab import runs
from softlab.experiment import Experiment
from softlab.files import write_json
from softlab.measure import measure
from softlab.notebook import samples_of
from softlab.profile import Profile, load_profile, study_profile
from softlab.provenance import commit

SCHEMA = 1


def recorded(profile: Profile, study: str, experiment: Experiment, store: str | Path | None = None) -> dict:
    """The record of one network of a study, trained now if the store does not have it."""
    run = runs.fit_or_load(experiment, store=store, use_zoo=False)
    method, seed, started = experiment.method, experiment.seed, time.monotonic()
    problems: dict[str, str] = {}  # lenses that cannot be applied to this network, by their chapter
    found = measure(run.model, samples_of(run.experiment, study_profile(profile, study)), problems=problems)
    numbers = {name: float(value) for name, value in found.items() if isfinite(value)}
    manifest = json.loads((run.folder / "manifest.json").read_bytes())
    return {
        "schema": SCHEMA,
        "network": network_name(study, method, seed),
        "study": study,
        "method": method,
        "seed": seed,
        "run": run.id,
        "experiment": run.experiment.as_dict(),
        "data_digest": run.provenance["data_digest"],
        "data_source": run.provenance["data_source"],
        "weights": manifest["weights.safetensors"],
        "last_epoch": {name: values[-1] for name, values in run.history.items()},
        "trained": {"cpu": torch.backends.cpu.get_cpu_capability(), **run.provenance},
        "failure": run.failure,
        "measured": {"commit": commit(), "seconds": round(time.monotonic() - started, 1)},
        "numbers": numbers,
        "problems": problems,
    }


def main(profile: Profile, study: str, method: str, seed: int, output: Path) -> None:
    (wanted,) = (one for one in study_profile(profile, study).experiments() if (one.method, one.seed) == (method, seed))
    write_json(output, recorded(profile, study, wanted))


if __name__ == "__main__":
    profile, study, method, seed, output = sys.argv[1:]
    main(load_profile(profile), study, method, int(seed), Path(output))
    print(f"recorded {Path(output).stem}", flush=True)
