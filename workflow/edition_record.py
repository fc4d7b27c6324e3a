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

from softlab import fingerprint, runs
from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.measure import measure
from softlab.notebook import samples_of
from softlab.profile import Profile, load_profile, study_profile
from softlab.provenance import commit

SCHEMA = 1


def recorded(profile: Profile, study: str, method: str, seed: int, store: str | Path | None = None) -> dict:
    """The record of one network, trained now if the store does not have it. Raises SoftlabError if there is none."""
    wanted = (method, seed)
    wished = [one for one in study_profile(profile, study).experiments() if (one.method, one.seed) == wanted]
    if not wished:
        raise SoftlabError(f"study {study} of profile {profile.name} trains no {method} with seed {seed}")
    run = runs.fit_or_load(wished[0], store=store, use_zoo=False)
    started = time.monotonic()
    problems: dict[str, str] = {}  # lenses that cannot be applied to this network, by their chapter
    found = measure(run.model, samples_of(run.experiment, profile), problems=problems)
    numbers = {name: float(value) for name, value in found.items() if isfinite(value)}
    manifest = json.loads((run.folder / "manifest.json").read_bytes())
    return {
        "schema": SCHEMA,
        "network": f"{study}-{method}-seed{seed}",
        "study": study,
        "method": method,
        "seed": seed,
        "run": run.id,
        "experiment": run.experiment.as_dict(),
        "data_digest": run.provenance["data_digest"],
        "data_source": run.provenance["data_source"],
        "training_code": fingerprint.training_code_digest(),
        "weights": manifest["weights.safetensors"],
        "last_epoch": {name: values[-1] for name, values in run.history.items()},
        "trained": {**run.provenance, "cpu": torch.backends.cpu.get_cpu_capability()},
        "measured": {"commit": commit(), "seconds": round(time.monotonic() - started, 1)},
        "numbers": numbers,
        "problems": problems,
    }


if __name__ == "__main__":
    profile, study, method, seed, output = sys.argv[1:]
    write_json(Path(output), recorded(load_profile(profile), study, method, int(seed)))
    print(f"recorded {Path(output).stem}", flush=True)
