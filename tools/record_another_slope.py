"""Same answers, another slope, on record: python tools/record_another_slope.py PROFILE METHOD PULL SEED ...

For each seed the method's network is trained (or taken from the store), retrained to each slope that
softbook.studies.another_slope names, and measured: softbook/records/slope_by_hand/PROFILE.json, a row for each. All
slopes of a network are written together, as the sham needs the others; a kill loses the network in work, and the next
call goes on. Whether a dose is admitted is decided on `fit` images, before its network is attacked.
"""

import argparse
import dataclasses

import torch

from _rows import add, committed, origin
from softbook.studies import another_slope
from softbook.studies.records import beside_path
from softbook.studies.tables import json_rows
from softlab.numbers.look import applied, together
from softlab.numbers.quantities import LENSES, Look
from softlab.numbers.stored import look_at, round_weights
from softlab.profile import load_profile
from softlab.training import runs

LENSES_ASKED = ("outcomes", "calibrated", "ranked", "magnitudes", "attacked", "steep", "one_step")


def main(profile: str, method: str, pull: float, seeds: list[int]) -> None:
    commit = committed()
    settings = load_profile(profile)
    experiment = next(one for one in settings.experiments() if one.method == method)
    path = beside_path("slope_by_hand", profile)
    for seed in seeds:
        if (method, seed) in {(row["method"], row["seed"]) for row in json_rows(path)}:
            continue
        run = runs.fit_or_load(experiment.replace(seed=seed), use_zoo=False)
        dataset = runs.dataset_of(run.experiment)
        before = look_at(run, settings.evaluation)
        doses = another_slope.all_doses(before.model, another_slope.images_of(run.experiment, dataset), pull, seed)
        made = []
        for tau in another_slope.TAUS:
            network = doses[tau]
            round_weights(network)
            change = another_slope.change(before.model, network, dataset.fit_images, dataset.fit_labels)
            look = Look(network, before.samples)
            found = together([applied(LENSES[name], look) for name in LENSES_ASKED])
            row = {"origin": run.id, "method": method, "seed": seed, "tau": tau, "pull": pull}
            row |= {"cpu": run.provenance.get("cpu"), **origin(commit)}
            made.append(row | {"change": dataclasses.asdict(change), "numbers": dict(found.values)})
            said = "admitted" if change.admitted else "not admitted"
            print(f"{run.id}, τ = {tau:g}: {said}, {found.values['robust, 4/255']:.3f}", flush=True)
        add(path, *made)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("method", choices=["baseline", "label_smoothing"])
    parser.add_argument("pull", type=float)
    parser.add_argument("seeds", type=int, nargs="+")
    given = parser.parse_args()
    main(given.profile, given.method, given.pull, given.seeds)
