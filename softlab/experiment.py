"""What to train: one validated, frozen `Experiment`, and the `Profile` that spans a whole study.

An experiment says everything that a trained network depends on. Its run id is a hash of the experiment, of the
images and of the code that trains, so that a result is never taken for another. This module imports no torch.
"""

import copy
import dataclasses
import functools
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import yaml

from softlab.errors import SoftlabError, unknown

PACKAGE = Path(__file__).parent
NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")  # names that may become part of a file's name
MODELS = ("resnet8", "resnet20", "resnet18", "resnet50")
CHOICES = {
    "model": MODELS,
    "head": ("linear", "two_layers"),
    "head_bias": ("default", "zero"),
    "schedule": ("linear", "cosine"),
    "augmentation": ("none", "flip_shift"),
    "precision": ("auto", "bf16", "fp32"),
}
# Allowed range of every numeric field, both ends included.
RANGES = {
    "train_size": (1, 10**9),
    "label_noise": (0.0, 1.0),
    "class_count": (2, 10**6),
    "feature_dimension": (1, 10**6),
    "dropout": (0.0, 0.99),
    "width": (1, 4096),
    "stem_stride": (1, 2),
    "seed": (0, 2**31 - 1),
    "epochs": (1, 10_000),
    "batch_size": (1, 10**6),
    "learning_rate": (1e-12, 1e3),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 10.0),
    "warmup": (0.0, 1.0),
    "threads": (1, 1024),
}


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One network to train: data, model, method, seed and schedule.

    The seed decides the initial weights, the order of the batches, every random draw of augmentation and method, which
    labels are noise, and, where `train_size` is smaller than the training set, which images are drawn from it. None of
    these depends on the method, so that two methods with one seed differ in nothing but the method.
    """

    data: str = "fashion-mini"  # a name that softlab.data.load knows, or folder:PATH
    train_size: int | None = None  # training images, as many of each class; None: all
    label_noise: float = 0.0  # share of the training labels that are drawn anew from all classes, the true one included
    class_count: int | None = None  # the first so many classes; None: all
    model: str = "resnet8"
    width: int = 16  # channels of the first stage
    stem_stride: int = 1  # 2 halves the resolution at once: four times as fast
    feature_dimension: int | None = None  # a linear layer to so many features (of any sign); None: as the body gives
    head: str = "linear"  # or two layers with a ReLU between, for which regions need have no common apex
    head_bias: str = "default"  # its initial value: torch's random one, or zero
    dropout: float = 0.0  # of the features, in training, before the head
    method: str = "baseline"
    method_parameters: Mapping[str, object] = field(default_factory=dict)
    seed: int = 0
    epochs: int = 45
    batch_size: int = 128
    learning_rate: float = 0.1  # its peak
    momentum: float = 0.9
    weight_decay: float = 5e-4  # of convolutions and head; never of biases and normalisations
    warmup: float = 0.2  # share of all steps in which the learning rate rises
    schedule: str = "linear"  # how it falls to zero afterwards
    augmentation: str = "none"
    precision: str = "auto"  # resolved to bf16 or fp32 before hashing
    threads: int = 1  # of the CPU; they change rounding, so they are part of the run id
    compiled: bool = False  # torch.compile, on CUDA only
    snapshot_epochs: tuple[int, ...] = ()  # epochs after which the weights are kept; 0: before training

    def __post_init__(self):
        for spec in dataclasses.fields(self):
            object.__setattr__(self, spec.name, _checked(spec.name, spec.type, getattr(self, spec.name)))
        late = [epoch for epoch in self.snapshot_epochs if epoch > self.epochs]
        if late:
            raise SoftlabError(f"snapshot_epochs has {late[0]}, but training ends after epoch {self.epochs}")

    def replace(self, **changes) -> "Experiment":
        """The same experiment with some fields changed; an unknown field is an error."""
        check_fields(changes)
        return dataclasses.replace(self, **changes)

    def as_dict(self) -> dict:
        """All fields as plain values for JSON."""
        values = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        return values | {
            "method_parameters": dict(self.method_parameters),
            "snapshot_epochs": list(self.snapshot_epochs),
        }


FIELDS = tuple(spec.name for spec in dataclasses.fields(Experiment))


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
    evaluation: Mapping[str, object]
    seconds_per_network: Mapping[str, float]
    resources: Mapping[str, int]  # of one job on a cluster: gpus, memory_gb, minutes

    @property
    def standing(self) -> str:
        """`confirmatory` with seeds from 100 on, which nobody has looked at before; else `exploratory`."""
        return "confirmatory" if min(self.seeds) >= 100 else "exploratory"

    def experiments(self) -> list[Experiment]:
        """One experiment for each method and seed, all seeds of a method together."""
        return [
            self.experiment.replace(method=method, method_parameters=parameters, seed=seed)
            for method, parameters in self.methods.items()
            for seed in self.seeds
        ]


def load_profile(name: str | Path, /, **overrides) -> Profile:
    """Read a profile that comes with softlab by its name, or your own by the path of its .yaml file.

    `overrides` are fields of the experiment, or `methods` (a list of the profile's methods, or a mapping
    method -> parameters), `seeds` (a count, or a list), `evaluation`.
    Raises SoftlabError for unknown names (with the nearest valid one) and values outside their range.
    """
    if not isinstance(name, (str, Path)):
        raise SoftlabError(f"a profile is given by its name or the path of a .yaml file, not {name!r}")
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        known = sorted(file.stem for file in (PACKAGE / "profiles").glob("*.yaml"))
        if str(name) not in known:
            raise unknown("profile", str(name), known)
        path = PACKAGE / "profiles" / f"{name}.yaml"
    content = read_yaml(path)
    keys = (
        "description",
        "experiment",
        "methods",
        "seeds",
        "first_seed",
        "evaluation",
        "seconds_per_network",
        "resources",
    )
    for key in content:
        if key not in keys:
            raise unknown(f"entry of profile {path.name}", key, keys)
    for key in ("experiment", "evaluation", "seconds_per_network"):
        if not isinstance(content.setdefault(key, {}), dict):
            raise SoftlabError(f"{key} of profile {path.name} must map names to values, not {content[key]!r}")
    wider = ("methods", "seeds", "evaluation")
    settings = {key: overrides[key] for key in wider if overrides.get(key) is not None}
    overrides = {key: value for key, value in overrides.items() if key not in wider}
    fields = {**content["experiment"], **overrides}
    check_fields(fields)
    for key in ("method", "method_parameters", "seed"):
        if key in fields:
            raise SoftlabError(f"a profile spans methods and seeds: change `methods` or `seeds`, not {key!r}")
    # A shortened training keeps those snapshots that it still reaches.
    if "epochs" in overrides and "snapshot_epochs" not in overrides:
        epochs = _checked("epochs", int, overrides["epochs"])
        kept = _checked("snapshot_epochs", tuple, fields.get("snapshot_epochs") or ())
        fields["snapshot_epochs"] = [epoch for epoch in kept if epoch <= epochs]
    return Profile(
        name=path.stem,
        description=str(content.get("description", "")),
        experiment=Experiment(**fields),
        methods=_methods(content.get("methods", {"baseline": {}}), settings.get("methods")),
        seeds=_seeds(settings.get("seeds", content.get("seeds", 1)), content.get("first_seed", 0)),
        evaluation=_evaluation(content["evaluation"], settings.get("evaluation", {})),
        resources=_resources(content.get("resources") or {}),
        seconds_per_network=MappingProxyType(content["seconds_per_network"]),
    )


def chapters() -> dict[str, list[str]]:
    """Which studies each chapter needs: {name of the notebook: [study, …]}, from softlab/chapters.yaml."""
    return read_yaml(PACKAGE / "chapters.yaml")["chapters"]


def study_profile(profile: Profile, study: str = "core") -> Profile:
    """The profile as the named study of softlab/chapters.yaml changes it (`core` changes nothing)."""
    studies = read_yaml(PACKAGE / "chapters.yaml")["studies"]
    if study not in studies:
        raise unknown("study", study, studies)
    changes = dict(studies[study] or {})
    seeds = profile.seeds[: changes.pop("seeds", len(profile.seeds))]
    methods = changes.pop("methods", None)
    if isinstance(methods, list):  # with the profile's parameters, or a method's own if the profile leaves it out
        methods = {name: profile.methods.get(name, {}) for name in methods}
    methods = _methods(profile.methods, methods)
    if "shorten" in changes:
        epochs = max(1, profile.experiment.epochs // changes.pop("shorten"))
        kept = [epoch for epoch in profile.experiment.snapshot_epochs if epoch <= epochs]
        changes |= {"epochs": epochs, "snapshot_epochs": kept}
    experiment = profile.experiment.replace(**changes)
    return dataclasses.replace(profile, seeds=seeds, methods=methods, experiment=experiment)


def run_id(experiment: Experiment, data_digest: str, code_digest: str) -> str:
    """`method-seedN-hash`: names the network that this experiment gives on these images with this code."""
    fields = experiment.as_dict()
    fields["data"] = fields["data"].partition(":")[0]  # where a folder lies does not matter: its digest counts
    content = json.dumps([fields, data_digest, code_digest], sort_keys=True)
    return f"{experiment.method}-seed{experiment.seed}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def check_fields(fields: Mapping[str, object]) -> None:
    """Raise SoftlabError if a key is no field of Experiment."""
    for key in fields:
        if not isinstance(key, str) or key not in FIELDS:
            raise unknown("field", key, FIELDS)


def read_yaml(path: Path) -> dict:
    """The mapping in a YAML file, read safely; duplicate keys and everything that is no mapping are errors."""
    try:
        content = copy.deepcopy(_parsed(path, path.stat().st_mtime_ns))
    except OSError as error:
        raise SoftlabError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: bytes that are no text, dates that are none
        raise SoftlabError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SoftlabError(f"{path} must hold a mapping of names to values")
    return content


@functools.lru_cache(maxsize=32)
def _parsed(path: Path, changed: int) -> object:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # a SafeLoader


class _StrictLoader(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice: the second would silently win."""

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice!r} is given twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


