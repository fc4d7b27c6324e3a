"""What a whole study trains: `Profile`, read from `profiles/*.yaml`, and how `chapters.yaml` changes it.

Studies that were declared before their first network, cell by cell, have files of their own: studies/declared.

This module imports no torch.
"""

import dataclasses
import functools
import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.provenance import PACKAGE
from softlab.training.experiment import FIELDS, SEEDS, Experiment, check_fields, checked_number

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # it becomes that of a folder
ENTRIES = ("description", "experiment", "methods", "seeds", "first_seed")  # of a profile's file
ENTRIES += ("evaluation", "seconds_per_network", "resources", "studies")
WIDER = ("methods", "seeds", "evaluation")  # what overrides may change beside fields of the experiment
SPANNED = ("method", "method_parameters", "seed")  # fields of the experiment that differ from network to network
SECONDS = {"cpu": (0, 10**6), "gpu": (0, 10**6)}  # that one network may take, on one CPU core and on one GPU
HOW = ("recorded", "along", "images", "seconds", "asked")  # entries of a study that say nothing of what it trains
STUDY_ENTRIES = ("seeds", "first_seed", "methods", "doses", "grid", "cells", "shorten", "evaluation")  # others: fields
DECLARED = PACKAGE / "studies" / "declared"
DECLARED_NAME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})-([a-z][a-z0-9-]*)")  # when, and which study
RESOURCES = {"gpus": (0, 64), "memory_gb": (1, 10**5), "minutes": (1, 10**6)}  # that a cluster may be asked for
USUAL_RESOURCES = {"gpus": 0, "memory_gb": 4, "minutes": 60}


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A study's setting: the experiment all share, the methods with their parameters, the seeds, evaluation sizes.

    Only the experiments are hashed into run ids; `seconds_per_network` is the reference time for estimates.
    """

    name: str
    description: str
    experiment: Experiment
    methods: Mapping[str, Mapping[str, object]]
    seeds: tuple[int, ...]
    evaluation: Mapping[str, Any]
    seconds_per_network: Mapping[str, float]
    resources: Mapping[str, int]  # of one job on a cluster: gpus, memory_gb, minutes
    studies: Mapping[str, Mapping[str, Any]]  # that it trains, with what each changes: chapters.yaml's, or its own
    grid: Mapping[str, tuple] = field(default_factory=dict)  # of a study: field or parameter -> values
    doses: Mapping[str, tuple[str, tuple]] = field(default_factory=dict)  # of a study: method -> parameter, values
    # Of a declared study, in place of methods and doses: name -> method, its parameters, fields of the experiment.
    cells: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def standing(self) -> str:
        """`confirmatory` if all seeds are 1000 or above, which nobody looked at beforehand; else `exploratory`."""
        return "confirmatory" if min(self.seeds) >= 1000 else "exploratory"

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

    def is_packaged(self) -> bool:
        """Is this the packaged profile of the same name, whatever the seeds?"""
        return self.name in packaged_profiles() and self == load_profile(self.name, seeds=self.seeds)

    def _rows(self) -> Iterator[tuple[str, str, Mapping[str, object], Mapping[str, Any]]]:
        """(cell, method, parameters, fields): every cell, or every method once for each of its doses."""
        for cell, entries in self.cells.items():
            fields = {name: value for name, value in entries.items() if name in FIELDS and name != "method"}
            parameters = {name: value for name, value in entries.items() if name not in FIELDS}
            yield cell, entries["method"], parameters, fields
        for method, parameters in self.methods.items() if not self.cells else ():
            name, values = self.doses.get(method, ("", (None,)))
            yield from (("", method, {**parameters, name: value} if name else parameters, {}) for value in values)


def with_parameters(name: str | Path, seeds: object = None, overrides: object = None) -> Profile:
    """The profile that a notebook's parameters describe; `seeds` or `overrides` of None change nothing."""
    if overrides is not None and not isinstance(overrides, Mapping):
        raise SoftlabError(f"overrides must map fields to values, not {overrides!r}")
    changes = {str(key): value for key, value in (overrides or {}).items()}
    return load_profile(name, **changes | ({} if seeds is None else {"seeds": seeds}))


