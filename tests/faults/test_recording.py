"""Numbers, record and verify under real faults: kills at any moment, two at once, full disks.

Whatever happens, the same command goes on, and ends with the bytes of one that was left alone.
"""

import multiprocessing
import os
import random
import re
import shutil
import time

import disks
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.sampled]
KILLS = int(os.environ.get("KILLS", "6"))  # of the three kinds together
SETTING = """
experiment: {{train_size: 60, epochs: 2, width: 4, stem_stride: 2, snapshot_epochs: [2]}}
methods: {{baseline: {{}}, mixup: {{}}}}
seeds: {seeds}
evaluation: {{test_size: 100, attack_size: 5, attack_steps: 1}}
"""
COMMANDS = {"numbers": ["train"], "record": ["record", "core"], "verify": ["verify", "core", "--rows", "2"]}
PROCESSES = multiprocessing.get_context("forkserver")  # a server that has imported torch, once for all of them
PROCESSES.set_forkserver_preload(["softbook.studies.recording", "softlab.cli"])


def softlab(store, shelf, log, words):
    """The command, with records of its own, by code that counts as committed."""
    from softbook import cli
    from softbook.studies import records
    from softlab import provenance

    said = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ["SOFTLAB_STORE"] = str(store)
    records.RECORDS = shelf
    provenance.commit = lambda: "0123456789"
    cli.main(words)


class Shelf:
    """A store, and records of what is in it."""

    def __init__(self, place):
        self.place = place
        self.store = place / "store"
        self.records = place / "records"
        self.count = 0
        place.mkdir(exist_ok=True)
        for name, seeds in (("mine", 2), ("less", 1)):
            (place / f"{name}.yaml").write_text(SETTING.format(seeds=seeds))

    def start(self, command, profile="mine"):
        """A process, and the file that has what it says."""
        self.count += 1
        log = self.place / f"{self.count}.txt"
        words = [*COMMANDS[command], "--profile", f"{self.place / profile}.yaml"]
        process = PROCESSES.Process(target=softlab, args=(self.store, self.records, log, words))
        process.start()
        return process, log

    def run(self, command, profile="mine"):
        """Exit code, and what was said, warnings aside."""
        process, log = self.start(command, profile)
        process.join(300)
        return process.exitcode, re.sub(r"(?m)^.*Warning: .*\n(  .*\n)?", "", log.read_text())

    def files(self):
        """All that is kept, by name, but times; locks, and what a kill left of a file that it was writing, aside."""
        found = [*self.store.glob("*-seed*/**/*"), *self.records.rglob("*")]
        kept = {str(path.relative_to(self.place)): path.read_bytes() for path in found if path.is_file()}
        return {name: kept[name] for name in kept if not re.search(r"/\.|provenance|history|manifest", name)}


