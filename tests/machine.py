"""A Python of its own, with chosen packages of this environment and without softlab: links, nothing is downloaded."""

import os
import subprocess
import venv
from importlib import metadata
from pathlib import Path

import kernels
from packaging.requirements import Requirement


class Machine:
    """A Python with these packages and all that they need, but without softlab, and an empty folder to work in."""

    def __init__(self, folder, requirements):
        self.work = folder / "work"
        self.work.mkdir()
        venv.create(folder / "venv")
        self.python = folder / "venv" / "bin" / "python"
        self.site = next((folder / "venv" / "lib").glob("python*/site-packages"))
        self.own = set(self.site.iterdir())
        present = folder / "present"
        present.mkdir()
        for entry in entries_of(needed(requirements)):
            (present / entry.name).symlink_to(entry)
        (self.site / "present.pth").write_text(f"{present}\n")
        self.own.add(self.site / "present.pth")
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SOFTLAB_", "PYTHON", "VIRTUAL_ENV"))
        }
        self.environment = (
            kept
            | kernels.pinned(folder / "jupyter", str(self.python))
            | {
                "IPYTHONDIR": str(folder / "ipython"),
                "PIP_NO_INDEX": "1",
                "SOFTLAB_PROFILE": "smoke",
                "SOFTLAB_STORE": str(folder / "store"),
                "XDG_CACHE_HOME": str(folder / "cache"),
            }
        )

    def run(self, *command, **told):
        return subprocess.run(
            [self.python, *command],
            cwd=self.work,
            env=self.environment | told,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def cell(self, source, **told):
        """What a cell prints in IPython: %pip is none of Python's own words."""
        (self.work / "cell.ipy").write_text(source)
        return self.run("-m", "IPython", "--colors=NoColor", "cell.ipy", **told).stdout

    def installed(self):
        return {path.name for path in set(self.site.iterdir()) - self.own}


def needed(requirements):
    """The distributions that these requirements name, with all that they need in turn."""
    found = {}
    left = [Requirement(one) for one in requirements]
    while left:
        one = left.pop()
        if one.name not in found and (one.marker is None or one.marker.evaluate({"extra": ""})):
            try:
                found[one.name] = metadata.distribution(one.name)
            except metadata.PackageNotFoundError:
                continue  # for another machine than this
            left += [Requirement(further) for further in found[one.name].requires or ()]
    return found.values()


def entries_of(distributions):
    """What these distributions have in site-packages: modules, packages, and their records."""
    tops = {
        Path(distribution.locate_file(file.parts[0]))
        for distribution in distributions
        for file in distribution.files
        if file.parts[0] not in ("..", "__pycache__")
    }
    return {top.name: top for top in tops}.values()