def _checked(name: str, kind: object, value: object):
    """The value of a field in its own type, or a SoftlabError that says what is allowed."""
    if name == "method_parameters":
        plain = (str, int, float, bool, type(None), list)
        entries = value.items() if isinstance(value, Mapping) else [(None, None)]
        if not all(isinstance(key, str) and isinstance(entry, plain) for key, entry in entries):
            raise SoftlabError(f"method_parameters must map names to numbers or text, not {value!r}")
        return MappingProxyType(dict(sorted(value.items())))
    if name == "snapshot_epochs":
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise SoftlabError(f"snapshot_epochs must be a list of epochs, not {value!r}")
        return tuple(sorted({_number("snapshot_epochs", int, epoch, (0, RANGES["epochs"][1])) for epoch in value}))
    if name in ("train_size", "class_count", "feature_dimension") and value is None:
        return None
    if name in RANGES:
        return _number(name, float if kind is float else int, value, RANGES[name])
    if kind is bool:
        if not isinstance(value, bool):
            raise SoftlabError(f"{name} must be true or false, not {value!r}")
        return value
    if not isinstance(value, str):
        raise SoftlabError(f"{name} must be a name, not {value!r}")
    if name in CHOICES and value not in CHOICES[name]:
        raise unknown(name, value, CHOICES[name])
    if name == "method" and not NAME.fullmatch(value):
        raise SoftlabError(f"method {value!r} is not a name: small letters, digits and _ only, a letter first")
    return value


