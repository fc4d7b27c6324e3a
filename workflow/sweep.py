"""A sweep file, read and checked: the points that its notebooks are executed at, or its networks trained at.

Files lie in workflow/sweeps, or anywhere; book/batch.md says what stands in one.
"""

import copy
import functools
import itertools
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

from softbook.page.parameters import assigned_names
from softbook.studies.catalogue import renamed
from softlab.errors import SoftlabError, check_known, check_name
from softlab.files import read_yaml, short_digest
from softlab.profile import Profile, text_of, with_parameters

ROOT = Path(__file__).resolve().parent.parent
SWEEPS = ROOT / "workflow" / "sweeps"
KEYS = ("title", "about", "notebooks", "parameters", "vary", "combine", "show")
SHOWN = ["accuracy", "log magnitude", "ECE", "robust, 2/255"]
LARGEST = 100_000  # points
COLUMNS = ("notebook", "method", "seed", "quantity", "value")  # of the report's table, beside the axes
SETTING = ("seeds", "overrides")  # what varies where no notebook is executed


@dataclass(frozen=True)
class Axis:
    """What varies. label: as the sweep calls it.  paths: the parameters that it sets, with dots for what is inside."""

    label: str
    values: list
    paths: list[str]


@dataclass(frozen=True)
class Point:
    """One set of parameters. values: those of the axes, by label.  parameters: a notebook's, all but the profile."""

    values: Mapping[str, object]
    parameters: Mapping[str, Any]

    @functools.cached_property
    def name(self) -> str:
        """The same for the same parameters, so that a sweep which grows keeps the points that it has."""
        return short_digest(self.parameters)

    def settings(self, profile: str) -> Profile:
        """The profile with this point's changes; raises SoftlabError that names the point."""
        try:
            return with_parameters(profile, self.parameters.get("seeds"), self.parameters.get("overrides"))
        except SoftlabError as error:
            where = ", ".join(f"{name} = {value}" for name, value in self.values.items())
            raise SoftlabError(f"{where}: {error}") from None


@dataclass(frozen=True)
class Sweep:
    """A checked sweep file. points: by name.  show: quantities that the report draws.

    notebooks: what is executed at each point (none: its networks are trained, and their numbers are the result).
    """

    name: str
    file: str
    title: str
    about: str
    notebooks: list[str]
    axes: list[str]
    points: Mapping[str, Point]
    show: list[str]


def load_sweep(name: str) -> Sweep:
    """Read a sweep of the book by its name, or yours by the path of its .yaml file. Raises SoftlabError."""
    path = Path(name)
    if not path.name.endswith((".yaml", ".yml")):
        check_known("sweep", name, [path.stem for path in SWEEPS.glob("*.yaml")])
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
    axes = [_axis(str(label), given) for label, given in vary.items()]
    _check_parameters([*fixed, *(path.split(".")[0] for axis in axes for path in axis.paths)], notebooks)
    points = [_point(axes, values, fixed) for values in _combined(axes, content.get("combine", "grid"))]
    by_name = {point.name: point for point in points}
    if len(by_name) < len(points):
        raise SoftlabError("two points are the same: a value is given twice")
    return Sweep(
        name=path.stem,
        file=str(path),
        title=" ".join(text_of("title", content).split()) or path.stem,
        about=" ".join(text_of("about", content).split()),
        notebooks=notebooks,
        axes=[axis.label for axis in axes],
        points=by_name,
        show=_names("show", content.get("show", SHOWN)),
    )


def _names(key: str, given: object) -> list[str]:
    if not isinstance(given, list) or not given or not all(isinstance(one, str) for one in given):
        raise SoftlabError(f"{key} must be a list of names, not {given!r}")
    return given


def _axis(label: str, given: object) -> Axis:
    """An axis sets the parameter that it is named after, unless it says which."""
    if label in COLUMNS:
        raise SoftlabError(f"nothing that varies can be called {label!r}: the table has a column of that name")
    entry: Mapping[str, Any] = given if isinstance(given, Mapping) else {"values": given}
    for key in entry:
        check_known(f"entry of {label}", key, ("sets", "values"))
    values = entry.get("values")
    if not isinstance(values, list) or not values:
        raise SoftlabError(f"{label} takes a list of values, not {given!r}")
    return Axis(label, values, _names(f"sets of {label}", entry.get("sets", [label])))


def _check_parameters(names: Iterable[str], notebooks: Sequence[str]) -> None:
    """Raise SoftlabError for a name that is no parameter of each of the notebooks, or, without any, of a setting."""
    allowed = set.intersection(*map(set, map(parameters_of, notebooks))) - {"profile"} if notebooks else SETTING
    for name in names:
        check_known(f"parameter of {' and '.join(notebooks) or 'a setting'}", name, allowed)


def _combined(axes: Sequence[Axis], combine: object) -> Iterable[tuple]:
    """A value of each axis: every combination, the last axis fastest, or along all of them at once."""
    check_known("combine", combine, ("grid", "zip"))
    sizes = [len(axis.values) for axis in axes]
    if combine == "zip":
        if len(set(sizes)) > 1:
            listed = ", ".join(f"{axis.label}: {len(axis.values)}" for axis in axes)
            raise SoftlabError(f"zip takes lists of one length, not {listed}")
        return zip(*(axis.values for axis in axes), strict=True)
    if math.prod(sizes) > LARGEST:
        raise SoftlabError(f"{math.prod(sizes)} points are more than {LARGEST}")
    return itertools.product(*(axis.values for axis in axes))


def _point(axes: Sequence[Axis], values: tuple, fixed: Mapping) -> Point:
    parameters = copy.deepcopy(dict(fixed))
    for axis, value in zip(axes, values, strict=True):
        for path in axis.paths:
            _set(parameters, path, value)
    try:
        plain = json.loads(json.dumps(parameters, allow_nan=False))
    except (TypeError, ValueError):  # dates and the like, which YAML knows
        raise SoftlabError(f"parameters are numbers, text, lists and mappings, not {parameters!r}") from None
    return Point({axis.label: value for axis, value in zip(axes, values, strict=True)}, plain)


def _set(parameters: dict, path: str, value: object) -> None:
    """Set what a path with dots leads to."""
    *parents, last = path.split(".")
    place: object = parameters
    for parent in parents:
        place = place.setdefault(parent, {}) if isinstance(place, dict) else None
    if not isinstance(place, dict):
        raise SoftlabError(f"{path} cannot be set: something on its way is no mapping")
    place[last] = copy.deepcopy(value)  # the next axis may set something inside it


@functools.cache
def parameters_of(name: str) -> tuple[str, ...]:
    """The names that a notebook's parameters cell defines."""
    if name in renamed():
        raise SoftlabError(f"the notebook {name} is called {renamed()[name]} now")
    check_known("notebook", name, [path.stem for path in (ROOT / "notebooks").glob("*.ipynb")])
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    source = next(cell.source for cell in cells if "parameters" in cell.metadata.get("tags", []))
    return tuple(assigned_names(source))


def check(sweep: Sweep, profile: str) -> None:
    """Raise SoftlabError for a point that no notebook could run with: every value is tried before anything starts."""
    from softlab import regularizers
    from softlab.numbers.quantities import QUANTITIES

    for name in sweep.show:
        check_known("quantity to show", name, QUANTITIES)
    for point in sweep.points.values():
        for method, parameters in point.settings(profile).methods.items():
            regularizers.get(method, **parameters)
