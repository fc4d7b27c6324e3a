"""What to train: one validated, frozen `Experiment`.

An experiment says everything that a trained network depends on. Its run id is a hash of what it changes, of the
images and of versions of the code that trains, so that a result is never taken for another. This module imports no
torch.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from softlab.errors import SoftlabError, check_known, check_name

# Networks of the book; softlab.training.models.register adds to them.
MODELS = ["resnet8", "resnet20", "resnet18", "resnet50", "airbench", "mobilenet_v2", "swin_t", "convnext_t", "vit_s"]
# The smallest and the largest:
SEEDS = (0, 2**31 - 1)
EPOCHS = (1, 10_000)


def _number(default: float | None, low: float, high: float) -> Any:
    """A field that holds a number from low to high."""
    return field(default=default, metadata={"range": (low, high)})


def _choice(default: str, *others: str):
    """A field that holds one of these names."""
    return field(default=default, metadata={"choices": (default, *others)})


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One network to train: data, model, method, seed and schedule.

    The seed decides the initial weights, the order of the batches, every random draw of augmentation and method, which
    labels are noise, which images are drawn if `train_size` is smaller than the training set, and, with a long tail,
    which classes are rare and which of their images are kept. None of these depends on the method, so two methods with
    one seed differ in nothing but the method.
    """

    data: str = "fashion-mini"  # a name that softlab.training.data.load knows, or folder:PATH
    train_size: int | None = _number(None, 1, 10**9)  # training images, as many of each class; None: all
    # How many times as many training images the most frequent class has as the rarest (sampling.long_tail).
    long_tail: float = _number(1.0, 1.0, 10**6)
    # Share of the training labels that are drawn anew from all classes, the true one included.
    label_noise: float = _number(0.0, 0.0, 1.0)
    class_count: int | None = _number(None, 2, 10**6)  # the first so many classes; None: all
    half: int = _number(0, 0, 2)  # of its classes, in an order that the seed draws: the first or second half; 0: all
    # Whose predictions stand in for the labels: fields in which the teacher's experiment differs from this one, plain
    # training without a teacher of its own, and the entries of TEACHING. Empty: nobody's.
    teacher: Mapping[str, object] = field(default_factory=dict)
    # What becomes of the head of a network that is trained as the other fields say, its body left as it is: see
    # NEW_HEAD. Empty: it stays.
    new_head: Mapping[str, object] = field(default_factory=dict)
    model: str = field(default="resnet8", metadata={"choices": MODELS})
    width: int | None = _number(None, 1, 4096)  # channels of the first stage; None: the architecture's own
    stem_stride: int = _number(1, 1, 2)  # 2 halves the resolution at once: four times as fast
    # A linear layer to so many features (of any sign); None: as the body gives.
    feature_dimension: int | None = _number(None, 1, 10**6)
    head: str = _choice("linear", "two_layers")  # two, with a ReLU between: regions need have no common apex
    head_bias: str = _choice("default", "zero", "none")  # its initial value: torch's random one, or zero; or no bias
    dropout: float = _number(0.0, 0.0, 0.99)  # of the features, in training, before the head
    method: str = "baseline"
    method_parameters: Mapping[str, object] = field(default_factory=dict)
    seed: int = _number(0, *SEEDS)
    epochs: int = _number(45, *EPOCHS)
    steps_per_epoch: int | None = _number(None, 1, 10**6)  # None: so many as one pass over the images takes
    batch_size: int = _number(128, 1, 10**6)
    optimizer: str = _choice("sgd", "adamw")  # SGD with Nesterov momentum, or AdamW, as transformers want it
    learning_rate: float = _number(0.1, 1e-12, 1e3)  # its peak
    momentum: float = _number(0.9, 0.0, 0.9999)  # of SGD, or the first of AdamW's two averages
    weight_decay: float = _number(5e-4, 0.0, 10.0)  # of what has two dimensions and more
    weight_decay_head: float | None = _number(None, 0.0, 10.0)  # of the head's; None: as of all others
    warmup: float = _number(0.2, 0.0, 1.0)  # share of all steps in which the learning rate rises
    schedule: str = _choice("linear", "cosine")  # how it falls to zero afterwards
    augmentation: str = _choice("none", "flip", "flip_shift")
    precision: str = _choice("auto", "bf16", "fp32")  # resolved to bf16 or fp32 before hashing
    threads: int = _number(1, 1, 1024)  # of the CPU; they change rounding, so they are part of the run id
    compiled: bool = False  # torch.compile, on CUDA only
    snapshot_epochs: tuple[int, ...] = ()  # epochs after which the weights are kept; 0: before training

    def __post_init__(self):
        for spec in dataclasses.fields(self):
            object.__setattr__(self, spec.name, _checked(spec, getattr(self, spec.name)))
        if self.new_head and self.head != "linear":
            raise SoftlabError(f"new_head takes a network with a linear head, not {self.head}")
        late = [epoch for epoch in self.snapshot_epochs if epoch > self.epochs]
        if late:
            raise SoftlabError(f"snapshot_epochs has {late[0]}, but training ends after epoch {self.epochs}")

    def replace(self, **changes) -> "Experiment":
        """The same experiment with some fields changed; an unknown field is an error."""
        check_fields(changes)
        return dataclasses.replace(self, **changes)

    def shortened(self, epochs: int) -> "Experiment":
        """The same with that many epochs, and the snapshots that it still reaches."""
        short = self.replace(epochs=epochs, snapshot_epochs=())
        return short.replace(snapshot_epochs=[epoch for epoch in self.snapshot_epochs if epoch <= short.epochs])

    def as_dict(self) -> dict:
        """All fields as plain values for JSON."""
        values = {spec.name: getattr(self, spec.name) for spec in dataclasses.fields(self)}
        plain = {"method_parameters": dict(self.method_parameters), "snapshot_epochs": list(self.snapshot_epochs)}
        return values | plain | {"teacher": dict(self.teacher), "new_head": dict(self.new_head)}


