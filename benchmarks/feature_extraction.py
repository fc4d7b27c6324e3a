"""Features of a data set: python benchmarks/feature_extraction.py

On the same network and images, in turns:
- softlab.representation.extract: features and logits of all images, as float32 on the CPU;
- torchvision's create_feature_extractor, asked for the same two tensors, in the loop that one writes around it;
- what neither can do without: the network's forward pass over the same batches, ready on the device.
On the CPU the quick profile's ResNet-8 and Fashion-MNIST's shape, one thread; on a GPU also CIFAR's ResNet-18. Weights
and pixels are random: they do not change the time. Memory is the median of three new processes for each contestant:
on the CPU the growth of the resident set, on a GPU what torch holds at most.
"""

import functools
import multiprocessing
import statistics
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import torch
from common import gpu_or_none, peak_memory, report, side_by_side
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from softlab import load_profile
from softlab.batches import as_pixels
from softlab.representation import extract
from softlab.training import loop

BATCH = 500
ROUNDS = 25
BARE = "bare forward"
OURS = "softlab, extract"
PEER = "torchvision, create_feature_extractor"
SETTINGS = {  # profile, images, their shape
    "cpu": ("quick", 4_000, (1, 28, 28)),
    "cuda": ("cifar10", 50_000, (3, 32, 32)),
}


def contestants(device: str, number: int) -> dict[str, Callable[[], object]]:
    """What to call, by name; each returns features and logits, except the bare forward pass."""
    profile, _, shape = SETTINGS[device]
    nothing = torch.zeros(shape[0])
    one = torch.ones(shape[0])
    given = {"num_classes": 10, "in_channels": shape[0], "image_size": shape[-1], "mean": nothing, "std": one}
    network = loop.build_network(load_profile(profile).experiment, **given).eval()
    network.to(device, memory_format=torch.channels_last)
    draw = torch.Generator().manual_seed(0)
    images = torch.randint(256, (number, *shape), dtype=torch.uint8, generator=draw)
    labels = torch.zeros(number, dtype=torch.int64)
    before_head = get_graph_node_names(network)[1][-2]
    tapped = create_feature_extractor(network, {before_head: "features", "head": "logits"}).eval()

    def on_device(batch):
        return as_pixels(batch.to(device)).contiguous(memory_format=torch.channels_last)

    @functools.cache
    def ready():
        return [on_device(batch) for batch in images.split(BATCH)]

    @torch.no_grad()
    def bare():
        for batch in ready():
            network(batch)
        if device == "cuda":
            torch.cuda.synchronize()

    def ours():
        found = extract(network, images, labels, batch_size=BATCH)
        return found.features, found.logits

    @torch.no_grad()
    def with_torchvision():
        found = [tapped(on_device(batch)) for batch in images.split(BATCH)]
        return tuple(torch.cat([one[name].float().cpu() for one in found]) for name in ("features", "logits"))

    return {BARE: bare, OURS: ours, PEER: with_torchvision}


def memory_of(name: str, device: str, number: int) -> float:
    """MB at most beyond images and network, in a process that has seen one batch before."""
    torch.set_num_threads(1)
    contestants(device, BATCH)[name]()
    run = contestants(device, number)[name]
    return round(peak_memory(run, device), 1)


def measure(device: str) -> None:
    profile, number, shape = SETTINGS[device]
    runs = contestants(device, number)
    features, logits = runs[OURS]()
    others = runs[PEER]()
    seconds = side_by_side(runs, ROUNDS)
    memory = {}
    for name in (OURS, PEER):
        new = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), max_tasks_per_child=1)
        with new as alone:  # a process for each task
            memory[name] = statistics.median(alone.map(memory_of, [name] * 3, [device] * 3, [number] * 3))
    notes = {
        "images per second": {name: round(number / statistics.median(times)) for name, times in seconds.items()},
        "peak memory beyond images and network, MB": memory,
        "largest difference to torchvision": max(
            float((one - other).abs().max()) for one, other in zip((features, logits), others, strict=True)
        ),
    }
    network = load_profile(profile).experiment
    setting = (
        f"{number:,} images of {' x '.join(map(str, shape))}, {network.model} of width {network.width}, fp32, "
        f"batches of {BATCH}" + (", 1 thread" if device == "cpu" else "")
    )
    report("feature_extraction", BARE, seconds, setting, notes, device)


def main() -> None:
    torch.set_num_threads(1)
    loop.choose_device()  # fp32 means fp32
    measure("cpu")
    if gpu_or_none("feature_extraction on a GPU"):
        measure("cuda")


if __name__ == "__main__":
    main()
