"""Sweeps: the same networks and notebooks over lists of parameters. `softbook sweep NAME` comes here.

A sweep is a file of workflow/sweeps/ (or anywhere), read safely; book/sweeps.md says what stands in it. This module
turns it into points, each a set of a notebook's parameters, and hands them to the engine.
"""

import argparse
import copy
import functools
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from softbook.page.parameters import assigned_names
from softlab.errors import SoftlabError, check_known, check_name
from softlab.files import read_yaml, short_digest
from softlab.profile import Profile, text_of, with_parameters

ROOT = Path(__file__).resolve().parent.parent
SWEEPS = ROOT / "workflow" / "sweeps"
KEYS = ("title", "about", "notebooks", "parameters", "vary", "combine", "show")
AXIS = ("sets", "values")
SHOWN = ("accuracy", "log magnitude", "ECE", "robust, 2/255")
LARGEST = 100_000  # points
COLUMNS = ("notebook", "method", "seed", "quantity", "value")  # of the report's table, beside the axes
SETTING = ("seeds", "overrides")  # what varies where no notebook is executed


@dataclass(frozen=True)
class Point:
    """One set of parameters. name: the same for the same parameters.  values: what varies, as the sweep calls it."""

    name: str
    values: Mapping[str, object]
    parameters: Mapping[str, object]

    def settings(self, profile: str) -> Profile:
        """The profile with this point's changes; raises SoftlabError that names the point."""
        try:
            return with_parameters(profile, self.parameters.get("seeds"), self.parameters.get("overrides"))
        except SoftlabError as error:
            where = ", ".join(f"{name} = {value}" for name, value in self.values.items())
            raise SoftlabError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Sweep:
    """A checked sweep file. axes: label -> values.  show: quantities that the report draws.

    notebooks: what is executed at each point (none: its networks are trained, and their numbers are the result).
    """

    name: str
    file: str
    title: str
    about: str
    notebooks: tuple[str, ...]
    axes: Mapping[str, list]
    points: tuple[Point, ...]
    show: tuple[str, ...]

    def studies(self, chapters: Mapping[str, list[str]]) -> list[str]:
        """Whose networks each point needs."""
        needed = [study for name in self.notebooks for study in chapters.get(name, ["core"])]
        return list(dict.fromkeys(needed)) if self.notebooks else ["core"]


def known() -> list[str]:
    return sorted(path.stem for path in SWEEPS.glob("*.yaml"))


@functools.cache
def load_sweep(name: str) -> Sweep:
    """Read a sweep of the book by its name, or yours by the path of its .yaml file. Raises SoftlabError."""
    path = Path(name)
    if not path.name.endswith((".yaml", ".yml")):
        check_known("sweep", name, known())
        path = SWEEPS / f"{name}.yaml"
    check_name("sweep", path.stem)
    content = read_yaml(path)
    for key in content:
        check_known(f"entry of sweep {path.name}", key, KEYS)
    try:
        return _sweep(path, content)
    except SoftlabError as error:
        raise SoftlabError(f"sweep {path.name}: {error}") from None


def _sweep(path: Path, content: Mapping) -> Sweep:
    notebooks = _names("notebooks", content["notebooks"]) if "notebooks" in content else []
    fixed = content.get("parameters") or {}
    vary = content.get("vary")
    if not isinstance(fixed, Mapping) or not isinstance(vary, Mapping) or not vary:
        raise SoftlabError("`vary` maps what changes to its values, `parameters` what does not")
    axes: dict[str, list] = {}
    targets: dict[str, list[str]] = {}
    for label, given in vary.items():
        axes[str(label)], targets[str(label)] = _axis(str(label), given)
    _check_parameters([*fixed, *(path.split(".")[0] for paths in targets.values() for path in paths)], notebooks)
    points = [_point(values, targets, fixed) for values in _combined(axes, content.get("combine", "grid"))]
    if len({point.name for point in points}) < len(points):
        raise SoftlabError("two points are the same: a value is given twice")
    return Sweep(
        name=path.stem,
        file=str(path),
        title=_text("title", content) or path.stem,
        about=_text("about", content),
        notebooks=tuple(notebooks),
        axes=axes,
        points=tuple(points),
        show=tuple(_names("show", content.get("show", list(SHOWN)))),
    )


def _text(key: str, content: Mapping) -> str:
    """A text in a line of its own."""
    return " ".join(text_of(key, content).split())


def _check_parameters(names: Iterable[str], notebooks: Sequence[str]) -> None:
    """Raise SoftlabError for a name that is no parameter of each of the notebooks, or, without any, of a setting."""
    allowed = set.intersection(*map(set, map(parameters_of, notebooks))) - {"profile"} if notebooks else SETTING
    for name in names:
        check_known(f"parameter of {' and '.join(notebooks) or 'a setting'}", name, allowed)