FIELDS = tuple(spec.name for spec in dataclasses.fields(Experiment))
TEXT_FIELDS = tuple(spec.name for spec in dataclasses.fields(Experiment) if spec.type is str)


def run_id(experiment: Experiment, data_digest: str, versions: Mapping[str, int | str]) -> str:
    """`method-seedN-hash`: names the network that this experiment gives on these images with code of these versions.

    Only fields that differ from their defaults count, so a new field with a neutral default changes no id; a changed
    default needs a new version.
    """
    plain = {spec.name: spec.default for spec in dataclasses.fields(Experiment)}
    plain |= {"method_parameters": {}, "snapshot_epochs": [], "teacher": {}, "new_head": {}}
    changed = {name: value for name, value in experiment.as_dict().items() if value != plain[name]}
    if "data" in changed:
        changed["data"] = changed["data"].partition(":")[0]  # where a folder lies does not matter: its digest counts
    content = json.dumps([changed, data_digest, dict(versions)], sort_keys=True)
    return f"{experiment.method}-seed{experiment.seed}-{hashlib.sha256(content.encode()).hexdigest()[:12]}"


def check_fields(fields: Mapping[str, object]) -> None:
    """Raise SoftlabError if a key is no field of Experiment."""
    for key in fields:
        check_known("field", key, FIELDS)


def _checked(spec: dataclasses.Field, value: Any):
    """The value of a field in its own type, or a SoftlabError that says what is allowed."""
    if spec.name == "method_parameters":
        return _checked_parameters(value)
    if spec.name == "teacher":
        return _checked_teacher(value)
    if spec.name == "new_head":
        return _checked_new_head(value)
    if spec.name == "snapshot_epochs":
        return _checked_epochs(value)
    if "range" in spec.metadata:
        if value is None and spec.default is None:
            return None
        return checked_number(
            spec.name, int if spec.type in (int, int | None) else float, value, spec.metadata["range"]
        )
    if spec.type is bool:
        if not isinstance(value, bool):
            raise SoftlabError(f"{spec.name} must be true or false, not {value!r}")
        return value
    return _checked_text(spec, value)


def _checked_parameters(value: Any) -> Mapping[str, object]:
    """Parameters of a method, by name and read-only."""
    plain = (str, int, float, bool, type(None), list)
    entries = value.items() if isinstance(value, Mapping) else [(None, None)]
    if not all(isinstance(key, str) and isinstance(entry, plain) for key, entry in entries):
        raise SoftlabError(f"method_parameters must map names to numbers or text, not {value!r}")
    return MappingProxyType(dict(sorted(value.items())))


