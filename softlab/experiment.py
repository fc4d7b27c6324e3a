"""What to train: one validated, frozen `Experiment`.

An experiment says everything that a trained network depends on. Its run id is a hash of the experiment, of the
images and of the code that trains, so that a result is never taken for another. This module imports no torch.
"""

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from softlab.errors import SoftlabError, unknown

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

    def shortened(self, epochs: int) -> "Experiment":
        """The same with so many epochs, and those snapshots that it still reaches."""
        short = self.replace(epochs=epochs, snapshot_epochs=())
        return short.replace(snapshot_epochs=[epoch for epoch in self.snapshot_epochs if epoch <= short.epochs])

    def as_dict(self) -> dict:
        """All fields as plain values for JSON."""
        values = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        return values | {
            "method_parameters": dict(self.method_parameters),
            "snapshot_epochs": list(self.snapshot_epochs),
        }


FIELDS = tuple(spec.name for spec in dataclasses.fields(Experiment))


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
        last = RANGES["epochs"][1]
        return tuple(sorted({checked_number("snapshot_epochs", int, epoch, (0, last)) for epoch in value}))
    if name in ("train_size", "class_count", "feature_dimension") and value is None:
        return None
    if name in RANGES:
        return checked_number(name, float if kind is float else int, value, RANGES[name])
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


def checked_number(name: str, kind: type, value: object, allowed: tuple) -> int | float:
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
