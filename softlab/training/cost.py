"""What training will cost here, before it begins: `seconds_of(experiment)`, and `seconds_each(steps)` of any other."""

from collections.abc import Callable, Iterable
from functools import partial
from time import perf_counter

from softlab.batches import cpu_threads
from softlab.training import loop
from softlab.training.experiment import Experiment
from softlab.training.runs import dataset_of

PROBE = 1.0  # seconds of training that are tried


def seconds_of(experiment: Experiment) -> float:
    """Seconds that this experiment trains on this machine, from its first steps, which are not kept.

    Raises SoftlabError where the images cannot be had.
    """
    dataset = dataset_of(experiment)
    device = loop.choose_device()
    experiment = loop.resolve(experiment, device)
    images, labels = loop.training_set(experiment, dataset, device)
    targets = loop.targets_of(experiment, dataset, labels).to(device)
    training = loop.training_of(experiment, loop.build_model(experiment, dataset), {}, device)
    with cpu_threads(experiment.threads), loop.safe_kernels(training.model):
        moments = list(loop.moments(experiment, len(images), 0, device))
        each = seconds_each(partial(_step, training, images, targets, *moment) for moment in moments)
    return experiment.epochs * len(moments) * each


def seconds_each(steps: Iterable[Callable[[], object]]) -> float:
    """Seconds that a step takes, from the first ones, until PROBE is over.

    The very first one is left out, if there are others: it sets things up.
    """
    taken = []
    for step in steps:
        taken.append(_seconds(step))
        if len(taken) > 1 and sum(taken) > PROBE:
            break
    later = taken[1:] or taken
    return sum(later) / len(later)


def _step(training, images, targets, moment, chosen) -> None:
    """One step, until the device is done."""
    loop.step(training, images[chosen], targets[chosen], moment).losses.sum().item()


def _seconds(step: Callable[[], object]) -> float:
    started = perf_counter()
    step()
    return perf_counter() - started
