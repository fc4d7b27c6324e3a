"""Shared by all tests: a store and a cache of their own, one CPU thread, and a tiny experiment."""

import os

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: tests compare bits


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch):
    """No test sees the user's runs or cache, nor settings from the environment."""
    monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("SOFTLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SOFTLAB_RESULTS", str(tmp_path / "results.json"))
    monkeypatch.delenv("SOFTLAB_PROFILE", raising=False)
    monkeypatch.delenv("SOFTLAB_DATA", raising=False)
    monkeypatch.delenv("SOFTLAB_ZOO", raising=False)


@pytest.fixture
def tiny():
    """An experiment that trains in a tenth of a second."""
    from softlab import Experiment

    return Experiment(train_size=100, width=4, stem_stride=2, epochs=2, batch_size=50, learning_rate=0.05)
