"""Execute one notebook with papermill: python execute.py NOTEBOOK OUTPUT LOG PROFILE

The output appears only when the notebook has run to its end. If a cell fails, the notebook as far as it came is
kept beside it as NAME.failed.ipynb, and the cell and the error are printed.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

import nbformat

from softlab.provenance import commit

VERSIONS = ("torch", "torchvision", "numpy", "scipy", "matplotlib", "papermill")
TIMEOUT = 3600  # seconds that one cell may take


def main(notebook: Path, output: Path, log: Path, profile: str) -> int:
    record = output.with_suffix(".json")
    last = json.loads(record.read_text())["seconds"] if record.exists() else None
    print(f"executing {notebook.stem}" + (f" (last time it took {last:.0f} s)" if last else ""), flush=True)
    started = time.monotonic()
    partial, failed = output.with_suffix(".partial.ipynb"), output.with_suffix(".failed.ipynb")
    with tempfile.TemporaryDirectory() as ipython, log.open("w") as lines:
        command = [sys.executable, "-m", "papermill", "--log-output", "--no-progress-bar"]
        command += ["--execution-timeout", str(TIMEOUT), str(notebook), str(partial), "-p", "profile", profile]
        environment = os.environ | {"IPYTHONDIR": ipython, "PYTHONDONTWRITEBYTECODE": "1"}
        environment.pop("SOFTLAB_PROFILE", None)  # the profile is given
        environment["SOFTLAB_RESULTS"] = str(output.with_suffix(".results.json").resolve())
        status = subprocess.run(command, env=environment, stdout=lines, stderr=subprocess.STDOUT).returncode
    if status:
        if partial.exists():
            partial.replace(failed)
        print(f"{notebook} failed: {reason(failed)} (log: {log}, notebook as far as it came: {failed})", flush=True)
        return 1
    seconds = round(time.monotonic() - started, 1)
    partial.replace(output)
    failed.unlink(missing_ok=True)
    versions = {name: metadata.version(name) for name in VERSIONS}
    record.write_text(json.dumps({"seconds": seconds, "commit": commit(), "versions": versions}, indent=1))
    print(f"executed {notebook.stem} in {seconds:.0f} s", flush=True)
    return 0


def reason(notebook: Path) -> str:
    """The cell that failed and its error, in one line."""
    if not notebook.exists():
        return "it could not be started"
    for cell in nbformat.read(notebook, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                return f"cell {cell.get('id')!r}: {output.ename}: {output.evalue}"
    return "no cell reports an error; a time-out or a kill"


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:4]), sys.argv[4]))
