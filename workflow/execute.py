"""Execute one notebook with papermill: python execute.py NOTEBOOK OUTPUT LOG PARAMETERS [INPUT …]

PARAMETERS is a mapping in YAML. INPUT: files that the notebook depends on. The output and its results file appear only
when the notebook has run to its end. If a cell fails, the notebook as far as it got is kept beside it as
NAME.failed.ipynb, and the cell and the error are printed. Two processes that want the same output of the same content
execute it once; no clock is asked.
"""

import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import kernels
import nbformat
import plan
from filelock import FileLock

from softlab.errors import SoftlabError
from softlab.files import file_digest, free_space, read_parameters, short_digest
from softlab.provenance import commit

VERSIONS = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "papermill")
TIMEOUT = 3600  # seconds that one cell may take
FULL = 2**20  # bytes: a disk with less space is why a notebook failed


def main(notebook: Path, output: Path, log: Path, parameters: str, inputs: list[Path]) -> int:
    try:
        given = read_parameters(parameters)
        digest = short_digest([given, *map(file_digest, [notebook, *inputs])])
        output.parent.mkdir(parents=True, exist_ok=True)
        before = version(output)
        with FileLock(output.with_name(f".{output.stem}.lock")):
            # By a job whose engine was killed: it came while this one waited, and is of the same content.
            if version(output) not in (None, before) and about(output).get("inputs") == digest:
                return 0
            return execute(notebook, output, log, given, digest)
    except (OSError, SoftlabError) as error:
        print(f"{notebook} failed: {full_disk(output) or error}", flush=True)
        return 1


def version(output: Path) -> tuple[int, ...] | None:
    """What changes whenever the file is rewritten; None if there is none. Times are never compared with a clock."""
    if not output.exists():
        return None
    found = output.stat()
    return found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size


def about(output: Path) -> dict:
    """The notes on a notebook's last execution."""
    record = output.with_suffix(".json")
    return json.loads(record.read_text()) if record.exists() else {}


def execute(notebook: Path, output: Path, log: Path, parameters: dict, digest: str) -> int:
    record = output.with_suffix(".json")
    failed = output.with_suffix(".failed.ipynb")
    last = about(output).get("seconds")
    print(f"executing {notebook.stem}" + (f" (last time it took {last:.0f} s)" if last else ""), flush=True)
    started = time.monotonic()
    work = output.with_name(f".{output.stem}.work")
    shutil.rmtree(work, ignore_errors=True)  # of a job that was killed
    work.mkdir()
    partial = work / notebook.name
    results = work / "results.json"
    command = [sys.executable, "-m", "papermill", "--log-output", "--no-progress-bar", "--execution-timeout", TIMEOUT]
    command += [notebook, partial, "--kernel", kernels.NAME, "--parameters_yaml", plan.as_yaml(parameters)]
    environment = os.environ | {"IPYTHONDIR": str(work / "ipython"), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= kernels.pinned(work / "jupyter")
    environment.pop("SOFTLAB_PROFILE", None)  # the profile is given
    environment.pop("SOFTLAB_ZOO", None)  # a build rests on networks that it trains
    environment["SOFTLAB_RESULTS"] = str(results.resolve())
    with log.open("w") as lines:
        given = {"env": environment, "stdout": lines, "stderr": subprocess.STDOUT, "preexec_fn": die_with_parent}
        status = subprocess.run([str(part) for part in command], **given).returncode
    if status:
        print(f"{notebook} failed: {reason(partial, log, status)}", flush=True)
        if partial.exists():
            partial.replace(failed)
            print(f"the notebook as far as it came: {failed} (log: {log})", flush=True)
        shutil.rmtree(work, ignore_errors=True)
        return 1
    seconds = round(time.monotonic() - started, 1)
    versions = {name: metadata.version(name) for name in VERSIONS}
    content = {"seconds": seconds, "commit": commit(), "versions": versions, "inputs": digest}
    (work / "about.json").write_text(json.dumps(content, indent=1))
    output.unlink(missing_ok=True)  # so that what is written about it is never about an older one
    (work / "about.json").replace(record)
    if results.exists():
        results.replace(output.with_suffix(".results.json"))
    partial.replace(output)  # last: with it the job is done
    failed.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    print(f"executed {notebook.stem} in {seconds:.0f} s", flush=True)
    return 0


def die_with_parent() -> None:
    """Ask the system to kill this process when the one that started it dies (Linux; elsewhere it runs to its end)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def full_disk(path: Path) -> str:
    """A sentence if this path's disk is full; else empty."""
    folder, free = free_space(path)
    return f"the disk is full ({free // 2**20} MiB free): {folder}" if free < FULL else ""


def reason(notebook: Path, log: Path, status: int) -> str:
    """The cell that failed and its error, in one line; without one, what is known of the process."""
    cells = []
    with contextlib.suppress(OSError, ValueError):  # never started, or cut off in the middle of writing
        cells = nbformat.read(notebook, as_version=4).cells
    running = "before its first cell"
    for cell in cells:
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            if output.output_type == "error":
                return f"cell {cell.get('id')!r}: {output.ename}: {output.evalue}"
        if cell.get("metadata", {}).get("papermill", {}).get("start_time"):  # the last one that was begun
            running = f"in cell {cell.get('id')!r}"
    if full := full_disk(log):
        return full
    said = [line.strip() for line in log.read_text(errors="replace").splitlines() if line.strip()]
    if said and "DeadKernelError" in said[-1]:
        return f"{running}: its kernel was killed, as the system does where memory runs out"
    return f"{running}: {'it was killed' if status < 0 or not said else said[-1]}"


if __name__ == "__main__":
    notebook, output, log = (Path(name) for name in sys.argv[1:4])
    sys.exit(main(notebook, output, log, sys.argv[4], [Path(name) for name in sys.argv[5:]]))
