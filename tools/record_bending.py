"""How networks bend, on record: python tools/record_bending.py PROFILE [--study core] [--seeds 1]

softbook/records/bending/PROFILE.json: for each network what an attack leaves of the lead, and what a line would leave
(softbook.studies.bending). A network that is on record is not measured again, so that a killed run goes on.
"""

import argparse

import torch

from _rows import add, attacked, committed, origin
from softbook.studies import bending
from softbook.studies.catalogue import study_profile
from softbook.studies.records import beside_path
from softbook.studies.tables import json_rows
from softlab.profile import load_profile
from softlab.training import runs


def main(profile: str, study: str, seeds: int) -> None:
    commit = committed()
    settings = study_profile(load_profile(profile), study)
    path = beside_path("bending", profile)
    for experiment in settings.experiments():
        if experiment.seed not in settings.seeds[:seeds]:
            continue
        if experiment.as_dict() in [row["experiment"] for row in json_rows(path)]:
            continue
        run = runs.fit_or_load(experiment)
        network, images, labels = attacked(run, settings.evaluation)
        left, straight = bending.lead_left(network, images, labels)
        row = {"method": experiment.method, "seed": experiment.seed, "radii": list(bending.RADII)}
        row |= {"attacked": left, "straight": straight, "images": len(images), "id": run.id}
        row |= {"experiment": experiment.as_dict()}
        add(path, row | origin(commit))
        print(experiment.method, experiment.seed, [round(value, 2) for value in left], flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("--study", default="core")
    parser.add_argument("--seeds", type=int, default=1)
    given = parser.parse_args()
    main(given.profile, given.study, given.seeds)
