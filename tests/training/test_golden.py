"""What trains gives what it gave: curves and defaults on record, which may move with a new version only.

Versions are part of run ids (softlab.training.runs.versions), so a change without a new one would pass new networks
off as old ones. After a change that is meant: raise the version, then record what is new with

    python tests/training/test_golden.py
"""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from softlab import Experiment, regularizers
from softlab.profile import load_profile
from softlab.provenance import PACKAGE
from softlab.training import loop, models, runs

GOLDEN = Path(__file__).with_name("golden.json")
TINY = Experiment(train_size=200, width=4, stem_stride=2, epochs=2, batch_size=50, learning_rate=0.05)
TRANSFORMER = {"width": 8, "stem_stride": 1, "train_size": 50, "optimizer": "adamw", "learning_rate": 0.001}
# Another processor rounds otherwise, and deep networks make more of it: of curves from an AMD and an Intel server most
# differ by less than .0001, resnet20's by .0006, resnet18's by .006, the magnitude of resnet50 by .03. An AMD server
# without AVX-512, which emulates bfloat16, is farther away: what stands below by name, by half of it or more.
TOLERANCE = {"fp32": 1e-3, "bf16": 1e-2}
DEEP = {
    ("model resnet18", "fp32"): 2e-2,
    ("model resnet18", "bf16"): 3e-2,
    ("model resnet20", "fp32"): 3e-3,
    ("model resnet50", "fp32"): 1e-1,
    ("model resnet50", "bf16"): 5e-2,
    ("model mobilenet_v2", "bf16"): 3e-2,
    ("method dual_focal", "fp32"): 1e-2,  # its loss turns on which logit is second
}
QUANTITIES = ("loss", "feature_magnitude")
# What a profile can turn, each beside the plain baseline.
OPTIONS = {
    "adamw": {"optimizer": "adamw", "learning_rate": 0.002, "momentum": 0.8},
    "schedule": {"schedule": "cosine", "warmup": 0.5, "momentum": 0.5, "weight_decay": 0.1},
    "augmentation": {"augmentation": "flip_shift"},
    "flips": {"augmentation": "flip"},
    "noise": {"label_noise": 0.4, "class_count": 5},
    "long tail": {"long_tail": 10, "seed": 3},
    "head": {"head": "two_layers", "head_bias": "zero", "feature_dimension": 5, "dropout": 0.3},
    "seed": {"seed": 1234},
}
METHODS = {name: {} for name, method in regularizers.REGISTRY.items() if method.__module__.startswith("softlab.")}
METHODS["maxsup, growing"] = {"alpha_end": 0.2}
CASES = (
    {f"method {name}": {"method": name.partition(",")[0], "method_parameters": of} for name, of in METHODS.items()}
    | {f"model {name}": {"model": name} for name in models.ARCHITECTURES if name.startswith("resnet")}
    | {"model mobilenet_v2": {"model": "mobilenet_v2", "width": 32, "train_size": 50}}  # narrower, it rounds widths up
    | {"model airbench": {"model": "airbench", "width": 8, "stem_stride": 1, "train_size": 100}}
    | {f"model {name}": TRANSFORMER | {"model": name} for name in ("swin_t", "convnext_t", "vit_s")}
    | {f"option {name}": changes for name, changes in OPTIONS.items()}
)


def curves(experiment: Experiment) -> dict[str, list[float]]:
    """Loss and magnitude by epoch, of a network trained now."""
    *_, state = loop.epochs(experiment, runs.dataset_of(experiment))
    return {name: state.history[name] for name in QUANTITIES}


def defaults() -> dict[str, dict[str, object]]:
    """The default of every field of an experiment and of every parameter of the book's methods."""
    kinds = {"experiment": Experiment} | {name: regularizers.REGISTRY[name] for name in METHODS if "," not in name}
    plain = {name: kind() for name, kind in kinds.items()}
    found = {
        name: {one.name: getattr(plain[name], one.name) for one in dataclasses.fields(plain[name])} for name in plain
    }
    return json.loads(json.dumps(found, default=lambda value: dict(value)))


def golden() -> dict:
    return json.loads(GOLDEN.read_bytes())


def test_every_architecture_and_method_has_its_curves():
    assert {one["model"] for one in CASES.values() if "model" in one} == set(models.ARCHITECTURES)
    assert set(golden()["curves"]) == set(CASES)


