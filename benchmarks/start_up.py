"""What it takes until the library does something: processes of their own beside one that only imports torch.

Wall time on one thread. Examined are the predictions of 500 images; the network is one that the store has already.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from common import report, side_by_side

EXAMINE = [sys.executable, "-m", "softlab", "examine", "--logits", "logits.npy", "--labels", "labels.npy"]
TINY = 'profile="smoke", experiment={"epochs": 1, "train_size": 64}'


def in_python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


COMMANDS = {
    "import torch": in_python("import torch"),
    "softlab --help": [sys.executable, "-m", "softlab", "--help"],
    "softlab.criterion": in_python("import softlab; softlab.criterion('maxsup', alpha=0.1)"),
    "softlab examine, of predictions": [*EXAMINE, "--out", "page.html"],
    "softlab.fit, of a network in the store": in_python(f"import softlab; softlab.fit('baseline', {TINY})"),
    "softlab.fit, and its model": in_python(f"import softlab; softlab.fit('baseline', {TINY}).model"),
    "softlab.mixture": in_python("import softlab; softlab.mixture('cutmix')"),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        generator = np.random.default_rng(0)
        np.save(Path(folder) / "logits.npy", generator.normal(size=(500, 10)).astype("float32"))
        np.save(Path(folder) / "labels.npy", np.arange(500) % 10)
        environment = os.environ | {"OMP_NUM_THREADS": "1", "SOFTLAB_STORE": folder}
        given = {"cwd": folder, "env": environment, "check": True, "capture_output": True}
        contestants = {name: lambda c=command: subprocess.run(c, **given) for name, command in COMMANDS.items()}
        seconds = side_by_side(contestants, 7)
    report("start_up", "import torch", seconds, "a process of its own, one thread, files in the cache")


if __name__ == "__main__":
    main()
