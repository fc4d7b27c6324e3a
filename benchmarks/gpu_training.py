"""Training on a GPU: python benchmarks/gpu_training.py [--data NAME] [--profile FILE]

- images per second of softlab's training, by batch size, eager, compiled, with CUDA graphs, and with cuDNN searching
  its algorithms, beside an ordinary loop (plain_loop.py): eight workers of a DataLoader, the same network, precision
  and optimizer;
- how many images per second several trainings reach together that share the GPU as processes side by side;
- how far the losses of the first steps are from the CPU's, in fp32 with TF32 off, beside how far they are if the CPU
  starts from weights that differ by a ten-millionth: training itself makes small differences large;
- memory at its peak, and the share of the device's bf16 peak that the network's operations use, counted on the CPU.
Every contestant is a process of its own, ready before the clock starts; the others wait idle. With --profile FILE,
only a table of kernels of ten eager steps is made. Without a CUDA GPU there is nothing to do.
"""

import argparse
import itertools
import time
from pathlib import Path

import flops
import plain_loop
import torch
from common import Process, cifar_here, gpu_or_none, report

from softlab import load_profile
from softlab.training import data, loop

STEPS = 40  # of an epoch here: enough that its end does not count
PROFILED = 10  # steps
AGREEMENT = 20, 64  # steps and batch size of the comparison with the CPU
WORKERS = 8  # of the ordinary loop


def settings(options, **changes):
    profile = load_profile("cifar10")
    shape = {"model": options.model, "width": options.width, "data": options.data, "seed": 1, "precision": "bf16"}
    return profile.experiment.replace(**shape | {"epochs": 10_000, "snapshot_epochs": []} | changes)


