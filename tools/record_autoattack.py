"""AutoAttack on record: python tools/record_autoattack.py PROFILE SEEDS METHOD ... [--study NAME] [--only FIELD=VALUE]

AutoAttack costs minutes a network, so its outcomes are recorded, for some networks of a study (the core) and at one
radius, 4/255 unless --radius says another: softbook/records/autoattack/PROFILE.npz (PROFILE-RADIUS.npz at another), one
array for each network, by run id: is the image right still? It meets the images that the ladder meets, or the first of
them (--images), also those that the ladder fools, so that the two can be compared: `ladder` is the share that it leaves
of this network, which need not be its row's where another processor trained that one.
Written batch by batch: a kill loses the batch in work, and the next call goes on.
"""

import argparse
import json
import math
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from _rows import attacked, committed, origin
from softbook.studies.catalogue import study_profile
from softbook.studies.records import RECORDS, beside_path
from softbook.studies.robustness import RADIUS_OF_AUTOATTACK, autoattack_name
from softlab.files import write_json, write_whole
from softlab.lenses import attacks
from softlab.numbers import stored
from softlab.numbers.stored import evaluation_digest
from softlab.profile import load_profile
from softlab.training import runs
from softlab.training.store import alone

BATCH = 50


def main(given: argparse.Namespace, only: dict[str, object]) -> None:
    commit = committed()
    settings = study_profile(load_profile(given.profile, seeds=given.seeds), given.study)
    about = beside_path("autoattack", autoattack_name(given.profile, given.radius))
    path = about.with_suffix(".npz")
    for experiment in sorted(settings.experiments(), key=lambda one: one.seed):
        name = settings.cell_of(experiment) if settings.cells else experiment.method
        if name not in given.methods or not only.items() <= experiment.as_dict().items():
            continue
        run = runs.fit_or_load(experiment, use_zoo=False)
        count = min(given.images or math.inf, settings.evaluation["attack_size"])
        if "ladder" in _json(about).get(run.id, {}) and len(_arrays(path).get(run.id, ())) == count:
            continue
        network, images, labels = attacked(run, settings.evaluation, given.images)
        while (done := len(_arrays(path).get(run.id, ()))) < len(labels):
            batch = slice(done, done + given.batch)
            result = attacks.autoattack(network, images[batch], labels[batch], given.radius / 255)
            with alone(RECORDS, f"autoattack.{path.stem}", "records"):
                found = _arrays(path)
                found[run.id] = np.concatenate([found.get(run.id, np.zeros(0, bool)), ~result.success.cpu().numpy()])
                write_whole(path, lambda file, whole=found: np.savez_compressed(file, **whole))  # pyright: ignore
            print(time.strftime("%H:%M:%S"), run.id, len(found[run.id]), f"{found[run.id].mean():.3f}", flush=True)
        digest = evaluation_digest(runs.dataset_of(experiment), settings.evaluation)
        said = {"evaluation": digest, "pyautoattack": version("pyautoattack"), **origin(commit)}
        survives = stored.of(run, settings.evaluation).images[f"survives {given.radius:g}/255"]
        said["ladder"] = float(survives[: len(labels)].mean())
        with alone(RECORDS, f"autoattack.{path.stem}", "records"):
            write_json(about, _json(about) | {run.id: said})


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def _json(path: Path) -> dict[str, dict[str, object]]:
    return json.loads(path.read_bytes()) if path.exists() else {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    parser.add_argument("seeds", type=int)
    parser.add_argument("methods", nargs="+", help="or, of a declared study, its cells")
    parser.add_argument("--study", default="core")
    parser.add_argument("--only", nargs="*", default=[], help="of the study's networks, those whose field is this")
    parser.add_argument("--radius", type=float, default=RADIUS_OF_AUTOATTACK, help="in 255ths")
    parser.add_argument("--images", type=int, help="the first so many of those that the ladder meets")
    parser.add_argument("--batch", type=int, default=BATCH, help="images at once: a kill loses so many")
    given = parser.parse_args()
    fields = {name: json.loads(value) for name, value in (one.split("=", 1) for one in given.only)}
    main(given, fields)