def load_profile(name: str | Path, /, **overrides) -> Profile:
    """Read a profile that comes with softlab by its name, or your own by the path of its .yaml file.

    `overrides` are fields of the experiment, or `methods` (a list of the profile's methods, or a mapping
    method -> parameters), `seeds` (a count, or a list), `evaluation`.
    Raises SoftlabError for unknown names (with the nearest valid one) and values outside their range.
    """
    path = _profile_file(name)
    content = _profile_content(path)
    wider = {key: overrides[key] for key in WIDER if overrides.get(key) is not None}
    fields = {key: value for key, value in overrides.items() if key not in WIDER}
    experiment = _experiment(content["experiment"], fields)
    resources = USUAL_RESOURCES | _numbers("resources", content.get("resources") or {}, RESOURCES)
    seconds = _numbers("seconds_per_network", content["seconds_per_network"], SECONDS, float)
    return Profile(
        name=path.stem,
        description=text_of("description", content),
        experiment=experiment,
        methods=_methods(content.get("methods", {"baseline": {}}), wider.get("methods")),
        seeds=_seeds(wider.get("seeds", content.get("seeds", 1)), content.get("first_seed", 0)),
        evaluation=_evaluation(content["evaluation"], wider.get("evaluation", {})),
        resources=MappingProxyType(resources),
        studies=MappingProxyType(
            {
                **_studies(content.get("studies") or _chapters_file()["studies"]),
                **_declared_at(path, wider.get("seeds")),
            }
        ),
        seconds_per_network=MappingProxyType(seconds),
    )


def _profile_file(name: str | Path) -> Path:
    """Where the profile of this name lies, or the user's own. Raises SoftlabError for a name that cannot be one."""
    if not isinstance(name, (str, Path)):
        raise SoftlabError(f"a profile is given by its name or the path of a .yaml file, not {name!r}")
    path = Path(name)
    if not path.name.endswith((".yaml", ".yml")):
        check_known("profile", str(name), packaged_profiles())
        path = PACKAGE / "profiles" / f"{name}.yaml"
    if not FILE_NAME.fullmatch(path.stem):
        raise SoftlabError(f"{path.name!r}: a profile's file is named with letters, digits, _ - and ., no . first")
    return path


def _profile_content(path: Path) -> dict[str, Any]:
    """The content of a profile's file, with its entries checked; mappings that are left out are empty."""
    content = read_yaml(path)
    for key in content:
        check_known(f"entry of profile {path.name}", key, ENTRIES)
    for key in ("experiment", "evaluation", "seconds_per_network"):
        if not isinstance(content.setdefault(key, {}), dict):
            raise SoftlabError(f"{key} of profile {path.name} must map names to values, not {content[key]!r}")
    return content


def _experiment(fields: Mapping[str, Any], changes: Mapping[str, Any]) -> Experiment:
    """What the networks of a profile share. Changed `epochs` keep the snapshots that training still reaches."""
    check_fields({**fields, **changes})
    for key in SPANNED:
        if key in fields or key in changes:
            raise SoftlabError(f"a profile spans methods and seeds: change `methods` or `seeds`, not {key!r}")
    experiment = Experiment(**fields)
    if "epochs" in changes and "snapshot_epochs" not in changes:
        experiment = experiment.shortened(changes["epochs"])
    return experiment.replace(**changes)


def text_of(entry: str, content: Mapping) -> str:
    """A text in a YAML file; 1.10 without quotes is a number, of which str() would make 1.1, and so is refused."""
    text = content.get(entry)
    if not isinstance(text, str | None):
        raise SoftlabError(f"{entry} must be text, not {text!r}: put it in quotes")
    return text or ""


def packaged_profiles() -> list[str]:
    """The names of the profiles that come with softlab."""
    return sorted(file.stem for file in (PACKAGE / "profiles").glob("*.yaml"))


