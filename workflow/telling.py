"""How far the engine has got; and on a cluster, which job failed, and why, as soon as Snakemake knows.

Snakemake's own messages list the hundred inputs of a job and not what the job said, so the profiles turn them off.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Lines of a job's log that say why: from our commands, from Python, from Slurm.
TELLING = re.compile(r"\.ipynb failed: |^the notebook as far as it came: |^soft\w+: |^[\w.]+Error: |error: \*\*\* ")


class Progress(logging.Handler):
    """Prints how many jobs are done, after each."""

    def emit(self, record: Any) -> None:
        if getattr(record, "event", None) == "progress":
            print(f"[{record.done} of {record.total} jobs]", flush=True)


class Failures(logging.Handler):
    """Prints a few lines for each job error that Snakemake logs."""

    def emit(self, record: Any) -> None:
        if getattr(record, "event", None) == "job_error":
            print(failure(record.output, record.rule_msg or "", record.log), flush=True)


def failure(outputs: Sequence[str], message: str, logs: Sequence[str]) -> str:
    """What the job was to make, what Slurm and the job said, and where to read more."""
    ended = re.search(r"SLURM-job '(\w+)' failed, SLURM status is: '(\w+)'", message)
    refused = re.search(r"The error message was '(.*?)'\.\n", message, re.DOTALL)
    job = f", job {ended[1]}: {ended[2]}" if ended else ""
    told = [refused[1].strip()] if refused else []
    written = [Path(log) for log in logs if Path(log).is_file()]
    for log in written:
        lines = log.read_text(errors="replace").splitlines()
        told += dict.fromkeys(line.strip() for line in lines if TELLING.search(line))
    return "\n    ".join([f"not made: {outputs[0]}{job}", *told, *(f"log: {log}" for log in written)])
