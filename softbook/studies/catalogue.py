"""What is trained for which study: chapters.yaml, and what was declared before its first network, cell by cell.

study_profile(load_profile("quick"), "dose").experiments()

A profile may name the studies that it trains, and change them (`studies`); it may say what a cluster is asked for
(`resources`).  This module imports no torch.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.profile import SPANNED, Profile, evaluation_of, methods_of, numbers_of, seeds_of
from softlab.training.experiment import FIELDS, Experiment, checked_number

FOLDER = Path(__file__).parent
HOW = ("along", "images", "asked", "seconds")  # entries of a study that say nothing of what it trains
STUDY_ENTRIES = ("seeds", "first_seed", "methods", "doses", "grid", "cells", "shorten", "evaluation")  # others: fields
DECLARED = FOLDER / "declared"
DECLARED_NAME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-([a-z][a-z0-9-]*)")  # when, and which study
RESOURCES = {"gpus": (0, 64), "memory_gb": (1, 10**5), "minutes": (1, 10**6)}  # that a cluster may be asked for
USUAL_RESOURCES = {"gpus": 0, "memory_gb": 4, "minutes": 60}


@dataclass(frozen=True, kw_only=True)
class Study(Profile):
    """A profile as a study changes it: more experiments than a method and a seed each.

    grid: field or parameter -> values.  doses: method -> its parameter that varies, and the values.
    cells: of a declared study, in place of methods and doses: name -> method, its parameters, fields of the experiment.
    """

    grid: Mapping[str, tuple] = field(default_factory=dict)
    doses: Mapping[str, tuple[str, tuple]] = field(default_factory=dict)
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def experiments(self) -> list[Experiment]:
        """One experiment for each method (or cell), point of the grid and seed, all seeds of a point together.

        What the grid varies is a field of the experiment, or a parameter of those methods that have it.
        """
        return [point.replace(seed=seed) for _, point in self._points() for seed in self.seeds]

    def cell_of(self, experiment: Experiment) -> str:
        """The name of a declared study's cell that an experiment is of."""
        return next(name for name, point in self._points() if point.replace(seed=experiment.seed) == experiment)

    def _points(self) -> Iterator[tuple[str, Experiment]]:
        """One experiment for each point, whatever its seed, with the name of its cell, if the study has cells."""
        for cell, method, parameters, fields in self._rows():
            points: list[dict[str, Any]] = []
            for values in itertools.product(*self.grid.values()):
                point = dict(zip(self.grid, values, strict=True))
                point = {key: point[key] for key in point if key not in fields and (key in FIELDS or key in parameters)}
                points += [point] if point not in points else []
            for point in points:
                own = {**parameters, **{key: point.pop(key) for key in [*point] if key not in FIELDS}}
                yield cell, self.experiment.replace(method=method, method_parameters=own, **fields, **point)

    def _rows(self) -> Iterator[tuple[str, str, Mapping[str, object], Mapping[str, Any]]]:
        """(cell, method, parameters, fields): every cell, or every method once for each of its doses."""
        for cell, entries in self.cells.items():
            fields = {name: value for name, value in entries.items() if name in FIELDS and name != "method"}
            parameters = {name: value for name, value in entries.items() if name not in FIELDS}
            yield cell, entries["method"], parameters, fields
        for method, parameters in self.methods.items() if not self.cells else ():
            name, values = self.doses.get(method, ("", (None,)))
            yield from (("", method, {**parameters, name: value} if name else parameters, {}) for value in values)


def studies_of(profile: Profile) -> Mapping[str, Mapping[str, Any]]:
    """What a profile trains: study -> what it changes. Those of chapters.yaml or its own, and declared ones."""
    own = _studies(profile.beside.get("studies") or _chapters_file()["studies"])
    return MappingProxyType({**own, **_declared_at(profile.name, profile.asked.get("seeds"))})


def with_methods(profile: Profile, study: str, methods: Mapping[str, Mapping]) -> Profile:
    """The profile, of which a study has these methods."""
    named = profile.beside.get("studies") or _chapters_file()["studies"]
    own = dict(named) if isinstance(named, Mapping) else dict.fromkeys(named)
    own[study] = {**(own[study] or {}), "methods": methods}
    return dataclasses.replace(profile, beside={**profile.beside, "studies": own})