def wait_for(text, log, seconds=120):
    end = time.monotonic() + seconds
    while not (log.exists() and text in log.read_text()):
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.02)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one record that is left alone leaves, and the seconds that each command takes."""
    shelf = Shelf(tmp_path_factory.mktemp("alone"))
    shelf.seconds = {}
    shelf.run("numbers")
    shutil.rmtree(shelf.store)  # the first process of all is slower
    for command in ("record", "verify"):
        begun = time.monotonic()
        code, said = shelf.run(command)
        shelf.seconds[command] = time.monotonic() - begun
        assert code == 0, said
    shelf.seconds["numbers"] = shelf.seconds["verify"] / 2
    assert len(list(shelf.store.glob("*-seed*"))) == 4
    return shelf


@pytest.fixture
def shelf(alone, tmp_path):
    shutil.copytree(alone.place, tmp_path / "copy", ignore=shutil.ignore_patterns("*.txt"))
    return Shelf(tmp_path / "copy")


def undo(shelf, kind, chance):
    """Take away something that was made, so that there is work to be killed in."""
    for run in chance.sample(sorted(shelf.store.glob("*-seed*")), 2):
        shutil.rmtree(run / "numbers" if chance.random() < 0.7 else run, ignore_errors=True)
    if kind == "record":
        shutil.rmtree(shelf.records, ignore_errors=True)


@pytest.mark.parametrize("kind", COMMANDS)
def test_kills_at_any_moment_are_followed_by_the_same_bytes(kind, alone, shelf):
    expected = alone.files()
    chance = random.Random(kind)
    kills = 0
    while kills < -(-KILLS // len(COMMANDS)):
        if kind != "verify" and chance.random() < 0.5:  # else it goes on from what the last kill left
            undo(shelf, kind, chance)
        process, _ = shelf.start(kind)
        time.sleep(chance.uniform(0, alone.seconds[kind]))
        kills += process.is_alive()
        process.kill()
        process.join(60)
        kept = {name: content for name, content in shelf.files().items() if not name.startswith("records")}
        assert kept.items() <= expected.items()  # tables grow row by row
    code, said = shelf.run(kind)
    assert code == 0, said
    assert kind != "verify" or said.count("same bits") == 2
    if kind == "numbers":
        shutil.rmtree(shelf.records)  # to be made of these
    code, said = shelf.run("record")
    assert code == 0, said
    assert shelf.files() == expected
    assert not [path for path in shelf.records.rglob(".*") if path.is_file()]


def test_two_records_of_one_table_wait_for_each_other(alone, shelf):
    """The first is killed in the middle: the second goes on where it was."""
    shutil.rmtree(shelf.records)
    for numbers in shelf.store.glob("*/numbers"):
        shutil.rmtree(numbers)
    first, log = shelf.start("record")
    wait_for("[1 of 4]", log)
    second, other = shelf.start("record")
    wait_for("waiting for another process that records core.mine\n", other)
    first.kill()
    second.join(300)
    assert second.exitcode == 0, other.read_text()
    assert "[1 of 4]" not in other.read_text()
    assert shelf.files() == alone.files()


def test_two_profiles_of_one_study_are_recorded_side_by_side(shelf):
    shutil.rmtree(shelf.records)
    both = [shelf.start("record", profile) for profile in ("mine", "less")]
    for process, log in both:
        process.join(300)
        assert process.exitcode == 0, log.read_text()
    code, said = shelf.run("verify", "less")
    assert (code, said.count("same bits")) == (0, 2), said
    about = (shelf.records / "core" / "about.json").read_text()
    assert '"mine": {' in about
    assert '"less": {' in about


@pytest.fixture
def small_disk(tmp_path):
    with disks.small(tmp_path / "disk", "36k") as place:
        yield place


FULL = r"softbook: the disk is full \(\d+ MiB free\): .*\n"


def test_a_disk_that_is_full_while_a_record_is_written_leaves_rows_that_are_whole(alone, shelf, small_disk):
    shelf.records = small_disk / "records"
    code, said = shelf.run("record")
    assert code == 2, said
    assert re.fullmatch(rf"(\[\d of 4\] .*\n)*{FULL}", said), said
    assert not [path for path in shelf.records.rglob(".*") if path.is_file()]
    disks.grow(small_disk)
    rows = said.count(" of 4]")
    code, said = shelf.run("record")
    assert code == 0, said
    assert said.count(" of 4]") == 4 - rows
    for path in (alone.records / "core").rglob("*.*"):
        assert (shelf.records / path.relative_to(alone.records)).read_bytes() == path.read_bytes(), path


def test_a_disk_that_is_full_while_numbers_are_written_says_so(alone, shelf, small_disk):
    run = next(shelf.store.glob("baseline-seed0-*"))
    shutil.rmtree(run / "numbers")
    (run / "numbers").symlink_to(small_disk)
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free - 8192))
    code, said = shelf.run("numbers")
    assert code == 2, said
    assert re.fullmatch(FULL, said), said
    assert all(path.name[0] != "." for path in small_disk.iterdir())
    disks.grow(small_disk)
    assert shelf.run("numbers")[0] == 0
    measured = {path.name: path.read_bytes() for path in small_disk.glob("*.npz")}
    assert measured == {path.name: path.read_bytes() for path in (alone.store / run.name / "numbers").glob("*.npz")}
