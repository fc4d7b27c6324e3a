"""Where a result comes from (versions, commit, machine), and where results are kept."""

import functools
import os
import platform
import re
import subprocess
import tempfile
from importlib import metadata
from pathlib import Path

from platformdirs import user_cache_path

from softlab.errors import SoftlabError

PACKAGE = Path(__file__).parent


def is_checkout() -> bool:
    """Does softlab run from its repository, rather than from where it was installed?"""
    return (PACKAGE.parent / "pyproject.toml").exists()


def cache_folder() -> Path:
    """The user's folder for what can be remade: SOFTLAB_CACHE, else the system's cache folder.

    Who has no home, as in some containers, gets a folder of his own among the temporary ones.
    """
    if place := os.environ.get("SOFTLAB_CACHE"):
        return Path(place)
    try:
        return user_cache_path("softlab", appauthor=False)
    except RuntimeError:  # no HOME, and nobody of that number is known
        return Path(tempfile.gettempdir()) / f"softlab-{os.getuid()}"


def store_folder(store: str | Path | None = None) -> Path:
    """Where runs live: `store`, else SOFTLAB_STORE, else `runs/` of the checkout, else the user's cache folder."""
    if store or os.environ.get("SOFTLAB_STORE"):
        return Path(store or os.environ["SOFTLAB_STORE"]).expanduser().absolute()
    return PACKAGE.parent / "runs" if is_checkout() else cache_folder() / "runs"


def environment(device: str) -> dict[str, str]:
    """Versions, commit and hardware, for the record; none of it enters a run id."""
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    return versions | {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device,
        "commit": commit(),
    }


@functools.cache
def commit() -> str:
    """The checkout's commit, `+` if files differ from it, results aside; `unknown` outside a checkout.

    SOFTLAB_COMMIT says it for code that was copied without its .git, in full: a hash that was typed, or cut, may name
    no commit at all. Raises SoftlabError where that is no full hash.
    """
    if said := os.environ.get("SOFTLAB_COMMIT"):
        if not re.fullmatch(r"[0-9a-f]{40}", said):
            raise SoftlabError(
                f"SOFTLAB_COMMIT takes the full hash of a commit (git rev-parse HEAD), not {said[:60]!r}"
            )
        return said[:10]
    if not (PACKAGE.parent / ".git").exists():
        return "unknown"
    options = {"cwd": PACKAGE.parent, "capture_output": True, "text": True, "timeout": 20}
    try:
        said = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], check=True, **options)
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ":!softbook/records"], **options)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return said.stdout.strip() + "+" * (changed.returncode != 0)


def clean_commit() -> str:
    """The checkout's commit, for a record; raises SoftlabError where the code is not committed."""
    if (now := commit()).endswith("+") or now == "unknown":
        raise SoftlabError(f"the code is at commit {now}: record from a checkout without changes (git worktree add)")
    return now
