"""Hand a GPU to one job at a time: python gpus.py JOBS_PER_GPU COMMAND …

Waits for a free place on a GPU and runs the command with CUDA_VISIBLE_DEVICES set to it. A place is a lock, which the
system frees however its holder ends; all engines of a user on one machine share them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout


def visible() -> list[str]:
    """The GPUs that this process may use: CUDA_VISIBLE_DEVICES, else all that the driver lists."""
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    if given is not None:
        return [name.strip() for name in given.split(",") if name.strip() not in ("", "-1")]
    try:
        listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30).stdout.splitlines()
    except (OSError, subprocess.TimeoutExpired):
        return []  # no driver
    return [str(index) for index, _ in enumerate(line for line in listed if line.startswith("GPU "))]


def main(jobs_per_gpu: int, command: list[str]) -> int:
    folder = Path(tempfile.gettempdir()) / f"softlab-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    places = [(gpu, folder / f"{gpu}-{place}.lock") for place in range(jobs_per_gpu) for gpu in visible()]
    while True:
        for gpu, path in places:
            try:
                with FileLock(path, timeout=0):
                    return subprocess.run(command, env=os.environ | {"CUDA_VISIBLE_DEVICES": gpu}).returncode
            except Timeout:
                continue
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
