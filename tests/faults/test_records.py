"""Numbers, record and verify under real faults: kills at any moment, two at once, full disks.

Whatever happens, the same command goes on, and ends with the bytes of one that was left alone.
"""

import os
import random
import re
import shutil
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.slow
KILLS = int(os.environ.get("KILLS", "6"))  # of the three kinds together
# The command `softlab`, with records of its own, by code that counts as committed; it says when it begins.
SCRIPT = """
import sys
from pathlib import Path
from softlab import cli, provenance, records
records.RECORDS, provenance.commit = Path(sys.argv[1]), lambda: "0123456789"
print("begins", flush=True)
cli.main(sys.argv[2:])
"""
SETTING = """
experiment: {{train_size: 60, epochs: 2, width: 4, stem_stride: 2, snapshot_epochs: [0, 2]}}
methods: {{baseline: {{}}, mixup: {{}}}}
seeds: {seeds}
evaluation: {{test_size: 200, attack_size: 10, attack_steps: 1}}
"""


class Shelf:
    """A store, and records of what is in it."""

    def __init__(self, place):
        self.place, self.store, self.records = place, place / "store", place / "records"
        (place / "temporary").mkdir(parents=True)
        for name, seeds in (("mine", 2), ("less", 1)):
            (place / f"{name}.yaml").write_text(SETTING.format(seeds=seeds))

    def start(self, command, profile="mine"):
        words = {"numbers": ["train"], "record": ["record", "core"], "verify": ["verify", "core", "--rows", "2"]}
        environment = os.environ | {"SOFTLAB_STORE": str(self.store), "TMPDIR": str(self.place / "temporary")}
        options = [*words[command], "--profile", f"{self.place / profile}.yaml"]
        return subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(self.records), *options],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command, profile="mine"):
        """Exit code, what was said, and how long it took once it had begun."""
        process = self.start(command, profile)
        process.stdout.readline()
        begun = time.monotonic()
        said = process.communicate(timeout=300)[0]
        return process.returncode, said, time.monotonic() - begun

    def files(self):
        """All that is kept, by name; locks, and what a kill left of a file that it was writing, aside."""
        found = [*self.store.glob("*-seed*/**/*"), *self.records.rglob("*")]
        kept = [
            path for path in found if path.is_file() and not re.search(r"/\.|provenance|history|manifest", str(path))
        ]
        return {str(path.relative_to(self.place)): path.read_bytes() for path in kept}


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one record that is left alone leaves; training again it the same bits."""
    shelf = Shelf(tmp_path_factory.mktemp("alone"))
    code, said, shelf.seconds = shelf.run("record")
    assert code == 0, said
    assert len(list(shelf.store.glob("*-seed*"))) == 4
    return shelf


@pytest.fixture
def shelf(alone, tmp_path):
    copy = Shelf(tmp_path / "copy")
    shutil.copytree(alone.place, copy.place, dirs_exist_ok=True)
    return copy


def undo(shelf, kind, chance):
    """Take away something that was made, so that there is work to be killed in."""
    for run in chance.sample(sorted(shelf.store.glob("*-seed*")), 2 if kind == "numbers" else 1):
        shutil.rmtree(run / "numbers" if chance.random() < 0.7 else run, ignore_errors=True)
    if kind == "record":
        shutil.rmtree(shelf.records, ignore_errors=True)


@pytest.mark.parametrize("kind", ["numbers", "record", "verify"])
def test_kills_at_any_moment_are_followed_by_the_same_bytes(kind, alone, shelf):
    expected, chance, kills = alone.files(), random.Random(kind), 0
    seconds = shelf.run("verify")[2] if kind == "verify" else alone.seconds
    while kills < KILLS // 3 + (kind == "record") * (KILLS % 3):
        if kind != "verify" and chance.random() < 0.5:  # else it goes on from what the last kill left
            undo(shelf, kind, chance)
        process = shelf.start(kind)
        process.stdout.readline()
        time.sleep(chance.uniform(0, seconds))
        kills += process.poll() is None
        process.kill()
        process.communicate(timeout=60)
        assert all(expected[name] == content for name, content in shelf.files().items() if not is_table(name))
    code, said, _ = shelf.run(kind)
    assert code == 0, said
    assert kind != "verify" or said.count("same bits") == 2
    if kind == "numbers":
        shutil.rmtree(shelf.records)
    code, said, _ = shelf.run("record")
    assert code == 0, said
    assert shelf.files() == expected
    assert not [path for path in shelf.records.rglob(".*") if path.is_file()]


def is_table(name):
    """Does it grow row by row?"""
    return name.startswith("records/")


def test_two_records_of_one_table_wait_for_each_other(alone, shelf):
    """The first is killed in the middle: the second goes on where it was."""
    shutil.rmtree(shelf.records)
    for numbers in shelf.store.glob("*/numbers"):
        shutil.rmtree(numbers)
    first = shelf.start("record")
    lines = [first.stdout.readline(), first.stdout.readline()]
    assert "[1 of 4]" in lines[1]
    second = shelf.start("record")
    assert "begins" in second.stdout.readline()
    assert second.stdout.readline() == "waiting for another process that records core.mine\n"
    first.kill()
    first.communicate(timeout=60)
    said = second.communicate(timeout=300)[0]
    assert second.returncode == 0, said
    assert "[1 of 4]" not in said
    assert shelf.files() == alone.files()


def test_two_profiles_of_one_study_are_recorded_side_by_side(shelf):
    shutil.rmtree(shelf.records)
    both = [shelf.start("record", profile) for profile in ("mine", "less")]
    said = [process.communicate(timeout=300)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    code, said, _ = shelf.run("verify", "less")
    assert (code, said.count("same bits")) == (0, 2), said
    about = (shelf.records / "core" / "about.json").read_text()
    assert '"mine": {' in about
    assert '"less": {' in about


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few KiB, if this user may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=36k", "none", place], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_a_disk_that_is_full_while_a_record_is_written_leaves_rows_that_are_whole(alone, shelf, small_disk):
    shutil.rmtree(shelf.records)
    shelf.records = small_disk / "records"
    code, said, _ = shelf.run("record")
    assert code == 2, said
    assert re.fullmatch(r"(\[\d of 4\] .*\n)*softlab: the disk is full \(\d+ MiB free\): .*\n", said), said
    assert not [path for path in shelf.records.rglob("*") if path.name.startswith(".") and path.name != ".locks"]
    subprocess.run(["mount", "-o", "remount,size=64m", small_disk], check=True)
    rows = said.count(" of 4]")
    code, said, _ = shelf.run("record")
    assert code == 0, said
    assert said.count(" of 4]") == 4 - rows
    for path in (alone.records / "core").rglob("*.*"):
        assert (shelf.records / path.relative_to(alone.records)).read_bytes() == path.read_bytes(), path


def test_a_disk_that_is_full_while_numbers_are_written_says_so(alone, shelf, small_disk):
    for run in list(shelf.store.glob("*-seed*")):
        shutil.rmtree(run / "numbers")
    filled = small_disk / "numbers"
    filled.mkdir()
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 8192))
    run = next(shelf.store.glob("baseline-seed0-*"))
    (run / "numbers").symlink_to(filled)
    code, said, _ = shelf.run("numbers")
    assert code == 2, said
    assert re.fullmatch(r"softlab: the disk is full \(\d+ MiB free\): .*\n", said), said
    (small_disk / "filler").unlink()
    assert shelf.run("numbers")[0] == 0
    for path in filled.glob("*.npz"):
        assert path.read_bytes() == (alone.store / run.name / "numbers" / path.name).read_bytes()
