"""Seconds of training to a named test accuracy: python benchmarks/time_to_accuracy.py [--data NAME]

- softlab's training, baseline;
- an ordinary loop (plain_loop.py): the same network, optimizer, schedule and augmentation, a torchvision DataLoader;
- on a GPU, with images like CIFAR's, airbench's own recipe, network and augmentation (pip install airbench).
Seconds are those of the epochs up to the first after which the target is reached; evaluation does not count, nor do
making the network and reading the data. Each round is another seed. The order of images differs, so some of the spread
is luck: the epochs that were needed are noted. On the CPU the quick profile on fashion-mini, to an accuracy that the
ordinary loop reaches; on a GPU the cifar10 profile's network, eager, on CIFAR data that are here.
The airbench half has not been run yet: see airbench_data.py.
"""

import argparse
import importlib.util
import math
import statistics
import time

import airbench_data
import plain_loop
import torch
from common import cifar_here, report

from softlab import load_profile
from softlab.batches import as_pixels
from softlab.training import data, loop

OURS = "softlab, baseline"


@torch.no_grad()
def accuracy(model: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of right answers in evaluation mode; images as the network expects them."""
    model.eval()
    right = [
        model(some).argmax(1) == answers for some, answers in zip(images.split(500), labels.split(500), strict=True)
    ]
    return torch.cat(right).float().mean().item()


def normalised(images: torch.Tensor, dataset) -> torch.Tensor:
    """Images (N, channels, height, width) of a data set as a network expects them that does not normalise itself."""
    mean, std = (one.to(images.device).reshape(1, -1, 1, 1) for one in (dataset.mean, dataset.std))
    return (as_pixels(images) - mean) / std


def reach(
    run, images: torch.Tensor, labels: torch.Tensor, target: float, seconds: float = math.inf
) -> tuple[float, float, int]:
    """Train until the target is reached or the run ends: seconds of training, best accuracy, epochs.

    run: yields a network (or a state that has one) before the first epoch and after each.  seconds: of training, after
    which no further epoch begins.
    """
    next(run)
    spent = 0.0
    best = 0.0
    count = 0
    while best < target and spent < seconds:
        started = time.perf_counter()
        state = next(run, None)
        if state is None:
            break
        spent = spent + time.perf_counter() - started
        count = count + 1
        best = max(best, accuracy(getattr(state, "model", state), images, labels))
    run.close()
    return spent, best, count


def contestants(experiment, dataset, device: torch.device, workers: list[int], target: float):
    """What to call with a seed, by name; each returns seconds, accuracy and epochs."""
    images = as_pixels(dataset.test_images.to(device))
    labels = dataset.test_labels.to(device)
    shown = normalised(images, dataset)

    def ours(seed):
        return reach(loop.epochs(experiment.replace(seed=seed), dataset, device), images, labels, target)

    def ordinary(count):
        def run(seed):
            torch.manual_seed(seed)
            epochs = plain_loop.epochs(experiment.replace(seed=seed), dataset, device, count)
            return reach(epochs, shown, labels, target)

        return run

    found = {OURS: ours} | {f"DataLoader loop, {count or 'no'} workers": ordinary(count) for count in workers}
    name = airbench_data.recipe(target)
    if device.type == "cuda" and name and airbench_data.fits(dataset):
        if importlib.util.find_spec("airbench"):
            found[f"airbench, train{name}"] = lambda seed: (*airbench_data.train(dataset, name), None)
        else:
            print("airbench is left out: it is not installed (pip install airbench)")
    return found


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    device = loop.choose_device()
    gpu = device.type == "cuda"
    parser.add_argument("--data", help="fashion-mini without a GPU; with one, CIFAR data that are here")
    parser.add_argument("--target", type=float, default=0.93 if gpu else 0.77)
    parser.add_argument("--epochs", type=int, default=30 if gpu else 45, help="of the whole schedule")
    parser.add_argument("--rounds", type=int, default=3 if gpu else 9)
    parser.add_argument("--workers", type=int, nargs="+", default=[8] if gpu else [0, 2])
    options = parser.parse_args(arguments)
    dataset = data.load(options.data or (cifar_here() if gpu else "fashion-mini"))
    profile = load_profile("cifar10" if gpu else "quick")
    experiment = profile.experiment.replace(
        data=options.data or dataset.name, epochs=options.epochs, snapshot_epochs=[], compiled=False
    )
    experiment = loop.resolve(experiment, device)
    torch.set_num_threads(experiment.threads)
    runs = contestants(experiment, dataset, device, options.workers, options.target)

    found = {name: [] for name in runs}
    for seed in range(options.rounds + 1):
        for name, run in runs.items():
            one = run(seed)
            if seed:  # the first round does not count
                found[name].append(one)
    reached = {name: all(one[1] >= options.target for one in ones) for name, ones in found.items()}
    seconds = {name: [one[0] for one in ones] for name, ones in found.items() if reached[name]}
    notes = {
        "epochs needed": {name: [one[2] for one in ones] for name, ones in found.items() if ones[0][2]},
        "seconds an epoch": {
            name: round(statistics.median(one[0] / one[2] for one in ones), 3)
            for name, ones in found.items()
            if ones[0][2]
        },
    }
    missed = {name: [round(one[1], 4) for one in ones] for name, ones in found.items() if not reached[name]}
    if missed:
        notes["best accuracies where the target was missed"] = missed
    if OURS not in seconds:
        print(f"time_to_accuracy: no record, softlab's training did not reach {options.target} in each round: {missed}")
        return
    setting = (
        f"{dataset.name.partition(':')[0]}, {experiment.model} of width {experiment.width}, {experiment.precision}, "
        f"to {options.target:.0%} test accuracy in a schedule of {options.epochs} epochs"
    )
    report("time_to_accuracy", OURS, seconds, setting, notes, device)


if __name__ == "__main__":
    main()