def with_methods_of_file(profile: Profile, study: str, path: Path) -> Profile:
    """The profile, of which a study has what a user's file registers too, with default parameters. The file is run."""
    from softlab import methods_file
    from softlab.regularizers import REGISTRY

    known = dict(REGISTRY)
    methods_file.run(path)
    own = {name: {} for name in REGISTRY if REGISTRY[name] is not known.get(name)}
    return with_methods(profile, study, {**study_profile(profile, study).methods, **own})


def resources_of(profile: Profile) -> Mapping[str, int]:
    """What a cluster is asked for, for one job: gpus, memory_gb, minutes."""
    return USUAL_RESOURCES | numbers_of("resources", profile.beside.get("resources") or {}, RESOURCES)


def study_profile(profile: Profile, study: str = "core") -> Study:
    """The profile as the named study changes it (`core` changes nothing): see softbook/chapters.yaml and DECLARED."""
    check_known("study", study, [*_chapters_file()["studies"], *declared()])
    studies = studies_of(profile)
    resources_of(profile)  # a profile's file is checked as a whole before anything starts
    if study not in studies:
        raise SoftlabError(f"profile {profile.name} leaves out the study {study} (it has {', '.join(studies)})")
    entries = dict(studies[study])
    fields = {name: value for name, value in entries.items() if name not in (*HOW, *STUDY_ENTRIES)}
    doses = _doses(entries.get("doses", {}))
    cells = entries.get("cells", {})
    chosen = {cell["method"]: {} for cell in cells.values()} if cells else entries.get("methods")
    methods = _study_methods(profile, chosen, doses)
    plain = {part.name: getattr(profile, part.name) for part in dataclasses.fields(Profile)}
    changed = {
        "seeds": _study_seeds(profile.seeds, entries),
        "methods": methods,
        "experiment": _study_experiment(profile.experiment, entries.get("shorten", 1), fields),
        "grid": _study_grid(entries.get("grid", {}), [*methods.values(), *cells.values()]),
        "doses": doses,
        "cells": cells,
        "evaluation": evaluation_of(profile.evaluation, entries.get("evaluation", {})),
    }
    return Study(**(plain | changed))


def _study_seeds(seeds: tuple[int, ...], entries: Mapping[str, Any]) -> tuple[int, ...]:
    """As many of a profile's seeds as the study says, or that many from the study's own `first_seed` on."""
    if isinstance(entries.get("seeds"), list):
        return seeds_of(entries["seeds"], 0)
    count = checked_number("seeds", int, entries.get("seeds", len(seeds)), (1, 10_000))
    fewer = seeds[:count]
    return seeds_of(len(fewer), entries["first_seed"]) if "first_seed" in entries else fewer


def _study_methods(profile: Profile, chosen: object, doses: Mapping[str, tuple]) -> Mapping:
    """The profile's methods, or those that the study chooses; methods with doses are always among them.

    chosen: names, with the profile's parameters, or a method's own where the profile leaves it out; or a mapping to
    parameters; or None.
    """
    if isinstance(chosen, list):
        chosen = {name: profile.methods.get(name, {}) for name in chosen}
    methods = methods_of(profile.methods, chosen)
    return MappingProxyType({**methods, **{name: {} for name in doses if name not in methods}})


