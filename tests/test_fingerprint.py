"""Digests of code: they change with what a method does, and with nothing else."""

import importlib.util
import subprocess
from dataclasses import dataclass

import pytest

from softlab import SoftlabError, fingerprint, provenance, regularizers
from softlab.fingerprint import code_digest, training_code_digest
from softlab.provenance import commit

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


def test_code_that_changed_on_disk_after_its_import_is_refused(monkeypatch):
    monkeypatch.setattr(fingerprint, "IMPORTED", 0)
    with pytest.raises(SoftlabError, match="has changed since it was imported"):
        code_digest(regularizers.REGISTRY["mixup"])
    with pytest.raises(SoftlabError, match="has changed since it was imported"):
        training_code_digest()


@pytest.mark.parametrize("changes", [{"comment": "# another why"}, {"docstring": "Still mine."}])
def test_comments_and_docstrings_do_not_count(digests, changes):
    assert digests(**changes) == digests()


def test_a_helper_of_another_method_does_not_count(digests):
    mine, other = digests()
    same, changed = digests(unrelated="2 * x")
    assert same == mine
    assert changed != other


def test_built_in_methods_have_digests_of_their_own():
    found = {name: code_digest(method) for name, method in regularizers.REGISTRY.items()}
    assert len(set(found.values())) == len(found)
    assert len(training_code_digest()) == 64


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
    for part in ("softlab", "editions"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "file.txt").write_text("as committed")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *command], check=True)
    clean = commit.__wrapped__()
    assert len(clean) == 10
    (tmp_path / "editions" / "file.txt").write_text("grown")
    assert commit.__wrapped__() == clean
    (package / "file.txt").write_text("edited")
    assert commit.__wrapped__() == f"{clean}+"
