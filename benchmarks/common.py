"""What the benchmarks share: timing side by side, so that a busy machine slows both sides alike, and a table."""

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from softlab.provenance import commit

RESULTS = Path(__file__).parent / "results"


def side_by_side(contestants: dict[str, Callable[[], None]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call, all contestants taking turns; one round first that does not count."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):
        for name, run in contestants.items():
            started = time.perf_counter()
            run()
            if turn:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def report(
    name: str, reference: str, seconds: dict[str, list[float]], setting: str, notes: dict[str, object] | None = None
) -> None:
    """Print the medians as ratios to the reference (median of the ratios round by round), and keep them as JSON.

    notes: what else was measured, or was to be reached.
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
    hardware = torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {platform.machine()}"
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
    kind = "gpu" if torch.cuda.is_available() else "cpu"
    (RESULTS / f"{name}.{kind}.json").write_text(json.dumps(record, indent=1) + "\n")
