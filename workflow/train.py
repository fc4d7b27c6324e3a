"""Train and measure the networks of one job: python train.py NETWORKS MANIFEST

NETWORKS is a list, as of plan.networks; MANIFEST, a row for each with its numbers, is written when all are there.
What the store has is not trained again; of two processes that want the same network one trains it, and one waits.
"""

import json
import math
import sys
from pathlib import Path

from softlab.errors import SoftlabError
from softlab.files import write_json
from softlab.numbers import stored
from softlab.training import loop, runs
from softlab.training.experiment import Experiment


def main(networks: Path, manifest: Path) -> None:
    """Raises SoftlabError, with what is finished in the store, if a training fails."""
    wanted = json.loads(networks.read_bytes())
    rows = []
    for count, network in enumerate(wanted, 1):
        run = fitted(Experiment(**network["experiment"]), f"{count} of {len(wanted)}")
        numbers = stored.of(run, network["evaluation"]).values
        row = {"id": run.id, "study": network["study"], "method": run.experiment.method, "seed": run.experiment.seed}
        values = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
        rows.append(row | {"values": values})
    write_json(manifest, rows)


def fitted(experiment: Experiment, progress: str) -> runs.Run:
    """The run of an experiment, with a line if it was trained here. progress: of all that is wanted."""
    epochs: list[int] = []

    def ahead(state: loop.TrainingState) -> None:
        epochs.append(state.epoch)

    run = runs.fit_or_load(experiment, device=loop.choose_device(), on_epoch=ahead)
    if epochs:
        seconds = run.provenance["wall_seconds"]
        accuracy = run.history["accuracy"][-1]
        print(f"trained {run.id} in {seconds:.1f} s, training accuracy {accuracy:.3f} ({progress})", flush=True)
    return run


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except SoftlabError as error:
        sys.exit(f"softlab: {error}")
