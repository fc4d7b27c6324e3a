"""Many small networks on one device: python benchmarks/many_networks.py

Plain training of as many networks as the quick profile has, seeds apart, for a few epochs:
- one after the other, as softlab does it in one process;
- side by side, as processes that share the device, as the engine does it;
- stacked: all as one network whose weights have a leading axis (torch.func), each with its own images in its own order.
Losses must agree: the stack's are within rounding of those of the networks trained one by one. Getting ready does not
count: neither starting processes nor making networks.
"""

import argparse
import os
import time

import torch
import torch.nn.functional as functional
from common import Process, report

from softlab import Experiment, load_profile
from softlab.batches import as_pixels, stream
from softlab.training import data, loop

ALONE = "one after the other"


def experiments(options):
    short = load_profile("quick").experiment.shortened(options.epochs)
    return [short.replace(seed=seed, snapshot_epochs=[], precision="fp32") for seed in range(options.networks)]


def one_by_one(some, device):
    """Losses of each network (epochs,), and the seconds that all took; networks are made beforehand."""
    dataset = data.load("fashion-mini")
    found = []
    runs = [loop.epochs(one, dataset, device) for one in some]
    for run in runs:
        next(run)
    started = time.perf_counter()
    for run in runs:
        *_, state = run
        found.append(state.history["loss"])
    return found, time.perf_counter() - started


def share(pipe, some, device):
    torch.set_num_threads(1)
    some = [Experiment(**fields) for fields in some]
    one_by_one([some[0].shortened(1)], device)
    pipe.send("ready")
    pipe.recv()
    pipe.send(one_by_one(some, device)[0])


def in_processes(some, device, count):
    """The same by so many processes, each with its part of the networks."""
    fields = [one.as_dict() for one in some]
    shares = [Process(share, fields[part::count], device) for part in range(count)]
    for one in shares:
        one.get()
    started = time.perf_counter()
    for one in shares:
        one.pipe.send("go")
    parts = [one.get() for one in shares]
    return [parts[place % count][place // count] for place in range(len(some))], time.perf_counter() - started


def stacked(some, device):
    """The same as one stack."""
    dataset = data.load("fashion-mini")
    first = some[0]
    models = [loop.build_model(one, dataset).to(device) for one in some]
    weights, buffers = torch.func.stack_module_state(models)
    bare = models[0].train().to("meta")
    parts = [loop.training_set(one, dataset, device) for one in some]
    images, labels = (torch.stack(part) for part in zip(*parts, strict=True))  # (networks, N, …)
    decayed = [values for values in weights.values() if values.ndim > 2]
    free = [values for values in weights.values() if values.ndim <= 2]
    groups = [{"params": decayed, "weight_decay": first.weight_decay}, {"params": free, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, first.learning_rate, momentum=first.momentum, nesterov=True, fused=True)

    def loss_of(own, others, batch, answers):
        return functional.cross_entropy(torch.func.functional_call(bare, (own, others), (batch,)), answers)

    step = torch.func.vmap(torch.func.grad_and_value(loss_of))
    count = images.shape[1]
    per_epoch = -(-images.shape[1] // first.batch_size)
    which = torch.arange(len(some), device=device)[:, None]
    found = []
    started = time.perf_counter()
    for epoch in range(first.epochs):
        orders = [torch.randperm(count, generator=stream(one.seed, "order", epoch)) for one in some]
        sums = torch.zeros(len(some), device=device)
        for number, chosen in enumerate(torch.stack(orders).to(device).tensor_split(per_epoch, 1)):
            done = (epoch * per_epoch + number) / (per_epoch * first.epochs)
            for group in optimizer.param_groups:
                group["lr"] = first.learning_rate * loop.schedule(done, first)
            with torch.no_grad():
                slopes, losses = step(weights, buffers, as_pixels(images[which, chosen]), labels[which, chosen])
            for name, values in weights.items():
                values.grad = slopes[name]
            optimizer.step()
            sums += losses.detach() * chosen.shape[1]
        found.append((sums / count).tolist())
    return [list(losses) for losses in zip(*found, strict=True)], time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--networks", type=int, default=25)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = loop.choose_device()
    some = experiments(options)
    count = 8 if device.type == "cuda" else os.cpu_count() or 1
    ways = {
        ALONE: lambda: one_by_one(some, device),
        f"{count} processes side by side": lambda: in_processes(some, device, count),
        "one stack of all (torch.func)": lambda: stacked(some, device),
    }
    seconds = {name: [] for name in ways}
    first = {}
    for _ in range(options.rounds):
        for name, way in ways.items():
            losses, spent = way()
            first[name] = torch.tensor(losses)[:, 0]
            seconds[name].append(spent)
    apart = {name: float(f"{(one - first[ALONE]).abs().max():.1e}") for name, one in first.items()}
    notes = {"losses of the first epoch, largest distance": apart}
    setting = f"{len(some)} networks of quick, {options.epochs} epochs each, fp32, one thread each"
    report("many_networks", ALONE, seconds, setting, notes, device)


if __name__ == "__main__":
    main()