def _combined(axes: Mapping[str, list], combine: object) -> Iterator[dict[str, object]]:
    """A value of each axis: every combination, the last axis fastest, or along all of them at once."""
    check_known("combine", combine, ("grid", "zip"))
    sizes = {label: len(values) for label, values in axes.items()}
    if combine == "zip" and len(set(sizes.values())) > 1:
        listed = ", ".join(f"{label}: {size}" for label, size in sizes.items())
        raise SoftlabError(f"zip takes lists of one length, not {listed}")
    count = math.prod(sizes.values()) if combine == "grid" else max(sizes.values())
    if count > LARGEST:
        raise SoftlabError(f"{count} points are more than {LARGEST}")
    rows = itertools.product(*axes.values()) if combine == "grid" else zip(*axes.values(), strict=True)
    return (dict(zip(axes, row, strict=True)) for row in rows)


def _names(key: str, given: object) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise SoftlabError(f"{key} must be a list of names, not {given!r}")
    return given


def _axis(label: str, given: object) -> tuple[list, list[str]]:
    """The values of an axis, and the parameters that it sets (by default the one that it is named after)."""
    if label in COLUMNS:
        raise SoftlabError(f"nothing that varies can be called {label!r}: the table has a column of that name")
    entry: Mapping[str, Any] = given if isinstance(given, Mapping) else {"values": given}
    for key in entry:
        check_known(f"entry of {label}", key, AXIS)
    paths = _names(f"sets of {label}", entry.get("sets", [label]))
    values = entry.get("values")
    if not isinstance(values, list) or not values:
        raise SoftlabError(f"{label} takes a list of values, not {given!r}")
    return values, paths


def _point(values: dict[str, object], targets: Mapping[str, list[str]], fixed: Mapping) -> Point:
    parameters = json.loads(_plain(fixed))
    for label, value in values.items():
        for path in targets[label]:
            *parents, last = path.split(".")
            place = parameters
            for parent in parents:
                place = place.setdefault(parent, {}) if isinstance(place, dict) else None
            if not isinstance(place, dict):
                raise SoftlabError(f"{path} cannot be set: something on its way is no mapping")
            place[last] = copy.deepcopy(value)  # the next label may set something inside it
    return Point(short_digest(json.loads(_plain(parameters))), values, parameters)


def _plain(content: object) -> str:
    """As JSON, which holds nothing but plain values; dates and the like, which YAML knows, are refused."""
    try:
        return json.dumps(content, allow_nan=False)
    except (TypeError, ValueError):
        raise SoftlabError(f"parameters are numbers, text, lists and mappings, not {content!r}") from None


@functools.cache
def parameters_of(name: str) -> tuple[str, ...]:
    """The names that a notebook's parameters cell defines."""
    check_known("notebook", name, sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb")))
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return tuple(assigned_names(source))


def check(sweep: Sweep, profile: str) -> None:
    """Raise SoftlabError for a point that no notebook could run with: every value is tried before anything starts."""
    from softlab import regularizers
    from softlab.numbers.quantities import QUANTITIES

    for name in sweep.show:
        check_known("quantity to show", name, QUANTITIES)
    settings = [point.settings(profile) for point in sweep.points]
    for method, given in {(name, _plain(dict(given))) for one in settings for name, given in one.methods.items()}:
        regularizers.get(method, **json.loads(given))


def listed(text: str) -> str:
    """A list of this text, for Snakemake's --config, which takes text without a list for YAML and cuts it at " #"."""
    return json.dumps([text], ensure_ascii=False)


def main(arguments: list[str]) -> int:
    """`softbook sweep`: 0, 1 if a job failed, 2 for wrong input."""
    parser = argparse.ArgumentParser("softbook sweep", description="Networks and notebooks over a grid of parameters.")
    parser.add_argument("name", nargs="?", help="a sweep of workflow/sweeps, or a .yaml file (none: list them)")
    parser.add_argument("--profile", default="quick", help="what the points change: a name, or a .yaml file (quick)")
    parser.add_argument("--on", default="local", metavar="WHERE", help="workflow/profiles/WHERE: local, slurm (local)")
    parser.add_argument("--cores", type=int, help="how many cores to use (as WHERE says: all)")
    parser.add_argument("--dry-run", action="store_true", help="list the jobs; start none")
    options = parser.parse_args(arguments)
    if options.name is None:
        for name in known():
            sweep = load_sweep(name)
            print(f"{name:14} {len(sweep.points):4} points  {sweep.title}")
        return 0
    try:
        sweep = load_sweep(options.name)
        places = sorted(path.name for path in (ROOT / "workflow/profiles").iterdir())
        check_known("place to run", options.on, places)
        if options.cores is not None and options.cores < 1:
            raise SoftlabError(f"--cores takes a whole number from 1, not {options.cores}")
        check(sweep, options.profile)
    except SoftlabError as error:
        print(f"softlab: {error}", file=sys.stderr)
        return 2
    given = options.profile, options.name
    files = [str(Path(name).resolve()) if name.endswith((".yaml", ".yml")) else name for name in given]
    command = [sys.executable, "-m", "snakemake", "sweeps", "--snakefile", "workflow/Snakefile"]
    command += ["--profile", f"workflow/profiles/{options.on}"]
    command += ["--config", f"profile={listed(files[0])}", f"sweeps={listed(files[1])}"]
    command += ["--cores", str(options.cores)] if options.cores else []
    command += ["--dry-run", "--quiet", "reason", "host"] if options.dry_run else []
    try:
        return min(1, subprocess.run(command, cwd=ROOT).returncode)
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
