"""Shared by all tests: a store and a cache of their own, one CPU thread, a tiny experiment, and books of the engine."""

import os
import signal

import pytest
from checkout import copy_of, make_small, shared

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: tests compare bits
# A shell's job in the background ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Tests of books come first, as they take longest: so no worker waits for them at the end."""
    items.sort(key=lambda item: not {"book", "small_book"} & set(item.fixturenames))


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees the user's runs or cache, nor settings from the environment."""
    monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SOFTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SOFTLAB_RESULTS", str(tmp_path / "results.json"))
    monkeypatch.delenv("SOFTLAB_PROFILE", raising=False)
    monkeypatch.delenv("SOFTLAB_DATA", raising=False)
    monkeypatch.delenv("SOFTLAB_ZOO", raising=False)


@pytest.fixture(autouse=True)
def no_gpu(request, monkeypatch):
    """Bits and devices that tests expect are the CPU's, also on a machine with a GPU; test_gpu.py asks for it."""
    if request.path.name != "test_gpu.py":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # of processes that a test starts
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)


@pytest.fixture
def tiny():
    """An experiment that trains in a tenth of a second."""
    from softlab import Experiment

    return Experiment(train_size=100, width=4, stem_stride=2, epochs=2, batch_size=50, learning_rate=0.05)


@pytest.fixture(scope="session")
def book(tmp_path_factory):
    """The whole book at smoke scale, to look at."""
    return shared(tmp_path_factory, "book")


@pytest.fixture(scope="module")
def small_book(tmp_path_factory):
    """The small book, to work on; the tests of a module change it one after the other."""
    made = shared(tmp_path_factory, "small", chapters=1, prepare=make_small)
    return copy_of(made, tmp_path_factory.mktemp("copy"))
