"""A setting in which methods are trained and compared: `Profile`, read from `profiles/*.yaml`.

This module imports no torch.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from softlab.errors import SoftlabError, check_known
from softlab.files import read_yaml
from softlab.plugins import offered
from softlab.provenance import PACKAGE
from softlab.training.experiment import SEEDS, Experiment, check_fields, checked_number

FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")  # it becomes that of a folder
ENTRIES = ("description", "experiment", "methods", "seeds", "first_seed")  # of a profile's file
ENTRIES += ("evaluation",)
BESIDE = ("resources", "studies")  # entries for others, which are handed on as they are
WIDER = ("methods", "seeds", "evaluation")  # what overrides may change beside fields of the experiment
SPANNED = ("method", "method_parameters", "seed")  # fields of the experiment that differ from network to network


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A setting: the experiment that all networks share, methods with their parameters, seeds, evaluation sizes.

    beside: entries of its file that say nothing of the networks (BESIDE).  asked: what overrides changed.
    Only the experiments are hashed into run ids.
    """

    name: str
    description: str
    experiment: Experiment
    methods: Mapping[str, Mapping[str, object]]
    seeds: tuple[int, ...]
    evaluation: Mapping[str, Any]
    beside: Mapping[str, Any] = field(default_factory=dict)
    asked: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def standing(self) -> str:
        """`confirmatory` if all seeds are 1000 or above, which nobody looked at beforehand; else `exploratory`."""
        return "confirmatory" if min(self.seeds) >= 1000 else "exploratory"

    def experiments(self) -> list[Experiment]:
        """One experiment for each method and seed, all seeds of a method together."""
        return [
            self.experiment.replace(method=method, method_parameters=parameters, seed=seed)
            for method, parameters in self.methods.items()
            for seed in self.seeds
        ]


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
    return Profile(
        name=path.stem,
        description=text_of("description", content),
        experiment=experiment,
        methods=methods_of(content.get("methods", {"baseline": {}}), wider.get("methods")),
        seeds=seeds_of(wider.get("seeds", content.get("seeds", 1)), content.get("first_seed", 0)),
        evaluation=evaluation_of(content["evaluation"], wider.get("evaluation", {})),
        beside=MappingProxyType({name: content[name] for name in BESIDE if name in content}),
        asked=MappingProxyType(overrides),
    )


def _profile_file(name: str | Path) -> Path:
    """Where the profile of this name lies, or the user's own. Raises SoftlabError for a name that cannot be one."""
    if not isinstance(name, (str, Path)):
        raise SoftlabError(f"a profile is given by its name or the path of a .yaml file, not {name!r}")
    path = Path(name)
    if not path.name.endswith((".yaml", ".yml")):
        known = packaged_profiles()
        check_known("profile", str(name), known)
        path = known[str(name)]
    if not FILE_NAME.fullmatch(path.stem):
        raise SoftlabError(f"{path.name!r}: a profile's file is named with letters, digits, _ - and ., no . first")
    return path


def _profile_content(path: Path) -> dict[str, Any]:
    """The content of a profile's file, with its entries checked; mappings that are left out are empty."""
    content = read_yaml(path)
    for key in content:
        check_known(f"entry of profile {path.name}", key, (*ENTRIES, *BESIDE))
    for key in ("experiment", "evaluation"):
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


def packaged_profiles() -> dict[str, Path]:
    """The profiles that come with softlab, and those that another package offers it: name -> file."""
    folders = [PACKAGE / "profiles", offered("profiles")]
    return {file.stem: file for folder in folders if folder for file in sorted(folder.glob("*.yaml"))}


def seeds_of(seeds: object, first_seed: object) -> tuple[int, ...]:
    """So many seeds from the first one on, or those of a list."""
    if isinstance(seeds, (list, tuple)):
        numbers = tuple(checked_number("seed", int, seed, SEEDS) for seed in seeds)
        if not numbers or len(set(numbers)) < len(numbers):
            raise SoftlabError(f"seeds must be a count or a list of different seeds, not {list(seeds)!r}")
        return numbers
    count = checked_number("seeds", int, seeds, (1, 10_000))
    first = checked_number("first_seed", int, first_seed, SEEDS)
    return tuple(range(first, first + count))


def evaluation_of(*given: object) -> Mapping[str, Any]:
    """How much is evaluated: `test_size` test images (None: all), of which `attack_size` are attacked.

    With 0 no image is attacked or corrupted.  `attack_steps`: of the strongest attack by gradients.
    `test_data`: score test images of this data set that are not in the networks' own (data.outside).
    """
    evaluation: dict[str, object] = {"test_size": None, "attack_size": 200, "attack_steps": 20}
    ranges = dict.fromkeys(evaluation, (1, 10**9)) | {"attack_size": (0, 10**9)}
    for entries in given:
        if isinstance(entries, Mapping) and "test_data" in entries:
            if not isinstance(entries["test_data"], str):
                raise SoftlabError(f"test_data of evaluation must be a data set's name, not {entries['test_data']!r}")
            evaluation["test_data"] = entries["test_data"]
            entries = {name: value for name, value in entries.items() if name != "test_data"}
        evaluation |= numbers_of("evaluation", entries, ranges, optional=("test_size", "attack_size"))
    return MappingProxyType(evaluation)


def numbers_of(what: str, given: object, allowed: Mapping, kind: type = int, optional: tuple[str, ...] = ()) -> dict:
    """Numbers by name: each must be known and in its range; only the optional ones may be None."""
    if not isinstance(given, Mapping):
        raise SoftlabError(f"{what} must map names to values, not {given!r}")
    numbers = dict(given)
    for name, value in given.items():
        check_known(f"entry of {what}", name, allowed)
        if value is not None or name not in optional:
            numbers[name] = checked_number(name, kind, value, allowed[name])
    return numbers


def methods_of(methods: Any, chosen: object) -> Mapping:
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
