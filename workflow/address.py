"""The repository's address on GitHub, for links to Colab."""

import os
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLAB = "https://colab.research.google.com/github"


def github_address(given: str) -> str | None:
    """https://github.com/OWNER/NAME from what git or a person wrote; None for anything else."""
    address = re.sub(r"^git@github\.com:", "https://github.com/", given.strip()).removesuffix("/").removesuffix(".git")
    return address if re.fullmatch(r"https://github\.com/[\w.-]+/[\w.-]+", address) else None


def of_repository() -> str | None:
    """https://github.com/OWNER/NAME from SOFTLAB_REPOSITORY or the git remote `origin`; None for anything else."""
    address = os.environ.get("SOFTLAB_REPOSITORY")
    if address is None:
        command = ["git", "remote", "get-url", "origin"]
        address = subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout
    return github_address(address)


def colab_link(address: str, notebook: str) -> str:
    """Where Colab opens a notebook of the main branch."""
    return f"{COLAB}/{address.removeprefix('https://github.com/')}/blob/main/notebooks/{notebook}.ipynb"
