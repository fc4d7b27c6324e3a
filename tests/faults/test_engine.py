"""The engine under real faults: kills at any moment, two at once, notebooks that raise, kernels that die, full disks.

On the small book: two short notebooks, six networks at smoke scale.
"""

import hashlib
import json
import random
import re
import shutil
import subprocess
import time
from collections import Counter
from pathlib import Path

import disks
import nbformat
import psutil
import pytest
from checkout import CHAPTERS, write_notebook
from filelock import FileLock

pytestmark = [pytest.mark.slow, pytest.mark.sampled]
KILLS = 10
KINDS = ("engine", "papermill", "kernel", "kernel", "site")


def start(checkout, log, *options, **environment):
    """The engine, in a session of its own; what it and its jobs say goes to a file, which outlives it."""
    with log.open("a") as lines:
        given = {"cwd": checkout.folder, "env": checkout.environment | environment, "start_new_session": True}
        return subprocess.Popen([*checkout.command(), *options], stdout=lines, stderr=subprocess.STDOUT, **given)


def run(checkout, log, *options, **environment):
    """Exit code and what was said."""
    before = len(log.read_text()) if log.exists() else 0
    code = start(checkout, log, *options, **environment).wait(timeout=900)
    return code, log.read_text()[before:]


def at_work(checkout):
    """Every process that works in the checkout: {process: its command}."""
    found = {}
    for process in psutil.process_iter():
        try:
            if Path(process.cwd()).is_relative_to(checkout.folder) and process.status() != psutil.STATUS_ZOMBIE:
                found[process] = process.cmdline()
        except (psutil.Error, OSError):  # it ended meanwhile, or is another user's
            continue
    return found


