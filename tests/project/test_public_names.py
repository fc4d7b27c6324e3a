"""Public names of the last release: each is still there, or says in one line where it went."""

import importlib
from pathlib import Path

import pytest

from softlab import facade

NAMES = Path(__file__).with_name("public_names.txt").read_text().split()


def found(dotted):
    """What has this name: an attribute of a module, or a module."""
    module, _, name = dotted.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name)
    except AttributeError:
        return importlib.import_module(dotted)


@pytest.mark.parametrize("dotted", sorted(set(NAMES) - facade.WENT.keys()))
def test_a_public_name_of_the_last_release_is_there(dotted):
    assert found(dotted) is not None


@pytest.mark.parametrize("dotted", sorted(facade.WENT))
def test_a_public_name_that_went_says_where(dotted):
    assert dotted in NAMES
    module, _, name = dotted.rpartition(".")
    place = facade.WENT[dotted]
    for told in (lambda: exec(f"from {module} import {name}"), lambda: found(dotted)):
        with pytest.raises(ImportError) as caught:
            told()
        assert str(caught.value) == f"{module} has no {name!r} any more: use {place}"
    assert found(place.split(",")[0]) is not None


def test_a_name_that_never_was_has_no_attribute():
    for module in ("softlab", "softlab.figures", "softlab.lenses.attacks"):
        assert not hasattr(importlib.import_module(module), "never")
