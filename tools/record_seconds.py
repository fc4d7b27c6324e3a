"""What methods cost in time, on record: python tools/record_seconds.py PROFILE

Each method trains for a few epochs on one thread, one after the other and ROUNDS times over, so that whatever slows the
machine down slows all of them. softbook/records/seconds/PROFILE.json: a row for each method and round, with seconds of
the processor an epoch; softbook.studies.seconds reads it.
"""

import argparse
import time

import torch
from torch.backends import cpu

from _rows import committed, origin
from softbook.studies import seconds
from softbook.studies.records import beside_path
from softlab.files import write_json
from softlab.profile import load_profile
from softlab.training import loop, runs

EPOCHS = 2
ROUNDS = 5


def main(profile: str) -> None:
    commit = committed()
    settings = load_profile(profile)
    dataset = runs.dataset_of(settings.experiment)
    path = beside_path("seconds", profile)
    rows = []
    for turn in range(-1, ROUNDS):  # the first one warms up
        for name, (method, parameters) in seconds.METHODS.items():
            experiment = settings.experiment.replace(
                method=method, method_parameters=parameters, epochs=EPOCHS, snapshot_epochs=(), seed=max(turn, 0)
            )
            start = time.process_time()
            for _ in loop.epochs(experiment, dataset):
                pass
            row = {"name": name, "round": turn, "seconds": (time.process_time() - start) / EPOCHS}
            row |= {"cpu": cpu.get_cpu_capability(), **origin(commit)}
            rows += [row] if turn >= 0 else []
        print(f"round {turn + 1} of {ROUNDS}", flush=True)
    write_json(path, rows)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser()
    parser.add_argument("profile")
    main(parser.parse_args().profile)