def descendants(engine):
    """The processes that an engine started, and those that these started."""
    try:
        return psutil.Process(engine.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def is_kind(kind, command):
    program = Path(command[1]).name if len(command) > 1 else ""
    return {
        "papermill": command[1:3] == ["-m", "papermill"],
        "kernel": "ipykernel_launcher" in command,
        "site": program == "jupyter-book",
    }[kind]


def wait_until(condition, seconds=300):
    """The first true value of condition(), or None after so many seconds."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    return None


def runs_of(checkout):
    """The store: each run, and the file that holds its weights."""
    weights = (checkout.folder / "runs").glob("*-seed*/weights.safetensors")
    return {path.parent.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in weights}


def outputs_of(cell):
    """Its outputs; what was printed in one go, whatever the moments at which the kernel sent it.

    Not what a run says of its waiting for another notebook, on the error stream.
    """
    joined = []
    for output in cell.get("outputs", ()):
        stream = output.get("name")  # no other kind of output has a name
        if stream == "stderr":
            continue
        if joined and stream and joined[-1].get("name") == stream:
            joined[-1]["text"] += output["text"]
        else:
            joined.append(dict(output))
    return joined


def results(checkout):
    """All that a build leaves, without times, dates and what is numbered by their order."""
    found = {}
    for path in (checkout.folder / "runs").glob("*-seed*/*"):
        if path.suffix == ".safetensors" or path.name == "experiment.json":
            found[f"{path.parent.name}/{path.name}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in (checkout.folder / "runs").glob("*-seed*/history.json"):
        found[path.parent.name] = {**json.loads(path.read_bytes()), "seconds": None}
    for name in CHAPTERS:
        written = checkout.build / "notebooks" / f"{name}.results.json"
        found[written.name] = {**json.loads(written.read_bytes()), "date": None, "commit": None}
        executed = nbformat.read(checkout.build / "notebooks" / f"{name}.ipynb", as_version=4)
        found[name] = [outputs_of(cell) for cell in executed.cells]
        page = (checkout.folder / "_build" / "html" / "notebooks" / f"{name}.html").read_text()
        found[f"{name}.html"] = re.sub(r"<[^>]*>|\s+", " ", page)
    return found


def other_files(checkout):
    """Files that a build has no business with."""
    made = {"_build", "runs", ".snakemake", "home", "__pycache__"}
    return {path for path in checkout.folder.rglob("*") if path.is_file() and not made & set(path.parts)}


def undo(checkout, kind, chance, removed):
    """Take away something that was made, so that there is work for a process of that kind to be killed in."""
    kind = chance.choice(KINDS[1:]) if kind == "engine" else kind
    (checkout.build / "html" / "index.html").unlink(missing_ok=True)
    if kind == "kernel":
        for name in chance.sample(there := sorted(runs_of(checkout)), min(1, len(there))):
            removed[name] += 1
            shutil.rmtree(checkout.folder / "runs" / name)
    if kind in ("papermill", "kernel"):
        (checkout.build / "notebooks" / f"{chance.choice(CHAPTERS)}.ipynb").unlink(missing_ok=True)


def killed_alive(target):
    """Kill a process, stopped first: one that is on its way out takes a signal too, and ends as it would have."""
    try:
        target.suspend()
        alive = wait_until(lambda: target.status() == psutil.STATUS_STOPPED, 2)
        target.kill()
    except psutil.NoSuchProcess:
        return False
    return bool(alive)


def kill_one(checkout, kind, chance, log):
    """Start the engine, kill a process of that kind at some moment, and wait for the engine's end. Was it killed?"""
    engine = start(checkout, log)
    target = psutil.Process(engine.pid)
    if kind != "engine":

        def look():
            """Of this engine's own: others may still be at work for one that was killed before."""
            own = {process.pid for process in descendants(engine)}
            found = [process for process, command in at_work(checkout).items() if is_kind(kind, command)]
            return [one for one in found if one.pid in own] or ([None] if engine.poll() is not None else [])

        target = (wait_until(look) or [None])[0]
    time.sleep(chance.uniform(0, 10 if kind == "engine" else 4))
    killed = bool(target) and killed_alive(target)
    code = engine.wait(timeout=900)
    assert (code != 0) or not killed or kind == "papermill", log.read_text()[-3000:]
    return killed


def test_kills_at_any_moment_are_followed_by_the_same_command(small_book, tmp_path):
    expected = results(small_book)
    files = other_files(small_book)
    log = tmp_path / "said.txt"
    for place in ("_build", "runs", ".snakemake"):
        shutil.rmtree(small_book.folder / place)
    chance = random.Random(KILLS)
    removed = Counter()
    kept = {}
    done = Counter()
    kinds = [kind for kind in KINDS for _ in range(KILLS // len(KINDS))]
    chance.shuffle(kinds)
    left = 3 * KILLS  # tries
    while kinds and (left := left - 1):
        kind = kinds[-1]
        if chance.random() < 0.7:  # else while jobs of a killed engine are still at work
            assert wait_until(lambda: not at_work(small_book)), at_work(small_book)
            before = Counter(removed)
            undo(small_book, kind, chance, removed)
            kept = {name: file for name, file in runs_of(small_book).items() if removed[name] == before[name]}
        if kill_one(small_book, kind, chance, log):
            done[kinds.pop()] += 1
        now = runs_of(small_book)
        assert {name: now.get(name) for name in kept} == kept  # what is trained stays as it is
        kept = now
    assert not kinds, (kinds, done)
    code, said = run(small_book, log)
    assert code == 0, said
    assert small_book.make()[0] == 0  # nothing is left to do but to put the site in its place
    assert results(small_book) == expected

    assert wait_until(lambda: not at_work(small_book), 60), at_work(small_book)
    assert other_files(small_book) == files
    assert not [*(small_book.folder / "runs" / ".partial").iterdir(), *small_book.build.glob(".site-*")]
    assert not [*small_book.build.rglob(".*.work"), *small_book.build.rglob("*.failed.ipynb")]
    for path in [*(small_book.folder / "runs" / ".locks").iterdir(), small_book.build / ".engine.lock"]:
        with FileLock(path, timeout=0):
            pass
    assert "Traceback" not in said


def test_a_second_engine_says_so_and_leaves_the_first_alone(small_book, tmp_path):
    for made in ("html/index.html", "notebooks/soft_labels.ipynb"):
        (small_book.build / made).unlink()
    first = start(small_book, tmp_path / "first.txt")
    assert wait_until(lambda: "executing soft_labels" in (tmp_path / "first.txt").read_text())
    code, said = run(small_book, tmp_path / "second.txt")
    assert code != 0
    assert said.splitlines()[1:] == ["another build of _build/smoke is running: wait for it, or stop it"]
    assert first.wait(timeout=600) == 0
    assert (tmp_path / "first.txt").read_text().count("executed soft_labels") == 1


def test_a_notebook_that_fails_stops_no_other_and_is_named_with_its_cell(small_book, tmp_path):
    kill_itself = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"
    write_notebook(small_book, "cosines", tell="accuracy['nothing']")
    write_notebook(small_book, "robustness", draw=kill_itself)
    write_notebook(small_book, "soft_labels", draw="pass")
    folder = small_book.build / "notebooks"
    try:
        code, said = run(small_book, tmp_path / "said.txt")
        assert code != 0
        assert "notebooks/cosines.ipynb failed: cell 'tell': KeyError: 'nothing'" in said
        assert "notebooks/robustness.ipynb failed: in cell 'draw': its kernel was killed" in said
        assert "executed soft_labels" in said
        failed = nbformat.read(folder / "cosines.failed.ipynb", as_version=4)
        executed = [cell.id for cell in failed.cells if cell.get("execution_count")]
        assert executed[-2:] == ["train", "tell"]
        assert (folder / "robustness.failed.ipynb").exists()
        write_notebook(small_book, "cosines")
        (small_book.folder / "notebooks" / "robustness.ipynb").unlink()
        code, said = run(small_book, tmp_path / "said.txt")
        assert code == 0, said
        assert re.findall(r"executed (\w+)", said) == ["cosines"]
        assert not (folder / "cosines.failed.ipynb").exists()
    finally:
        (small_book.folder / "notebooks" / "robustness.ipynb").unlink(missing_ok=True)
        for path in folder.glob("robustness.*"):
            path.unlink()
        for name in CHAPTERS:
            write_notebook(small_book, name)


@pytest.fixture
def small_disk(small_book, request):
    """A file system of a given size in the checkout."""
    with disks.small(small_book.folder / "_build" / "disk", request.param) as place:
        yield place
        wait_until(lambda: not at_work(small_book), 60)


@pytest.mark.parametrize("small_disk", ["900k"], indirect=True)
def test_a_disk_that_is_full_in_training_ends_in_one_line_and_goes_on_with_space(small_book, small_disk, tmp_path):
    options = ("build=_build/other", "--until", "notebook")
    store = {"SOFTLAB_STORE": str(small_disk / "runs")}
    code, said = run(small_book, tmp_path / "said.txt", *options, **store)
    assert code != 0
    assert "failed: cell 'train': SoftlabError: the disk is full" in said
    assert "finished runs are untouched" in said
    assert "Traceback" not in said
    finished = {path: path.read_bytes() for path in (small_disk / "runs").glob("*-seed*/*.safetensors")}
    disks.grow(small_disk)
    code, said = run(small_book, tmp_path / "said.txt", *options, **store)
    assert code == 0, said
    assert len(list((small_disk / "runs").glob("*-seed*"))) == 6
    assert all(path.read_bytes() == content for path, content in finished.items())


@pytest.mark.parametrize("small_disk", ["400k"], indirect=True)
def test_a_disk_that_is_full_while_a_notebook_is_executed_is_said_in_one_line(small_book, small_disk, tmp_path):
    options = ("build=_build/disk", "--until", "notebook")
    code, said = run(small_book, tmp_path / "said.txt", "build=_build/disk", "--dry-run")
    assert code == 0, said
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 20_000))
    code, said = run(small_book, tmp_path / "said.txt", *options)
    assert code != 0
    for name in CHAPTERS:
        assert re.search(rf"notebooks/{name}.ipynb failed: the disk is full \(\d+ MiB free\)", said)
    assert "Traceback" not in said
    disks.grow(small_disk)
    code, said = run(small_book, tmp_path / "said.txt", *options)
    assert code == 0, said
    assert said.count("executed ") == 2
