"""The same attack on louder logits, on record: python tools/record_louder.py PROFILE [--study core] [--radius 4]

softbook/records/louder/PROFILE.json: for each network and radius what seven steps up the cross-entropy leave when the
logits are multiplied by a factor (softbook.studies.louder). What is on record is not measured again, so that a killed
run goes on.
"""

import argparse

import torch

from _rows import add, attacked, committed, origin
from softbook.studies import louder
from softbook.studies.catalogue import study_profile
from softbook.studies.records import beside_path
from softbook.studies.tables import json_rows
from softlab.profile import load_profile
from softlab.training import runs


def main(profile: str, study: str, radii: list[float], methods: list[str]) -> None:
    commit = committed()
    settings = study_profile(load_profile(profile), study)
    path = beside_path("louder", profile)
    for experiment in settings.experiments():
        known = [row["radius"] for row in json_rows(path) if row["experiment"] == experiment.as_dict()]
        lacking = [radius for radius in radii if radius not in known]
        if not lacking or (methods and experiment.method not in methods):
            continue
        run = runs.fit_or_load(experiment)
        network, images, labels = attacked(run, settings.evaluation)
        for radius in lacking:
            found = louder.measured(network, images, labels, radius / 255)
            row = {"method": experiment.method, "seed": experiment.seed, "radius": radius, **found}
            row |= {"images": len(images), "id": run.id, "experiment": experiment.as_dict()}
            add(path, row | origin(commit))
            print(experiment.method, experiment.seed, radius, {k: round(v, 3) for k, v in found.items()}, flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("--study", default="core")
    parser.add_argument("--radius", type=float, nargs="+", default=[4.0], help="in 255ths")
    parser.add_argument("--methods", nargs="*", default=[], help="only these")
    given = parser.parse_args()
    main(given.profile, given.study, given.radius, given.methods)