def softlab_epoch(options, batch_size, compiled, equal=False, search=False, graphs=False, steps=STEPS):
    """A function that trains one short epoch and returns how many images that were.

    equal: all batches of one size; else of two that differ by one image, as 50,000 images give at 256.
    search: cuDNN tries its algorithms for each new shape, and takes the fastest.
    graphs: what is compiled is launched as CUDA graphs, forward and backward (torch.compile's "reduce-overhead").
    """
    torch.backends.cudnn.benchmark = search
    if graphs:
        torch._inductor.config.triton.cudagraphs = True
    size = steps * batch_size - (0 if equal else steps * 3 // 4)
    experiment = settings(options, batch_size=batch_size, compiled=compiled, train_size=size)
    run = loop.epochs(experiment, data.load(experiment.data), loop.choose_device())
    next(run)

    def epoch():
        next(run)
        return size

    return epoch


def ordinary_epoch(options, batch_size):
    """The same for an ordinary loop."""
    device = loop.choose_device()
    dataset = data.load(options.data)
    size = min(4 * STEPS * batch_size, len(dataset.train_labels))
    experiment = settings(options, batch_size=batch_size, train_size=size)
    run = plain_loop.epochs(experiment, dataset, device, WORKERS)
    next(run)

    def epoch():
        next(run)
        return size

    return epoch


def profile(options, file: Path):
    """Write torch's table of what ten steps spend their time on, kernel by kernel."""
    epoch = softlab_epoch(options, options.batches[0], compiled=False, equal=True, steps=PROFILED)
    for _ in range(2):
        epoch()
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    gpu = torch.cuda.is_available()
    with torch.profiler.profile(activities=kinds[: 1 + gpu]) as seen:
        epoch()
    order = f"self_{'cuda' if gpu else 'cpu'}_time_total"
    file.write_text(seen.key_averages().table(sort_by=order, row_limit=60, max_name_column_width=90))
    print(f"{PROFILED} steps of batches of {options.batches[0]}: {file}")


def losses(options, device, nudge=0.0):
    """Loss of each of the first steps of a training in fp32, TF32 off; nudge: relative change of the first weights."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    steps, batch_size = AGREEMENT
    experiment = settings(options, batch_size=batch_size, compiled=False, precision="fp32", epochs=30, threads=4)
    found = []
    whole = loop.batch_sums
    build = loop.build_model

    class Enough(Exception):
        pass

    def look(loss, *others):
        found.append(loss.mean().item())
        if len(found) == steps:
            raise Enough
        return whole(loss, *others)

    def nudged(*given):
        model = build(*given)
        with torch.no_grad():
            for parameter in model.parameters():
                noise = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(3))
                parameter.mul_(1 + nudge * noise)
        return model

    loop.batch_sums = look
    loop.build_model = nudged
    try:
        list(loop.epochs(experiment, data.load(experiment.data), device))
    except Enough:
        return found
    finally:
        loop.batch_sums = whole
        loop.build_model = build


def contestant(pipe, options, make, arguments):
    """A process: get ready, train for as many seconds as the pipe says, until it says 0; then say the peak memory."""
    torch.set_num_threads(1)
    epoch = make(options, *arguments)
    for _ in range(2):
        epoch()
    pipe.send("ready")
    while seconds := pipe.recv():
        count = 0
        started = time.perf_counter()
        while time.perf_counter() - started < seconds:
            count += epoch()
        pipe.send((count, time.perf_counter() - started))
    pipe.send(torch.cuda.max_memory_allocated() if torch.cuda.is_available() else 0)


def compare_losses(pipe, options):
    pipe.send([losses(options, *how) for how in (("cpu",), (loop.choose_device(),), ("cpu", 1e-7))])


def together(processes, seconds):
    """Images per second of each, all training at once."""
    for one in processes:
        one.pipe.send(seconds)
    return [count / elapsed for count, elapsed in (one.get() for one in processes)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", help="default: CIFAR data that are here")
    parser.add_argument("--profile", type=Path)
    parser.add_argument("--model", default="resnet18")
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batches", type=int, nargs=2, default=[256, 1024])
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4, 8])
    options = parser.parse_args()
    device = gpu_or_none("gpu_training")
    if device is None:
        return
    options.data = options.data or cifar_here()
    if options.profile:
        return profile(options, options.profile)
    began = time.perf_counter()
    small, large = options.batches
    dataset = data.load(options.data)  # decoded once, not by every process

    wanted = {
        f"softlab, batches of {small}, eager": (softlab_epoch, (small, False)),
        f"softlab, batches of {small}, compiled": (softlab_epoch, (small, True)),
        f"softlab, batches of {small}, all equal, compiled": (softlab_epoch, (small, True, True)),
        f"softlab, batches of {small}, all equal, eager, cudnn.benchmark": (softlab_epoch, (small, False, True, True)),
        f"softlab, batches of {large}, eager": (softlab_epoch, (large, False)),
        f"softlab, batches of {large}, compiled": (softlab_epoch, (large, True)),
        f"softlab, batches of {small}, all equal, CUDA graphs": (softlab_epoch, (small, True, True, True, True)),
        f"softlab, batches of {large}, all equal, CUDA graphs": (softlab_epoch, (large, True, True, True, True)),
        f"DataLoader loop, batches of {small}, {WORKERS} workers": (ordinary_epoch, (small,)),
        f"DataLoader loop, batches of {large}, {WORKERS} workers": (ordinary_epoch, (large,)),
    }
    agreement = Process(compare_losses, options)
    singles = {name: Process(contestant, options, *how) for name, how in wanted.items()}
    copies = max(options.processes) - 1
    eager, compiled = itertools.islice(wanted.items(), 2)
    groups = {eager[0]: [Process(contestant, options, *eager[1]) for _ in range(copies)]}
    singles[compiled[0]].get()  # what it compiled is in the cache for the others
    groups[compiled[0]] = [Process(contestant, options, *compiled[1]) for _ in range(copies)]
    waiting = [one for name, one in singles.items() if name != compiled[0]]
    for one in itertools.chain(waiting, *groups.values()):
        one.get()
    both = agreement.get()
    print(f"all ready after {time.perf_counter() - began:.0f} s", flush=True)

    rates: dict[str, list[float]] = {name: [] for name in singles}
    for _ in range(options.rounds):
        for name, one in singles.items():
            rates[name] += together([one], options.seconds)
    shared = {}
    for name, others in groups.items():
        for count in options.processes:
            found = together([singles[name], *others[: count - 1]], 1.5 * options.seconds)
            shared[f"{name}, {count} side by side"] = round(sum(found))
    for one in (*singles.values(), *itertools.chain(*groups.values())):
        one.pipe.send(0)
    memory = {name: round(one.get() / 1e6) for name, one in singles.items()}
    for one in itertools.chain(*groups.values()):
        one.get()
    cpu, *others = both
    notes = {"images per second": {name: round(max(values)) for name, values in rates.items()}}
    notes |= {"images per second in all": shared}
    model = loop.build_model(settings(options), dataset)
    each = flops.operations(model, dataset.train_images.shape[1:])
    best = {name: max(values) for name, values in rates.items()} | shared
    notes |= {"peak memory, MB": memory, "operations an image, forward and backward": each}
    if used := flops.shares(best, each, torch.cuda.get_device_name()):
        notes["share of the device's bf16 peak"] = used
    for name, found in zip(("here", "CPU, weights nudged by 1e-7"), others, strict=True):
        differences = [float(f"{abs(a - b):.1e}") for a, b in zip(cpu, found, strict=True)]
        notes[f"losses, distance to the CPU's by step: {name}"] = differences
    setting = (
        f"{options.data.partition(':')[0]}, {options.model} of width {options.width}, flip_shift, bf16, "
        f"seconds for 50,000 images; losses: {AGREEMENT[0]} steps of {AGREEMENT[1]}, fp32"
    )
    seconds = {name: [50_000 / rate for rate in values] for name, values in rates.items()}
    report("gpu_training", eager[0], seconds, setting, notes, device)
    print(f"whole benchmark: {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
