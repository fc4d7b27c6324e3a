"""Does a network notice classes it was never shown, on record: python tools/record_unknown_classes.py PROFILE SEED ...

For each seed, split and method that softbook.studies.unknown_classes names, a network is trained without two classes
(or taken from the store) and measured: softbook/records/unknown_classes/PROFILE.json, a row for each. A kill loses the
network in work, and the next call goes on.
"""

import argparse
import copy
import time

import torch
from sklearn.datasets import load_digits
from torch import Tensor
from torch.nn.functional import interpolate

from _rows import add, committed, origin
from softbook.studies import unknown_classes
from softbook.studies.records import beside_path
from softbook.studies.tables import json_rows
from softlab.batches import as_pixels
from softlab.lenses.attacks.ascent import all_logits
from softlab.numbers.stored import round_weights
from softlab.profile import load_profile
from softlab.training import data, runs


def digits(size: int) -> Tensor:
    """scikit-learn's digits, (N, 1, 8, 8) in 0 to 16, enlarged to (N, 1, size, size) uint8."""
    images = torch.from_numpy(load_digits().images).float()[:, None] / 16
    enlarged = interpolate(images, (size, size), mode="bilinear", align_corners=False)
    return (255 * enlarged).round().to(torch.uint8)


def main(profile: str, seeds: list[int]) -> None:
    commit = committed()
    settings = load_profile(profile)
    whole = data.load(settings.experiment.data)
    path = beside_path("unknown_classes", profile)
    foreign = digits(whole.test_images.shape[-1])
    for held in unknown_classes.SPLITS:
        known = unknown_classes.without(whole, held)
        data.register(known.name)(lambda root, known=known: known)
    for seed in seeds:
        for split, held in enumerate(unknown_classes.SPLITS):
            for method in unknown_classes.METHODS:
                if (method, seed, split) in {(row["method"], row["seed"], row["split"]) for row in json_rows(path)}:
                    continue
                start = time.monotonic()
                name = unknown_classes.name_of(whole.name, held)
                experiment = settings.experiment.replace(
                    data=name,
                    method=method,
                    method_parameters=settings.methods[method],
                    seed=seed,
                    snapshot_epochs=(),
                )
                run = runs.fit_or_load(experiment, use_zoo=False)
                network = copy.deepcopy(run.model)
                round_weights(network)
                known = data.load(name)
                unknown = {
                    unknown_classes.HELD_OUT: unknown_classes.of_classes(whole, held),
                    unknown_classes.DIGITS: foreign,
                }
                right = all_logits(network, as_pixels(known.test_images)).argmax(1) == known.test_labels
                row = {"method": method, "seed": seed, "split": split, "id": run.id}
                row |= {"cpu": run.provenance.get("cpu"), **origin(commit)}
                row |= {"seconds": round(time.monotonic() - start, 1), "accuracy": float(right.double().mean())}
                row["numbers"] = unknown_classes.measured(network, known.test_images, unknown)
                add(path, row)
                print(f"{run.id}, split {split}, {row['seconds']:.0f} s", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("seeds", type=int, nargs="+")
    given = parser.parse_args()
    main(given.profile, given.seeds)
