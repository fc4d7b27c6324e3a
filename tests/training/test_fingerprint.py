"""Digests of code: they change with what a method does, and with nothing else."""

import importlib.util
import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from softlab import SoftlabError, provenance, regularizers
from softlab.provenance import commit
from softlab.training.code_version import canonical, code_digest, version_of

TEMPLATE = '''
from dataclasses import dataclass
from softlab import regularizers

LIMIT = {limit}

def helper(logits):
    {comment}
    return inner(logits) * LIMIT

def inner(logits):
    return {inner}

def unrelated(x):
    return {unrelated}

@dataclass(frozen=True)
class Mine(regularizers.Regularizer):
    """{docstring}"""
    strength: float = {strength}

    def loss(self, logits, targets, features, head, progress):
        return {factor} * helper(logits)

@dataclass(frozen=True)
class Other(regularizers.Regularizer):
    def loss(self, logits, targets, features, head, progress):
        return unrelated(logits)
'''
PLAIN = {
    "limit": "3",
    "comment": "# why",
    "inner": "logits.sum(1)",
    "unrelated": "x",
    "docstring": "Mine.",
    "strength": "0.1",
    "factor": "1",
}


@pytest.fixture
def digests(tmp_path):
    """Digests of Mine and Other, from a module made of TEMPLATE with some parts changed."""
    made = []

    def make(**changes):
        path = tmp_path / f"made_{len(made)}.py"
        path.write_text(TEMPLATE.format(**PLAIN | changes))
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made.append(module)
        return code_digest(module.Mine), code_digest(module.Other)

    return make


@pytest.mark.parametrize("changes", [{"factor": "2"}, {"limit": "4"}, {"inner": "logits.mean(1)"}, {"strength": "0.2"}])
def test_a_change_of_what_a_method_does_changes_its_digest_and_no_other(digests, changes):
    mine, other = digests()
    changed, same = digests(**changes)
    assert changed != mine
    assert same == other


# What a method is made of: lines in its class, the expression its loss uses, lines around the class.
VARIED = {
    "a private class attribute": ("_scale = {}", "self._scale", ""),
    "a class attribute that is a list": ("steps = [{}]", "self.steps[0]", ""),
    "a default factory": ("steps: object = field(default_factory=lambda: [{}])", "self.steps[0]", ""),
    "a property": ("@property\n    def scale(self): return {}", "self.scale", ""),
    "a global list": ("pass", "LIST[0]", "LIST = [{}]"),
    "a global dict": ("pass", "TABLE['a']", "TABLE = dict(a={})"),
    "a global tensor": ("pass", "TENSOR", "TENSOR = torch.tensor({}.0)"),
    "a partial": ("pass", "PARTIAL(2)", "PARTIAL = functools.partial(pow, {})"),
    "a cached helper": ("pass", "cached()", "@functools.cache\ndef cached():\n    return {}"),
    "a helper class": ("pass", "Helper().value()", "class Helper:\n    def value(self): return {}"),
    "a default argument": ("pass", "helper()", "def helper(value={}):\n    return value"),
    "a default from a constant": ("pass", "helper()", "C = {}\ndef helper(value=C):\n    return value"),
    "a closure": ("pass", "closed()", "def make(v):\n    def inner(): return v\n    return inner\nclosed = make({})"),
}
MADE = """
import functools
import torch
from dataclasses import dataclass, field
from softlab import regularizers
{outside}

@dataclass(frozen=True)
class Mine(regularizers.Regularizer):
    {inside}
    def loss(self, logits, targets, features, head, progress):
        return {used} * logits.sum(1)
"""


def made(path, text):
    """The class Mine of a module with this text."""
    path.write_text(text)
    spec = importlib.util.spec_from_file_location("made", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Mine


@pytest.mark.parametrize("member", VARIED)
def test_whatever_a_method_is_made_of_changes_its_digest_and_repeats(tmp_path, member):
    inside, used, outside = VARIED[member]
    texts = [MADE.format(inside=inside.format(v), used=used, outside=outside.format(v)) for v in (1, 1, 2)]
    digests = [code_digest(made(tmp_path / f"made_{number}.py", text)) for number, text in enumerate(texts)]
    assert digests[0] == digests[1]
    assert digests[0] != digests[2]


def test_what_has_no_content_to_compare_is_refused(tmp_path):
    kind = made(tmp_path / "made.py", MADE.format(inside="pass", used="THING", outside="THING = object()"))
    with pytest.raises(SoftlabError, match="uses THING, a object"):
        code_digest(kind)


@pytest.mark.parametrize("changes", [{"comment": "# another why"}, {"docstring": "Still mine."}])
def test_comments_and_docstrings_do_not_count(digests, changes):
    assert digests(**changes) == digests()


def test_a_helper_of_another_method_does_not_count(digests):
    mine, other = digests()
    same, changed = digests(unrelated="2 * x")
    assert same == mine
    assert changed != other


def test_the_books_own_methods_count_by_their_versions(monkeypatch):
    """A method derived from another changes with it; one that a user derives counts by its source as well."""
    methods = {name: one for name, one in regularizers.REGISTRY.items() if one.__module__.startswith("softlab.")}
    assert {version_of(method) for name, method in methods.items() if name != "steady"} == {"1"}
    assert version_of(methods["steady"]) == "1.1"

    @dataclass(frozen=True)
    class Mine(methods["scale_penalty"]):
        def transform(self, images, targets, generator):
            return images, targets

    before = version_of(Mine)
    assert len(before) == 64
    monkeypatch.setattr(methods["scale_penalty"], "version", 2)
    assert version_of(methods["steady"]) == "1.2"
    assert version_of(Mine) not in (before, version_of(methods["scale_penalty"]))


def test_a_name_taken_over_by_a_user_is_not_the_books_own_any_more():
    @dataclass(frozen=True)
    class MaxSup(regularizers.Regularizer):
        version = 1

    assert len(version_of(MaxSup)) == 64


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("f(1)", "f(1.0)"),
        ("f(1)", "f('1')"),
        ("f('a', b)", "f(a, 'b')"),
        ("-x", "~x"),
        ("x < y < z", "x < (y < z)"),
        ("{**a, 'b': 1}", "{'a': 1, **b}"),
        ("f'{x!r:>{n}}'", "f'{x!s:>{n}}'"),
        ("a[1:]", "a[:1]"),
        ("[1, None]", "[1]"),
        ("lambda x, /, y: x", "lambda x, y, /: x"),
        ("if x:\n    pass\nelse:\n    y()", "if x:\n    y()"),
        ("global x", "nonlocal x"),
    ],
)
def test_what_means_something_else_reads_otherwise(one, other):
    assert canonical(one) != canonical(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("def f(x):\n    'What it does.'\n    return x", "def f( x ):\n  return  x # so\n"),
        ("f\"{a['k']}\"", "f'{a[\"k\"]}'"),
        ("x = 'a' 'b'", "x = 'ab'"),
        ("def f():\n    'Nothing.'", "def f():\n    pass"),
        ("x = u'é'", "x = '\\u00e9'"),
    ],
)
def test_layout_quotes_and_docstrings_read_the_same(one, other):
    assert canonical(one) == canonical(other)


