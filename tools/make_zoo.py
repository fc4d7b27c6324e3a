"""Fill a zoo from the store: python tools/make_zoo.py PROFILE FOLDER MEGABYTES STUDY …

One seed of every network of these studies at this profile, as long as the zoo stays below its size; weights in half
precision. What the store does not have is trained.
"""

import shutil
import sys
from pathlib import Path

import safetensors.torch
import torch

from softbook.studies.catalogue import study_profile
from softlab.files import file_digest, write_json, write_tensors
from softlab.profile import load_profile
from softlab.training import runs, zoo
from softlab.training.experiment import Experiment

PARTS = ("experiment.json", "history.json", "provenance.json")


def main(profile: str, folder: Path, megabytes: float, studies: list[str]) -> None:
    settings = load_profile(profile)
    if any(not path.is_dir() or "-seed" not in path.name for path in folder.glob("*")):
        sys.exit(f"{folder} holds more than a zoo: it is not replaced")
    work = folder.with_name(f".{folder.name}")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    kept = 0
    left = 0
    for study in studies:
        for experiment in study_profile(settings, study).experiments():
            if experiment.seed == settings.seeds[0]:
                fits = put(experiment, work, megabytes * 10**6)
                kept = kept + fits
                left = left + (not fits)
    shutil.rmtree(folder, ignore_errors=True)
    work.rename(folder)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{kept} networks, {size / 1e6:.1f} MB in {folder}; {left} had no room")


def put(experiment: Experiment, folder: Path, room: float) -> bool:
    """Copy one run into the zoo, unless that would be more than there is room for."""
    run = runs.fit_or_load(experiment, use_zoo=False)
    weights = safetensors.torch.load_file(run.folder / "weights.safetensors")
    weights = {name: one.half() if one.is_floating_point() else one for name, one in weights.items()}
    used = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if used + sum(one.nbytes for one in weights.values()) + 15_000 > room:
        return False
    target = folder / runs.identify(zoo.asked(experiment), runs.dataset_of(experiment))
    target.mkdir(exist_ok=True)
    for name in PARTS:
        shutil.copy(run.folder / name, target / name)
    write_tensors(target / "weights.safetensors", weights)
    digests = {name: file_digest(target / name) for name in (*PARTS, "weights.safetensors")}
    write_json(target / "manifest.json", digests)
    return True


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]), sys.argv[4:])