def _number(name: str, kind: type, value: object, allowed: tuple) -> int | float:
    try:
        number = kind(value)  # YAML reads 5e-4 as text
        exact = not isinstance(value, bool) and math.isfinite(number) and (kind is float or number == float(value))
    except (TypeError, ValueError, OverflowError):
        exact = False
    low, high = allowed
    if not exact or not low <= number <= high:
        sort = "a number" if kind is float else "a whole number"
        raise SoftlabError(f"{name} must be {sort} from {low} to {high}, not {value!r}")
    return number


def _seeds(seeds: object, first_seed: object) -> tuple[int, ...]:
    if isinstance(seeds, (list, tuple)):
        numbers = tuple(_number("seed", int, seed, RANGES["seed"]) for seed in seeds)
        if not numbers or len(set(numbers)) < len(numbers):
            raise SoftlabError(f"seeds must be a count or a list of different seeds, not {list(seeds)!r}")
        return numbers
    count = _number("seeds", int, seeds, (1, 10_000))
    first = _number("first_seed", int, first_seed, RANGES["seed"])
    return tuple(range(first, first + count))


def _evaluation(*given: object) -> Mapping[str, object]:
    """How much is evaluated: `test_size` test images (None: all), of which `attack_size` are attacked.

    `attack_steps`: of the strongest attack by gradients.
    """
    found: dict[str, object] = {"test_size": None, "attack_size": 200, "attack_steps": 20}
    for entries in given:
        if not isinstance(entries, Mapping):
            raise SoftlabError(f"evaluation must map names to values, not {entries!r}")
        for key, value in entries.items():
            if key not in found:
                raise unknown("entry of evaluation", key, found)
            every = value is None and key != "attack_steps"
            found[key] = None if every else _number(key, int, value, (1, 10**9))
    return MappingProxyType(found)


def _resources(given: object) -> Mapping[str, int]:
    """What a cluster is asked for, for each job: GPUs, GiB of memory, minutes."""
    found, allowed = {"gpus": 0, "memory_gb": 4, "minutes": 60}, {"gpus": (0, 64), "memory_gb": (1, 10**5)}
    if not isinstance(given, Mapping):
        raise SoftlabError(f"resources must map names to values, not {given!r}")
    for key, value in given.items():
        if key not in found:
            raise unknown("resource", key, found)
        found[key] = _number(key, int, value, allowed.get(key, (1, 10**6)))
    return MappingProxyType(found)


def _methods(methods: object, chosen: object) -> Mapping:
    """The methods with their parameters: all, those chosen by name, or another mapping altogether."""
    if isinstance(chosen, (list, tuple)):
        for name in chosen:
            if not isinstance(methods, Mapping):
                raise SoftlabError(f"methods of a profile must map names to parameters, not {methods!r}")
            if not isinstance(name, str) or name not in methods:
                raise unknown("method of this profile", name, methods)
        methods = {name: methods[name] for name in chosen}
    elif chosen is not None:
        methods = chosen
    if not isinstance(methods, Mapping) or not methods:
        raise SoftlabError(f"methods must be a list of names or map names to parameters, not {methods!r}")
    for name, parameters in methods.items():
        if not isinstance(name, str) or not isinstance(parameters or {}, Mapping):
            raise SoftlabError(f"method {name!r} must map parameters to values ({{alpha: 0.1}}), not {parameters!r}")
    return MappingProxyType({name: dict(parameters or {}) for name, parameters in methods.items()})
