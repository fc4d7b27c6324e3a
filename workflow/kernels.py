"""A kernel `python3` that is this Python, whatever else has that name on this machine."""

import json
import os
import sys
from pathlib import Path

NAME = "python3"


def pinned(folder: Path, python: str = sys.executable) -> dict[str, str]:
    """Environment variables with which the kernel `python3` is this Python; writes its description to folder.

    Jupyter takes the first kernel of a name: those on JUPYTER_PATH, then the user's, then this environment's.
    """
    description = folder.resolve() / "kernels" / NAME / "kernel.json"
    description.parent.mkdir(parents=True, exist_ok=True)
    command = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    content = {"argv": command, "display_name": "Python 3", "language": "python"}
    description.write_text(json.dumps(content), encoding="utf-8")
    others = os.environ.get("JUPYTER_PATH")
    return {"JUPYTER_PATH": os.pathsep.join([str(folder.resolve()), *([others] if others else [])])}
