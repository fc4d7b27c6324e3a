"""What a network will cost here, before it is trained: `seconds_of(experiment)`."""

from time import perf_counter

from softlab.batches import cpu_threads
from softlab.training import loop
from softlab.training.experiment import Experiment
from softlab.training.runs import dataset_of

PROBE = 1.0  # seconds of training that are tried


def seconds_of(experiment: Experiment) -> float:
    """Seconds that this experiment trains on this machine, from its first steps, which are not kept.

    The very first one is left out: it sets things up.  Raises SoftlabError where the images cannot be had.
    """
    dataset = dataset_of(experiment)
    device = loop.choose_device()
    experiment = loop.resolve(experiment, device)
    images, labels = loop.training_set(experiment, dataset, device)
    targets = loop.targets_of(experiment, dataset, labels).to(device)
    training = loop.training_of(experiment, loop.build_model(experiment, dataset), {}, device)
    with cpu_threads(experiment.threads), loop.safe_kernels(training.model):
        moments = list(loop.moments(experiment, len(images), 0, device))
        taken = [_step_seconds(training, images, targets, *moments[0])]
        for moment, chosen in moments[1:]:
            taken.append(_step_seconds(training, images, targets, moment, chosen))
            if sum(taken) > PROBE:
                break
    steps = taken[1:] or taken
    return experiment.epochs * len(moments) * sum(steps) / len(steps)


def _step_seconds(training, images, targets, moment, chosen) -> float:
    """How long one step takes, until the device is done."""
    started = perf_counter()
    loop.step(training, images[chosen], targets[chosen], moment).losses.sum().item()
    return perf_counter() - started
