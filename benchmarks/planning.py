"""What the engine costs beside the work itself: a start with nothing to do, a job, and plans of large sweeps.

Everything happens in a copy of the checkout. With a number of points (python planning.py 100 1000) only sweeps of so
many are planned.
"""

import contextlib
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from common import report, side_by_side

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "workflow")]
from checkout import Checkout  # noqa: E402 (it lies beside the tests)

SWEEP = """
parameters: {{seeds: 1, overrides: {{methods: {{baseline: {{}}}}}}}}
vary: {{overrides.weight_decay: {values}}}
"""
TOUCH = '    shell:\n        "for file in {output:q}; do echo [] > $file; done"\n'


def measured(checkout: Checkout, *options: str) -> tuple[float, float]:
    """Seconds and peak memory (MiB; Linux) of one call of the engine."""
    started = time.perf_counter()
    peak = 0
    command = [*checkout.command(), *options]
    process = subprocess.Popen(command, cwd=checkout.folder, env=checkout.environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(OSError, TypeError):  # another system; the moment in which it ends
            status = Path(f"/proc/{process.pid}/status").read_text()
            peak = max(peak, int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]))
        time.sleep(0.02)
    if process.returncode:
        sys.exit(f"{' '.join(options)} failed")
    return time.perf_counter() - started, peak / 1024


def sweep_of(checkout: Checkout, points: int) -> list[str]:
    """Options for a sweep of so many points: a network each, in a job of its own."""
    path = checkout.folder / f"points_{points}.yaml"
    path.write_text(SWEEP.format(values=[place / points for place in range(points)]))
    return [f"sweeps={path}", "runs_per_job=1"]


def plans(checkout: Checkout, sizes: list[int]) -> None:
    """Time and memory to plan sweeps without running anything."""
    found = {size: measured(checkout, *sweep_of(checkout, size), "--dry-run", "--", "sweeps") for size in sizes}
    seconds = {f"{size:,} points, {size + 1:,} jobs": [time] for size, (time, _) in found.items()}
    memory = {f"peak memory, {size:,} points (MiB)": round(memory) for size, (_, memory) in found.items()}
    setting = "planning a sweep: a job a point, none is run"
    report("planning", next(iter(seconds)), seconds, setting, memory)


def jobs(checkout: Checkout) -> None:
    """A start with nothing to do beside a sweep of 1,000 points whose jobs only touch files."""
    snakefile = checkout.folder / "workflow" / "Snakefile"
    snakefile.write_text(re.sub(r"    shell:\n(?:        .*\n)+", TOUCH, snakefile.read_text()))
    options = [*sweep_of(checkout, 1000), "--", "sweeps"]
    first = measured(checkout, *options)[0]
    again = [measured(checkout, *options)[0] for _ in range(3)]
    book = ["--", "all"]
    measured(checkout, *book)
    seconds = {"the book, nothing to do": [measured(checkout, *book)[0] for _ in range(3)]}
    seconds |= {"1,001 jobs done, nothing to do": again, "1,001 jobs that only touch files": [first] * 3}
    setting = "the engine alone: jobs that only touch files"
    report("engine", "the book, nothing to do", seconds, setting, {"seconds a job": round(first / 1001, 3)})


def notebook(checkout: Checkout) -> None:
    """What execute.py adds to papermill, on a notebook that is empty."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    empty = checkout.folder / "empty.ipynb"
    made = checkout.folder / "made.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")], metadata=kernel), empty)
    given = {"cwd": checkout.folder, "env": checkout.environment, "check": True, "capture_output": True}
    bare = [sys.executable, "-m", "papermill", empty, made]
    ours = [sys.executable, "workflow/execute.py", empty, made, checkout.folder / "made.log", "{}"]
    contestants = {
        "papermill": lambda: subprocess.run(bare, **given),
        "execute.py": lambda: subprocess.run(ours, **given),
    }
    report("engine_notebook", "papermill", side_by_side(contestants, 7), "a notebook with one empty cell")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkout = Checkout(Path(folder), chapters=1)
        sizes = [int(size) for size in sys.argv[1:]]
        plans(checkout, sizes or [100, 1000, 10_000])
        if not sizes:
            notebook(checkout)
            jobs(checkout)


if __name__ == "__main__":
    main()
