"""Minutes of training to a test accuracy in colour, by network: python benchmarks/networks_to_accuracy.py --data NAME

- airbench's network as the book trains it (profile cifar10-papers), by softlab's training;
- the book's ResNet-8 (cifar10-jpeg-flip) and ResNet-18 (resnet18-confirm), each with its own recipe, also by softlab's;
- the package airbench's own network, wider than ours (pip install airbench), in an ordinary loop (plain_loop.py).
All have the same number of epochs, with the learning rate's schedule over all of them, and use all cores. A network is
given up after its last epoch, or once its training has taken --minutes. Seconds are those of the epochs up to the first
after which the target is reached; evaluation does not count. It takes more than an hour on two cores: `make bench`,
which names no data, leaves it out.
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from unittest import mock

import plain_loop
from common import report
from time_to_accuracy import normalised, reach
from torch import nn

from softlab import load_profile
from softlab.batches import as_pixels, cpu_threads
from softlab.training import data, loop
from softlab.training.data import Dataset
from softlab.training.experiment import Experiment

PROFILES = {"airbench": "cifar10-papers", "ResNet-8": "cifar10-jpeg-flip", "ResNet-18": "resnet18-confirm"}
OURS = "softlab, airbench"
THEIRS = "airbench’s own network, DataLoader loop"


def experiment_of(profile: str, dataset: Dataset, epochs: int) -> Experiment:
    """The network and recipe of a profile, on these data, on the CPU with all its cores."""
    same = {"data": dataset.name, "epochs": epochs, "snapshot_epochs": [], "threads": os.cpu_count()}
    return load_profile(profile).experiment.replace(**same)


def network_of_airbench(dataset: Dataset) -> nn.Module:
    """The network of the package's quickest recipe, in 32 bits on the CPU; it makes it for CUDA only."""
    from airbench import lib_airbench94, utils

    with mock.patch.object(nn.Module, "cuda", lambda network: network):
        network = lib_airbench94.make_net94().float()
    utils.init_whitening_conv(network[0], normalised(dataset.train_images[:5000], dataset))
    return network


def contestants(dataset: Dataset, epochs: int, target: float, seconds: float) -> dict[str, Callable]:
    """What to call, by name; each returns seconds, the best accuracy and the number of epochs."""
    labels = dataset.test_labels
    images = dataset.test_images

    def ours(profile: str) -> Callable:
        def run() -> tuple[float, float, int]:
            trained = loop.epochs(experiment_of(profile, dataset, epochs), dataset, "cpu")
            return reach(trained, as_pixels(images), labels, target, seconds)

        return run

    def theirs() -> tuple[float, float, int]:
        experiment = experiment_of(PROFILES["airbench"], dataset, epochs)
        trained = plain_loop.epochs(experiment, dataset, "cpu", 0, network_of_airbench(dataset))
        return reach(trained, normalised(images, dataset), labels, target, seconds)

    found = {f"softlab, {name}": ours(profile) for name, profile in PROFILES.items()}
    if importlib.util.find_spec("airbench"):
        found[THEIRS] = theirs
    else:
        print("airbench’s own network is left out: the package is not installed (pip install airbench)")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="colour images of CIFAR's size, such as cifar10-jpeg")
    parser.add_argument("--target", type=float, default=0.85)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--minutes", type=float, default=40)
    options = parser.parse_args(arguments)
    if not options.data:
        print("networks_to_accuracy: skipped, it takes an hour; --data cifar10-jpeg asks for it")
        return
    dataset = data.load(options.data)
    found = {}
    with cpu_threads(os.cpu_count() or 1):
        for name, run in contestants(dataset, options.epochs, options.target, 60 * options.minutes).items():
            found[name] = run()
            print(f"{name}: {found[name][0]:.0f} s, {found[name][1]:.4f} after {found[name][2]} epochs", flush=True)
    reached = {name: [one[0]] for name, one in found.items() if one[1] >= options.target}
    if OURS not in reached:
        print(f"networks_to_accuracy: no record, {OURS} did not reach {options.target}: {found[OURS][1]:.4f}")
        return
    notes = {
        "seconds an epoch": {name: round(one[0] / one[2], 1) for name, one in found.items()},
        "epochs": {name: one[2] for name, one in found.items()},
        "best accuracies where the target was missed": {
            name: round(one[1], 4) for name, one in found.items() if name not in reached
        },
    }
    aim = f"{dataset.name.partition(':')[0]}, to {options.target:.0%} test accuracy"
    limits = f"at most {options.epochs} epochs and {options.minutes:g} minutes each"
    setting = f"{aim}, {limits}, {os.cpu_count()} cores, one seed"
    report("networks_to_accuracy", OURS, reached, setting, notes)


if __name__ == "__main__":
    main()
