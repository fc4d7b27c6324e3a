"""Seconds for 50,000 images of airbench's network on a GPU: python benchmarks/airbench_network.py [--data NAME]

softlab's training of the same architecture (model: airbench, width 64: 64, 256 and 256 channels, eager, bf16, flips)
beside the package's own loop (train94: half precision, channels last, flips and shifts), both with batches of 1024.
Taking turns; the package's seconds are those of its whole call over the epochs that it runs. Without a CUDA GPU there
is nothing to do.
"""

import argparse
import importlib.util
import time

import airbench_data
import torch
from common import cifar_here, gpu_or_none, report

from softlab import load_profile
from softlab.training import data, loop

OURS = "softlab, eager"
COMPILED = "softlab, compiled"
THEIRS = "airbench, train94"
EPOCHS = 8  # of a turn of ours


def epochs_of(experiment, dataset, device: torch.device):
    """A function that trains EPOCHS epochs more and returns the seconds of one."""
    run = loop.epochs(experiment, dataset, device)
    next(run)

    def some_epochs() -> float:
        torch.cuda.synchronize()
        started = time.perf_counter()
        for _ in range(EPOCHS):
            next(run)
        torch.cuda.synchronize()
        return (time.perf_counter() - started) / EPOCHS

    return some_epochs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="default: CIFAR data that are here")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    device = gpu_or_none("airbench_network")
    if device is None:
        return
    if not importlib.util.find_spec("airbench"):
        print("airbench_network: skipped, airbench is not installed (pip install airbench)")
        return
    dataset = data.load(options.data or cifar_here())
    shape = {"data": dataset.name, "width": 64, "batch_size": 1024, "precision": "bf16", "seed": 1}
    endless = {"epochs": 10_000, "snapshot_epochs": [], "threads": 1}
    experiment = load_profile("cifar10-papers").experiment.replace(**shape | endless)
    contestants = {
        OURS: epochs_of(experiment, dataset, device),
        COMPILED: epochs_of(experiment.replace(compiled=True), dataset, device),
        THEIRS: lambda: airbench_data.train(dataset, "94")[0] / airbench_data.epochs("94"),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(options.rounds + 1):
        for name, run in contestants.items():
            spent = run()
            if turn:  # the first does not count
                seconds[name].append(spent)
    setting = f"{dataset.name.partition(':')[0]}, airbench of width 64, batches of 1024, seconds for 50,000 images"
    report("airbench_network", OURS, seconds, setting, {}, device)


if __name__ == "__main__":
    main()