def chapters(profile: Profile | None = None) -> dict[str, list[str]]:
    """Which studies each chapter needs: {name of the notebook: [study, …]}; with a profile only those it trains."""
    found = _chapters_file()["chapters"]
    if profile is None:
        return found
    return {name: [study for study in needed if study in profile.studies] for name, needed in found.items()}


def study_profile(profile: Profile, study: str = "core") -> Profile:
    """The profile as the named study changes it (`core` changes nothing): see softlab/chapters.yaml and DECLARED."""
    check_known("study", study, [*_chapters_file()["studies"], *declared()])
    if study not in profile.studies:
        raise SoftlabError(f"profile {profile.name} leaves out the study {study} (it has {', '.join(profile.studies)})")
    entries = dict(profile.studies[study])
    fields = {name: value for name, value in entries.items() if name not in (*HOW, *STUDY_ENTRIES)}
    doses = _doses(entries.get("doses", {}))
    cells = entries.get("cells", {})
    chosen = {cell["method"]: {} for cell in cells.values()} if cells else entries.get("methods")
    methods = _study_methods(profile, chosen, doses)
    return dataclasses.replace(
        profile,
        seeds=_study_seeds(profile.seeds, entries),
        methods=methods,
        experiment=_study_experiment(profile.experiment, entries.get("shorten", 1), fields),
        grid=_study_grid(entries.get("grid", {}), methods),
        doses=doses,
        cells=cells,
        evaluation=_evaluation(profile.evaluation, entries.get("evaluation", {})),
    )


def _study_seeds(seeds: tuple[int, ...], entries: Mapping[str, Any]) -> tuple[int, ...]:
    """As many of a profile's seeds as the study says, or that many from the study's own `first_seed` on."""
    if isinstance(entries.get("seeds"), list):
        return _seeds(entries["seeds"], 0)
    count = checked_number("seeds", int, entries.get("seeds", len(seeds)), (1, 10_000))
    fewer = seeds[:count]
    return _seeds(len(fewer), entries["first_seed"]) if "first_seed" in entries else fewer


def _study_methods(profile: Profile, chosen: object, doses: Mapping[str, tuple]) -> Mapping:
    """The profile's methods, or those that the study chooses; methods with doses are always among them.

    chosen: names, with the profile's parameters, or a method's own where the profile leaves it out; or a mapping to
    parameters; or None.
    """
    if isinstance(chosen, list):
        chosen = {name: profile.methods.get(name, {}) for name in chosen}
    methods = _methods(profile.methods, chosen)
    return MappingProxyType({**methods, **{name: {} for name in doses if name not in methods}})


