"""What training costs beyond the bare network: python benchmarks/training_overhead.py

One epoch of the quick profile's experiment, in turns:
- the bare cost: forward, backward and optimizer step of the same network on the same batches, ready in memory;
- softlab's training, with its batches, statistics and streams, for the baseline and for the dearest method;
- an ordinary loop (plain_loop.py): PIL images, torchvision's transforms, a DataLoader, with and without workers.
All with one thread, the same precision and the same optimizer.
"""

import itertools
from collections.abc import Callable

import plain_loop
import torch
import torch.nn.functional as functional
from common import report, side_by_side

from softlab import Experiment, load_profile
from softlab.training import data, loop

EPOCHS = 40  # rounds; the first of each contestant does not count


def bare(experiment: Experiment, dataset: data.Dataset) -> tuple[Callable[[], None], int]:
    """An epoch of forward, backward and optimizer step, on batches that are ready in memory; and their size."""
    images, labels = loop.training_set(experiment, dataset, torch.device("cpu"))
    bf16 = experiment.precision == "bf16"
    size = -(-len(images) // -(-len(images) // experiment.batch_size))  # of our nearly equal batches
    ready = [
        ((batch.float() / 255).contiguous(memory_format=torch.channels_last), targets)
        for batch, targets in zip(images.split(size), labels.split(size), strict=True)
    ]

    model = loop.build_model(experiment, dataset).train().to(memory_format=torch.channels_last)
    optimizer = loop.make_optimizer(model, experiment, {})

    def epoch():
        for batch, targets in ready:
            with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                logits = model(batch)
            loss = functional.cross_entropy(logits.float(), targets)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

    return epoch, size


def main() -> None:
    profile = load_profile("quick")
    dataset = data.load("fashion-mini")
    experiment = loop.resolve(profile.experiment.replace(epochs=EPOCHS + 2, snapshot_epochs=[]), "cpu")
    alone, size = bare(experiment, dataset)

    def ours(method, **parameters):
        run = loop.epochs(experiment.replace(method=method, method_parameters=parameters), dataset)
        next(run)
        return lambda: next(run)

    def ordinary(workers):
        run = plain_loop.epochs(experiment, dataset, "cpu", workers)
        next(run)
        return lambda: next(run)

    contestants = {
        "bare forward, backward, step": alone,
        "softlab, baseline": ours("baseline"),
        "softlab, label_smoothing": ours("label_smoothing", alpha=0.1),
        "softlab, cutmix": ours("cutmix", beta=1.0),
        "softlab, maxsup": ours("maxsup", alpha=0.1),
        "DataLoader loop, no workers": ordinary(0),
        "DataLoader loop, two workers": ordinary(2),
    }
    torch.set_num_threads(experiment.threads)
    seconds = side_by_side(contestants, EPOCHS)
    setting = (
        f"{profile.description}, batches of {size}, {experiment.precision}, {experiment.threads} thread, one epoch"
    )
    report("training_overhead", next(itertools.islice(contestants, 1)), seconds, setting)


if __name__ == "__main__":
    main()