@pytest.mark.parametrize("precision", TOLERANCE)
@pytest.mark.parametrize("case", CASES)
def test_a_curve_moves_with_a_new_version_only(case, precision):
    if torch.__version__.partition("+")[0] != golden()["torch"]:
        pytest.skip(f"curves are those of torch {golden()['torch']}; another one rounds otherwise")
    experiment = TINY.replace(**CASES[case], precision=precision)
    record = golden()["curves"].get(case)
    assert record, f"no curve of {case} is on record: python tests/training/test_golden.py records it"
    assert record["versions"] == runs.versions(experiment), "a new version: record its curves (see this file)"
    found = curves(experiment)
    most = DEEP.get((case, precision), TOLERANCE[precision])
    for name in QUANTITIES:
        near = pytest.approx(record[precision][name], abs=most, rel=most)
        assert found[name] == near, "raise TRAINING, or the version of the network or method that changed"


def test_a_default_changes_with_a_new_version_only():
    """Ids hold only what differs from a default. A field is new here: give it a neutral default, and record it."""
    assert golden()["training"] == loop.TRAINING, "a new version: record its defaults (see this file)"
    assert golden()["defaults"] == defaults()


def test_ids_on_record_are_the_ids_of_today():
    """With all versions at 1: these ids stay for ever, whatever is moved, reworded or added."""
    found = {f"{one.method} {one.seed}": runs.name_of(one, "images") for one in load_profile("quick").experiments()}
    assert found == golden()["ids"]


EDITS = [
    ("training/loop.py", "training diverged:", "it diverged:"),
    ("training/loop.py", "finite_steps", "still_finite"),
    ("training/models.py", "ARCHITECTURES = {", 'ARCHITECTURES = {\n    "resnet14": Architecture(_mobilenet_v2, 8),'),
    (
        "training/experiment.py",
        "class Experiment:",
        "class Experiment:\n    temperature: float = _number(1.0, 0.0, 9.0)",
    ),
    ("regularizers/base.py", "def check_share", "def unused():\n    'Moved here.'\n\n\ndef check_share"),
]
NAMES = """
import json
from softlab import load_profile
from softlab.training import runs
found = {f"{one.method} {one.seed}": runs.name_of(one, "images") for one in load_profile("quick").experiments()}
print(json.dumps(found))
"""


def test_an_edit_that_changes_no_result_changes_no_id(tmp_path):
    """An error reworded, a local renamed, an architecture added, a neutral field added, a function added."""
    shutil.copytree(PACKAGE, tmp_path / "softlab", ignore=shutil.ignore_patterns("*.pyc"))
    for name, old, new in EDITS:
        path = tmp_path / "softlab" / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", NAMES], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == golden()["ids"]


def record() -> None:
    """Write curves whose version is new, or torch; those of known versions stay as they are."""
    old = golden() if GOLDEN.exists() else {"torch": "", "curves": {}, "training": 0, "defaults": {}, "ids": {}}
    of = {case: TINY.replace(**changes) for case, changes in CASES.items()}
    known = {case: old["curves"].get(case, {}) for case in CASES}
    again = torch.__version__.split("+")[0] != old["torch"]
    kept = {case: known[case].get("versions") == runs.versions(one) and not again for case, one in of.items()}
    found = {
        case: known[case]
        if kept[case]
        else {"versions": runs.versions(one)} | {kind: curves(one.replace(precision=kind)) for kind in TOLERANCE}
        for case, one in of.items()
    }
    if old["training"] == loop.TRAINING:
        for name, values in old["defaults"].items():
            changed = [field for field, value in values.items() if defaults()[name].get(field) != value]
            assert not changed, f"the default of {name}.{changed[0]} changed: raise TRAINING or the method's version"
    ids = {f"{one.method} {one.seed}": runs.name_of(one, "images") for one in load_profile("quick").experiments()}
    written = {"torch": torch.__version__.split("+")[0], "training": loop.TRAINING, "ids": ids}
    GOLDEN.write_text(json.dumps(written | {"defaults": defaults(), "curves": found}, indent=1) + "\n")
    print(f"recorded {len(found) - sum(kept.values())} of {len(found)} curves")


if __name__ == "__main__":
    record()