def _study_experiment(experiment: Experiment, shorten: object, changes: Mapping[str, Any]) -> Experiment:
    """The profile's experiment with the study's fields, and its epochs divided by `shorten`."""
    divisor = checked_number("shorten", int, shorten, (1, 10_000))
    if divisor > 1:
        experiment = experiment.shortened(max(1, experiment.epochs // divisor))
    return experiment.replace(**changes)


def _study_grid(given: object, methods: Mapping[str, Mapping]) -> Mapping[str, tuple]:
    """What a study varies beside methods and seeds: fields of the experiment, or parameters of its methods."""
    grid = _grid(given)
    parameters = [name for own in methods.values() for name in own]
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
    return read_yaml(PACKAGE / "chapters.yaml")


@functools.cache
def declared() -> Mapping[str, Mapping[str, Any]]:
    """The content of the files of DECLARED, by study, with the `date` from the file's name; the oldest first."""
    found = {}
    for path in sorted(DECLARED.glob("*.yaml")):
        named = DECLARED_NAME.fullmatch(path.stem)
        if named is None:
            raise SoftlabError(
                f"{path.name}: a declaration's file is named by its day and its study: 2026-01-31-name.yaml"
            )
        found[named[2].replace("-", "_")] = MappingProxyType({**read_yaml(path), "date": named[1]})
    return MappingProxyType(found)


def _declared_at(path: Path, seeds: object) -> dict[str, Mapping[str, Any]]:
    """The declared studies that name this profile among their settings, with what the setting changes in them.

    seeds: how many seeds to train at most (None: all that were declared).
    """
    found = {}
    for study, content in declared().items():
        if path.stem in content["settings"]:
            setting = dict(content["settings"][path.stem])
            own = setting.pop("cells", {})
            left_out = setting.pop("without", ())
            setting.pop("letter")
            setting.pop("robust", None)
            cells = {
                name: {**cell, **own.get(name, {})} for name, cell in content["cells"].items() if name not in left_out
            }
            own_seeds = _seeds(setting["seeds"], setting.get("first_seed", 0))
            fewer = own_seeds if seeds is None else own_seeds[: len(_seeds(seeds, 0))]
            entries = {**content["trains"], **setting, "seeds": list(fewer), "cells": cells, "recorded": True}
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


def _seeds(seeds: object, first_seed: object) -> tuple[int, ...]:
    if isinstance(seeds, (list, tuple)):
        numbers = tuple(checked_number("seed", int, seed, SEEDS) for seed in seeds)
        if not numbers or len(set(numbers)) < len(numbers):
            raise SoftlabError(f"seeds must be a count or a list of different seeds, not {list(seeds)!r}")
        return numbers
    count = checked_number("seeds", int, seeds, (1, 10_000))
    first = checked_number("first_seed", int, first_seed, SEEDS)
    return tuple(range(first, first + count))


def _evaluation(*given: object) -> Mapping[str, Any]:
    """How much is evaluated: `test_size` test images (None: all), `attack_size` of which are attacked.

    With 0 no image is attacked or corrupted.  `attack_steps`: of the strongest attack by gradients.
    `test_data`: score test images of this data set that are not in the networks' own (data.outside).
    """
    found: dict[str, object] = {"test_size": None, "attack_size": 200, "attack_steps": 20}
    sizes = dict.fromkeys(found, (1, 10**9)) | {"attack_size": (0, 10**9)}
    for entries in given:
        if isinstance(entries, Mapping) and "test_data" in entries:
            if not isinstance(entries["test_data"], str):
                raise SoftlabError(f"test_data of evaluation must be a data set's name, not {entries['test_data']!r}")
            found["test_data"] = entries["test_data"]
            entries = {name: value for name, value in entries.items() if name != "test_data"}
        found |= _numbers("evaluation", entries, sizes, optional=("test_size", "attack_size"))
    return MappingProxyType(found)


def _numbers(what: str, given: object, allowed: Mapping, kind: type = int, optional: tuple[str, ...] = ()) -> dict:
    """Numbers by name: each must be known and in its range; only the optional ones may be None."""
    if not isinstance(given, Mapping):
        raise SoftlabError(f"{what} must map names to values, not {given!r}")
    found = dict(given)
    for name, value in given.items():
        check_known(f"entry of {what}", name, allowed)
        if value is not None or name not in optional:
            found[name] = checked_number(name, kind, value, allowed[name])
    return found


def _methods(methods: Any, chosen: object) -> Mapping:
    """The methods with their parameters: all, those chosen by name, or another mapping altogether."""
    if isinstance(chosen, (list, tuple)) and isinstance(methods, Mapping):
        for name in chosen:
            check_known("method of this profile", name, methods)
        methods = {name: methods[name] for name in chosen}
    elif chosen is not None:
        methods = chosen
    if not isinstance(methods, Mapping) or not methods:
        raise SoftlabError(f"methods must be a list of names or map names to parameters, not {methods!r}")
    for name, parameters in methods.items():
        if not isinstance(name, str) or not isinstance(parameters or {}, Mapping):
            raise SoftlabError(f"method {name!r} must map parameters to values ({{alpha: 0.1}}), not {parameters!r}")
    return MappingProxyType({name: dict(parameters or {}) for name, parameters in methods.items()})
