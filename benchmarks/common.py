"""What the benchmarks share: timing side by side, so that a busy machine slows both sides alike, memory, a record."""

import json
import multiprocessing
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from softlab import SoftlabError
from softlab.provenance import commit
from softlab.training import data

RESULTS = Path(__file__).parent / "results"
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
CIFAR = ("cifar10", "cifar10-jpeg")


def gpu_or_none(name: str) -> torch.device | None:
    """The CUDA device; without one, a line that says what is left out."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    print(f"{name}: skipped, this machine has no CUDA GPU")
    return None


def cifar_here() -> str:
    """The first of the CIFAR data sets that loads, by download or from the cache; ends with one line if none does."""
    said = []
    for name in CIFAR:
        try:
            return data.load(name).name
        except SoftlabError as error:
            said.append(str(error))
    sys.exit("no CIFAR data here (--data NAME takes others): " + "; ".join(said))


def peak_memory(run: Callable[[], object], device: str | torch.device = "cpu") -> float:
    """By how many MB memory grows at most while `run` runs: the process's resident set, or what torch holds on a GPU.

    Memory that the process has freed before is used again without growth: measure first, or in a new process.
    """
    if torch.device(device).type == "cuda":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    statm = Path("/proc/self/statm")
    done = threading.Event()
    peak = 0

    def resident() -> int:
        return int(statm.read_text().split()[1]) * PAGE

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident())
            time.sleep(0.0005)

    before = resident()
    watcher = threading.Thread(target=watch)
    watcher.start()
    run()
    done.set()
    watcher.join()
    return max(peak - before, 0) / 1e6


def side_by_side(contestants: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, all contestants taking turns; one round first that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


class Process:
    """A process of its own, in which target(pipe, *arguments) runs, and this end of its pipe."""

    def __init__(self, target, *arguments):
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=target, args=(other, *arguments))
        self.process.start()
        other.close()

    def get(self):
        return self.pipe.recv()


def report(
    name: str,
    reference: str,
    seconds: dict[str, list[float]],
    setting: str,
    notes: dict[str, object] | None = None,
    device: str | torch.device = "cpu",
) -> None:
    """Print the medians as ratios to the reference (median of the ratios round by round), and keep them as JSON.

    notes: what else was measured, or was to be reached.  device: where it ran, whatever else the machine has.
    """
    rows = {}
    for contestant, times in seconds.items():
        ratios = [one / base for one, base in zip(times, seconds[reference], strict=True)]
        quartiles = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else [ratios[0]] * 3
        rows[contestant] = {
            "median_seconds": statistics.median(times),
            "ratio": statistics.median(ratios),
            "ratio_quartiles": [quartiles[0], quartiles[2]],
        }
    print(f"{name}: {setting}")
    for contestant, row in rows.items():
        low, high = row["ratio_quartiles"]
        spread = f"{row['ratio']:6.2f} × ({low:.2f} to {high:.2f})"
        print(f"  {contestant:<44} {row['median_seconds'] * 1e3:9.1f} ms  {spread}")
    for note, value in (notes or {}).items():
        print(f"  {note}: {value}")
    gpu = torch.device(device).type == "cuda"
    hardware = torch.cuda.get_device_name() if gpu else f"CPU, {platform.machine()}"
    record = {
        "benchmark": name,
        "setting": setting,
        "reference": reference,
        "rows": rows,
        **({"notes": notes} if notes else {}),
        "command": f"python {Path(sys.argv[0]).name}",
        "date": time.strftime("%Y-%m-%d"),
        "commit": commit(),
        "hardware": hardware,
        "torch": torch.__version__,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.{'gpu' if gpu else 'cpu'}.json").write_text(json.dumps(record, indent=1) + "\n")