# How a teacher's predictions become labels: each image's own, the mean of its class, or those of another image of its
# class; at a temperature, or as soft as label smoothing of alpha is (in the mean entropy).
TEACHING = ("labels", "temperature", "alpha")
LABELS = ("each", "class_mean", "shuffled")


def _checked_teacher(value: Any) -> Mapping[str, object]:
    """Fields of the teacher's experiment and how its predictions are used, read-only; see TEACHING."""
    if not isinstance(value, Mapping):
        raise SoftlabError(f"teacher must map fields of its experiment to values, not {value!r}")
    if not value:
        return MappingProxyType({})
    fields = {str(name): entry for name, entry in value.items() if name not in TEACHING}
    for name in fields:
        check_known("entry of teacher", name, [name for name in (*FIELDS, *TEACHING) if name != "teacher"])
    Experiment(**fields)  # each in its range
    check_known("labels of teacher", value.get("labels", "each"), LABELS)
    if ("temperature" in value) == ("alpha" in value):
        raise SoftlabError(
            "teacher takes a temperature, or the alpha of a label smoothing that is as soft: one of them"
        )
    soft = {"temperature": (1e-3, 1e3), "alpha": (1e-6, 0.999)}
    numbers = {
        name: checked_number(f"{name} of teacher", float, value[name], soft[name]) for name in soft if name in value
    }
    plain = {name: dict(entry) if isinstance(entry, Mapping) else entry for name, entry in value.items()}
    return MappingProxyType(dict(sorted({**plain, **numbers}.items())))


# A new head is either fitted anew, to labels smoothed by alpha (0: hard ones) of the training images or of the images
# for fitting; or the trained head times the number that brings the mean log length of the logits, on the images for
# fitting, to log_length: then only the confidence changes, as with a temperature.
NEW_HEAD = {"alpha": (0.0, 0.999), "log_length": (-10.0, 10.0)}
FITTED_ON = ("training", "fit")


def _checked_new_head(value: Any) -> Mapping[str, object]:
    """What becomes of a head, read-only; see NEW_HEAD."""
    if not isinstance(value, Mapping):
        raise SoftlabError(f"new_head must map alpha (and images), or log_length, to values, not {value!r}")
    if not value:
        return MappingProxyType({})
    for name in value:
        check_known("entry of new_head", str(name), [*NEW_HEAD, "images"])
    if ("alpha" in value) == ("log_length" in value):
        raise SoftlabError("new_head takes the alpha of labels that a head is fitted to, or a log_length: one of them")
    if "log_length" in value and "images" in value:
        raise SoftlabError("new_head takes images only with alpha: a log_length is reached on the images for fitting")
    numbers = {
        name: checked_number(f"{name} of new_head", float, value[name], NEW_HEAD[name])
        for name in NEW_HEAD
        if name in value
    }
    if "alpha" not in value:
        return MappingProxyType(numbers)
    images = value.get("images", FITTED_ON[0])
    check_known("images of new_head", str(images), FITTED_ON)
    return MappingProxyType({**numbers, **({"images": images} if images != FITTED_ON[0] else {})})


def _checked_epochs(value: Any) -> tuple[int, ...]:
    """Epochs of snapshots, in order, each once."""
    if isinstance(value, str) or not hasattr(value, "__iter__"):
        raise SoftlabError(f"snapshot_epochs must be a list of epochs, not {value!r}")
    return tuple(sorted({checked_number("snapshot_epochs", int, epoch, (0, EPOCHS[1])) for epoch in value}))


def _checked_text(spec: dataclasses.Field, value: Any) -> str:
    """The name of something: one of the field's choices, if it has any."""
    if not isinstance(value, str):
        raise SoftlabError(f"{spec.name} must be a name, not {value!r}")
    if "choices" in spec.metadata:
        check_known(spec.name, value, spec.metadata["choices"])
    if spec.name == "method":
        check_name("method", value)
    return value


def checked_number(name: str, kind: type, value: Any, allowed: tuple) -> Any:
    try:
        number = kind(value)
        exact = not isinstance(value, bool) and math.isfinite(number) and (kind is float or number == float(value))
    except (TypeError, ValueError, OverflowError):
        exact = False
    low, high = allowed
    if not exact or not low <= number <= high:
        sort = "a number" if kind is float else "a whole number"
        raise SoftlabError(f"{name} must be {sort} from {low} to {high}, not {value!r}")
    return number