def _study_experiment(experiment: Experiment, shorten: object, changes: Mapping[str, Any]) -> Experiment:
    """The profile's experiment with the study's fields, and its epochs divided by `shorten`."""
    divisor = checked_number("shorten", int, shorten, (1, 10_000))
    if divisor > 1:
        experiment = experiment.shortened(max(1, experiment.epochs // divisor))
    return experiment.replace(**changes)


def _study_grid(given: object, known: Sequence[Mapping]) -> Mapping[str, tuple]:
    """What a study varies beside methods and seeds: fields of the experiment, or parameters of its methods and cells.

    known: the parameters of each, by name.
    """
    grid = _grid(given)
    parameters = [name for own in known for name in own]
    for name in grid:
        if name in SPANNED:
            raise SoftlabError(f"a grid varies fields and parameters, not {name!r}, which is an entry of its own")
        check_known("field or parameter", name, [*FIELDS, *parameters])
    return grid


def _grid(given: object) -> Mapping[str, tuple]:
    """{what varies: its values}, each a list that is not empty."""
    if not isinstance(given, Mapping) or not all(isinstance(values, list) and values for values in given.values()):
        raise SoftlabError(f"a grid maps fields to lists of values, not {given!r}")
    return MappingProxyType({str(name): tuple(values) for name, values in given.items()})


def _doses(given: object) -> Mapping[str, tuple[str, tuple]]:
    """{method: (its parameter that varies, values)}, from {method: {parameter: [values]}}."""
    if not isinstance(given, Mapping):
        raise SoftlabError(f"doses map methods to a parameter with a list of values, not {given!r}")
    found = {}
    for method, parameter in given.items():
        entries = list(_grid(parameter).items())
        if len(entries) != 1:
            raise SoftlabError(f"the doses of {method} must be values of one parameter, not {parameter!r}")
        found[str(method)] = entries[0]
    return MappingProxyType(found)


@functools.cache
def _chapters_file() -> dict:
    return read_yaml(FOLDER.parent / "chapters.yaml")


@functools.cache
def renamed() -> Mapping[str, str]:
    """Notebooks that have another name now: old -> new."""
    return read_yaml(FOLDER.parent / "renamed.yaml")


@functools.cache
def declared() -> Mapping[str, Mapping[str, Any]]:
    """The content of the files of DECLARED, by study, with the `date` from the file's name; the oldest first.

    Settings that were withdrawn before their first row (DECLARED/withdrawn) are not among its `settings`, but in
    `withdrawn`: profile -> letter, date and why.
    """
    taken_back = _dated(DECLARED / "withdrawn")
    found = {}
    for study, content in _dated(DECLARED).items():
        settings = dict(content["settings"])
        withdrawn = {}
        if reason := taken_back.get(study):
            for name in reason["settings"]:
                letter = settings.pop(name)["letter"]
                withdrawn[name] = {"letter": letter, "date": reason["date"], "why": reason["why"]}
        found[study] = MappingProxyType({**content, "settings": settings, "withdrawn": withdrawn})
    return MappingProxyType(found)


def _dated(folder: Path) -> dict[str, dict[str, Any]]:
    """The content of a folder's files DAY-STUDY.yaml, by study, with the `date` from the file's name; oldest first."""
    found = {}
    for path in sorted(folder.glob("*.yaml")):
        named = DECLARED_NAME.fullmatch(path.stem)
        if named is None:
            raise SoftlabError(
                f"{path.name}: a declaration's file is named by its day and its study: 2026-01-31-name.yaml"
            )
        found[named[2].replace("-", "_")] = {**read_yaml(path), "date": named[1]}
    return found


def _declared_at(name: str, seeds: object) -> dict[str, Mapping[str, Any]]:
    """The declared studies that name this profile among their settings, with what the setting changes in them.

    seeds: how many seeds to train at most (None: all that were declared).
    """
    found = {}
    for study, content in declared().items():
        if name in content["settings"]:
            setting = dict(content["settings"][name])
            own = setting.pop("cells", {})
            left_out = setting.pop("without", ())
            setting.pop("letter")
            setting.pop("robust", None)
            cells = {
                cell: {**entries, **own.get(cell, {})}
                for cell, entries in content["cells"].items()
                if cell not in left_out
            }
            own_seeds = seeds_of(setting["seeds"], setting.get("first_seed", 0))
            fewer = own_seeds if seeds is None else own_seeds[: len(seeds_of(seeds, 0))]
            entries = {**content["trains"], **setting, "seeds": list(fewer), "cells": cells}
            found[study] = MappingProxyType(entries)
    return found


def _studies(given: object) -> Mapping[str, Mapping[str, Any]]:
    """The studies of chapters.yaml in a list, or in a mapping to what the profile changes in them."""
    known = _chapters_file()["studies"]
    if not isinstance(given, (list, Mapping)):
        raise SoftlabError(f"studies must be a list of names, or map names to changes, not {given!r}")
    found = {}
    for study in given:
        check_known("study", study, known)
        changes = given[study] if isinstance(given, Mapping) else None
        if not isinstance(changes or {}, Mapping) or not all(isinstance(name, str) for name in changes or ()):
            raise SoftlabError(f"study {study} must map entries to values ({{seeds: 3}}), not {changes!r}")
        found[study] = MappingProxyType({**(known[study] or {}), **(changes or {})})
    return MappingProxyType(found)
