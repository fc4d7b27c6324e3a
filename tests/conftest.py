"""Shared by all tests: a store and a cache of their own, one CPU thread, a tiny experiment, and books of the engine."""

import functools
import os
import signal
import subprocess
from pathlib import Path

import kernels
import pytest
from checkout import copy_of, make_small, shared

os.environ["OMP_NUM_THREADS"] = "1"  # before torch: tests compare bits
# Tests train tiny networks in loops of their own too, where loop.safe_kernels does not help: see there.
PROCESSOR = Path("/proc/cpuinfo")
if PROCESSOR.exists() and "avx512f" not in PROCESSOR.read_text().split():
    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", "AVX")
# Now, as torchvision cannot be imported while `no_gpu` stands in for functions of torch.
import torch  # noqa: E402
import torchvision  # noqa: E402, F401

# A shell's job in the background ignores Ctrl-C, and so would the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config, items):
    """Tests of books come first, as they take longest: so no worker waits for them at the end.

    SAMPLE=4: of tests that are many of a kind, or try the engine and machines (mark `sampled`), a quarter, another with
    each commit. Those of one name (`sampled(as_one=…)`) stay together.
    """
    items.sort(key=lambda item: not {"book", "small_book"} & set(item.fixturenames))
    parts = int(os.environ.get("SAMPLE", "1"))
    units: dict[str, list] = {}
    for item in items:
        if mark := item.get_closest_marker("sampled"):
            units.setdefault(mark.kwargs.get("as_one", item.nodeid), []).append(item)
    left = [item for place, unit in enumerate(units.values()) if (place + _commit()) % parts for item in unit]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]


def pytest_sessionfinish(session, exitstatus):
    """It is no failure that this commit's sample has no test of those asked for."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and "SAMPLE" in os.environ:
        session.exitstatus = pytest.ExitCode.OK


@functools.cache
def _commit() -> int:
    """The commit of the checkout as a number; 0 where there is none."""
    asked = ["git", "rev-parse", "--short=8", "HEAD"]
    said = subprocess.run(asked, cwd=Path(__file__).parent, capture_output=True, text=True)
    return int(said.stdout, 16) if said.returncode == 0 else 0


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
def own_threads():
    """Whatever number of threads a test leaves behind, the next one begins with one: tests compare bits."""
    yield
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def own_kernel(tmp_path_factory):
    """Notebooks run in this Python, whatever other kernel is called python3."""
    os.environ.update(kernels.pinned(tmp_path_factory.mktemp("jupyter")))


@pytest.fixture(autouse=True)
def no_gpu(request, monkeypatch):
    """Bits and devices that tests expect are the CPU's, also on a machine with a GPU; test_gpu.py asks for it."""
    if request.path.name != "test_gpu.py":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # of processes that a test starts
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)


@pytest.fixture(scope="session")
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