ELSEWHERE = """
import importlib.util, json, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from softlab.training.experiment import Experiment, run_id
from softlab.training.code_version import canonical, code_digest
spec = importlib.util.spec_from_file_location("made", sys.argv[2])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
trees = {str(path): canonical(path.read_text(encoding="utf-8")) for path in Path(sys.argv[1]).rglob("softlab/**/*.py")}
changed = Experiment(method="mine", method_parameters={"strength": 0.3}, learning_rate=0.05, snapshot_epochs=[0, 2])
print(json.dumps([trees, code_digest(module.Mine), run_id(changed, "images", {"method": code_digest(module.Mine)})]))
"""
USERS = r'''
import functools
from dataclasses import dataclass, field

LIMITS = {"low": [0.1, None, -3], "high": (1e300, 2j, b"x", "é\\u2028")}

@functools.cache
def helper(logits, /, power=LIMITS["low"][0], *, name="a" "b"):
    """Not counted."""
    match logits:
        case [first, *_] if first > 0:
            return f"{first!r:>{power}} {name=} {'nested'}"
        case {"k": value, **rest}:
            return [x := value, *(y for y in rest if y)]
    return lambda x: x @ power if x else ...

@dataclass(frozen=True)
class Mine:
    """A stand-in for a method: no torch here."""
    strength: float = 0.1
    steps: list = field(default_factory=lambda: [1, 2])

    @property
    def scale(self) -> "float":
        return self.strength ** 2

    def loss(self, logits, targets, features, head, progress):
        try:
            with open(f"{self.scale:.3f}") as file:
                return helper(logits)[0] * LIMITS["high"][0], file
        except* (ValueError, OSError) as group:
            raise group from None
'''


def test_ids_are_the_same_under_every_python_at_hand(tmp_path):
    """The torch-free modules suffice for that; the whole package under other Pythons is what CONTRIBUTING.md tells."""
    (tmp_path / "made.py").write_text(USERS)
    given = [ELSEWHERE, str(Path(__file__).parents[2]), str(tmp_path / "made.py")]
    pythons = {minor: [*Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python")] for minor in range(11, 15)}
    pythons = {minor: [*found, shutil.which(f"python3.{minor}")][0] for minor, found in pythons.items()}
    said = {}
    for minor, python in pythons.items():
        if python and not subprocess.run([python, "-c", ""], capture_output=True).returncode:  # no shim of none
            done = subprocess.run([python, "-c", *given], capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
            said[minor] = json.loads(done.stdout)
    if len(said) < 2:
        pytest.skip("one Python only")
    first = next(iter(said.values()))
    assert all(one == first for one in said.values()), list(said)


def test_source_that_cannot_be_read_is_an_error():
    space = {"Regularizer": regularizers.Regularizer, "dataclass": dataclass}
    exec("@dataclass(frozen=True)\nclass M(Regularizer):\n def prepare(self, model): model.eval()", space)
    with pytest.raises(SoftlabError, match="cannot be read"):
        code_digest(space["M"])


def test_the_commit_is_a_hash_or_unknown():
    assert commit() == "unknown" or len(commit().rstrip("+")) >= 7


def test_a_commit_is_marked_where_code_differs_and_not_where_results_do(tmp_path, monkeypatch):
    package = tmp_path / "softlab"
    monkeypatch.setattr(provenance, "PACKAGE", package)
    assert commit.__wrapped__() == "unknown"  # no checkout
    for part in ("softlab", "softbook/records"):
        (tmp_path / part).mkdir(parents=True)
        (tmp_path / part / "file.txt").write_text("as committed")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    clean = commit.__wrapped__()
    assert len(clean) == 10
    (tmp_path / "softbook" / "records" / "file.txt").write_text("grown")
    assert commit.__wrapped__() == clean
    (package / "file.txt").write_text("edited")
    assert commit.__wrapped__() == f"{clean}+"
