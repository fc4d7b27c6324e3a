"""What it takes to try the book: a chapter by papermill, and the one file, beside a bare training of their network.

Each is a process of its own, with a new store and one thread, once. Counted are the processor's seconds, which other
work on the machine changes less than the clock's: loading libraries, networks, measurements and pictures. The bare
training is forward, backward and optimizer step for as many epochs, on batches that are ready in memory, in the same
precision. The file trains two networks, the chapter two and one for an exercise.
"""

import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import training_overhead
from common import report

from softlab import load_profile
from softlab.training import data, loop

ROOT = Path(__file__).parents[1]
CHAPTER = "magnitudes"
PAPERMILL = [sys.executable, "-m", "papermill", "--log-level", "ERROR", "--no-progress-bar", "--inject-output-path"]


def train_bare(precision: str) -> None:
    """The quick profile's network, from its first epoch to its last."""
    experiment = loop.resolve(load_profile("quick").experiment.replace(precision=precision), "cpu")
    torch.set_num_threads(experiment.threads)
    epoch, _ = training_overhead.bare(experiment, data.load("fashion-mini"))
    for _ in range(experiment.epochs):
        epoch()


def spent(command: list[str], folder: str) -> float:
    """Seconds of the processor that a command takes, those of what it starts included."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "SOFTLAB_STORE": folder, "SOFTLAB_ZOO": "0"}
    environment |= {"SOFTLAB_RESULTS": str(Path(folder) / "results.json")}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    chapter = [*PAPERMILL, str(ROOT / "notebooks" / f"{CHAPTER}.ipynb"), "out.ipynb"]
    commands = {
        "try_chapter": ("auto", f"the chapter {CHAPTER}, by papermill", [*chapter, "-p", "profile", "quick"]),
        "try_file": ("fp32", "softlabels.py", [sys.executable, str(ROOT / "softlabels.py")]),
    }
    for name, (precision, called, command) in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            reference = f"bare training, {precision}"
            seconds = {reference: [spent([sys.executable, __file__, precision], folder)]}
            seconds[called] = [spent(command, folder)]
        report(name, reference, seconds, "quick, processes of their own, one thread; seconds of the processor")


if __name__ == "__main__":
    train_bare(sys.argv[1]) if sys.argv[1:] else main()
