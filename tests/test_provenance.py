"""Digests of code: they change with what a method does, and with nothing else."""

from dataclasses import dataclass

import pytest

from softlab import SoftlabError, regularizers
from softlab.provenance import code_digest, commit, training_code_digest

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
    import importlib.util

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
