"""How networks bend, on record: python tools/record_bending.py PROFILE [--study core] [--seeds 1]

assets/records/bending/PROFILE.json: for each network what an attack leaves of the lead, and what a line would leave
(softlab.studies.bending). A network that is on record is not measured again, so that a killed run goes on.
"""

import argparse
import sys
import time

import torch

from softlab import provenance
from softlab.batches import as_pixels
from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.numbers.stored import look_at
from softlab.profile import load_profile, study_profile
from softlab.studies import bending
from softlab.studies.records import RECORDS
from softlab.studies.tables import json_rows
from softlab.training import runs
from softlab.training.store import alone


def main(profile: str, study: str, seeds: int) -> None:
    try:
        commit = provenance.clean_commit()
    except SoftlabError as error:
        sys.exit(str(error))
    settings = study_profile(load_profile(profile), study)
    path = bending.record_path(profile)
    path.parent.mkdir(parents=True, exist_ok=True)
    count = settings.evaluation["attack_size"]
    for experiment in settings.experiments():
        if experiment.seed not in settings.seeds[:seeds]:
            continue
        if experiment.as_dict() in [row["experiment"] for row in json_rows(path)]:
            continue
        run = runs.fit_or_load(experiment)
        look = look_at(run, settings.evaluation)
        images, labels = (part[:count] for part in look.samples.test)
        attacked, straight = bending.lead_left(look.model, as_pixels(images), labels)
        row = {"method": experiment.method, "seed": experiment.seed, "radii": list(bending.RADII)}
        row |= {"attacked": attacked, "straight": straight, "images": len(images), "id": run.id, "commit": commit}
        row |= {"experiment": experiment.as_dict(), "date": time.strftime("%Y-%m-%d"), "torch": torch.__version__}
        with alone(RECORDS, f"bending.{profile}", "records"):
            write_json(path, [*json_rows(path), row])
        print(experiment.method, experiment.seed, [round(value, 2) for value in attacked], flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("--study", default="core")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    main(given.profile, given.study, given.seeds)
