"""The core, where none of the libraries is installed that tables, figures and pages need."""

import json
import re
import textwrap
from importlib import metadata
from pathlib import Path

import pytest
from machine import Machine

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
MISSING = ("pandas", "sklearn", "matplotlib", "ipywidgets", "IPython", "snakemake")
OWN_METHOD = """
from dataclasses import dataclass
from softlab import regularizers

@regularizers.register("squared")
@dataclass(frozen=True)
class Squared(regularizers.Regularizer):
    strength: float = 0.01
    def loss(self, logits, targets, features, head, progress):
        plain = -(targets * logits.log_softmax(1)).sum(1)
        return plain + self.strength * logits.square().mean(1)
"""
LOOK = """
import json
import softlab
from softlab import calibration, geometry, numbers

run = softlab.fit("squared", profile="smoke", strength=0.1)
data = softlab.dataset_of(run.experiment)
seen = softlab.extract(run.model, data.test_images[:300], data.test_labels[:300])
weight, bias = softlab.head_of(run.model)
temperature = calibration.fit_temperature(seen.logits, seen.labels)
centers, _ = geometry.class_centers(weight, bias, radius=1.0)
found = numbers.of(run, softlab.load_profile("smoke").evaluation).values
print(json.dumps({"temperature": temperature, "centers": list(centers.shape), "accuracy": found["accuracy"]}))
"""


@pytest.fixture(scope="module")
def machine(tmp_path_factory):
    core = [one for one in metadata.requires("softlab-library") if "extra ==" not in one]
    made = Machine(tmp_path_factory.mktemp("core"), core)
    (made.site / "softlab.pth").write_text(f"{ROOT}\n")
    return made


def run(machine, code, **told):
    done = machine.run("-c", textwrap.dedent(code), **told)
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_libraries_of_tables_and_pages_are_not_there(machine):
    code = f"from importlib.util import find_spec; print([name for name in {MISSING} if find_spec(name)])"
    assert run(machine, code).strip() == "[]"


def test_the_lines_of_the_readme_run(machine):
    (lines,) = re.findall(r"```python\n(import softlab\n.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    said = run(machine, lines.replace("softlab.fit(", 'softlab.fit(profile="smoke", method=')).split()
    error, share, accuracy = map(float, said[-3:])
    assert 0 <= error <= 1
    assert 0 <= share <= 1
    assert 0 <= accuracy <= 1


def test_a_method_of_ones_own_trains_and_is_measured(machine):
    (machine.work / "look.py").write_text(OWN_METHOD + LOOK)  # a file: a method's source is part of its run id
    done = machine.run("look.py")
    assert done.returncode == 0, done.stdout
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["temperature"] > 0
    assert found["centers"][0] == 10
    assert 0 <= found["accuracy"] <= 1


def test_the_command_trains(machine):
    done = machine.run("-m", "softlab", "train", "--profile", "smoke", "--method", "baseline", "--seed", "0")
    assert done.returncode == 0, done.stdout


def test_what_needs_more_says_so_in_one_line(machine):
    done = machine.run("-c", "from softlab import report_card")
    assert done.stdout.strip().endswith('pip install "softlab-library[examine]"'), done.stdout
    done = machine.run("-m", "softlab", "report", "mixup", "--profile", "smoke")
    assert done.returncode == 2
    assert re.fullmatch(r'softlab: \w+ is not installed: pip install "softlab-library\[examine\]"\n', done.stdout)
