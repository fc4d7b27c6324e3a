"""The queue of what is declared: its order, what it leaves alone, and minutes that end in the middle of it."""

import subprocess
import sys

import pandas
import pytest
from checkout import Checkout

from softbook.studies import queue, recording
from softbook.studies.catalogue import declared, study_profile
from softlab import SoftlabError, load_profile
from softlab.numbers.versions import of_today

COMMIT = "c0ffee0123" + "0" * 30
SMOKE = "tables:\n  - {study: core, profile: smoke}\n  - {study: core, profile: resnet18-confirm, device: cuda}\n"


def test_what_it_lists_is_declared_and_can_be_trained_and_a_name_narrows_it():
    tables = queue.queued()
    assert ("core", "resnet18-confirm") not in tables, "that one waits for a GPU"
    assert all(study in declared() and profile in declared()[study]["settings"] for study, profile in tables)
    assert queue.queued(["heads"]) == [pair for pair in tables if pair[0] == "heads"]
    assert queue.queued(["cifar10-papers"]) == [pair for pair in tables if pair[1] == "cifar10-papers"]
    with pytest.raises(SoftlabError, match="unknown study or profile of the queue 'head'; did you mean 'heads'"):
        queue.queued(["head"])


def test_all_networks_of_a_seed_come_before_the_next_and_what_is_on_record_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(recording.records, "RECORDS", tmp_path)
    profile = study_profile(load_profile("quick-fp32"), "twins")
    table = recording.Recording("twins", profile, "0", None, print)
    names = recording.lacking(table)
    seeds = [table.experiments[name].seed for name in names]
    assert seeds == sorted(seeds)
    assert len(names) == 60
    table.path.parent.mkdir()
    failed = table.failed(names[0], table.experiments[names[0]], recording.loop.Diverged("it diverged"))
    origin = {"asked": recording.records.asked_id(table.experiments[names[0]]), "commit": "c0ffee0123"}
    digests = {"evaluation": table.evaluation_digest(table.experiments[names[0]]), "lenses": of_today()[0]}
    table.write({names[0]: failed | origin | digests})
    assert recording.lacking(table) == names[1:]
    assert queue._other_origin(table).startswith("its rows are of commit c0ffee0123, this is 0; git worktree add")
    same = recording.Recording("twins", profile, "c0ffee0123", None, print)
    assert queue._other_origin(same) == ""


def call(made, *options):
    command = [sys.executable, "-m", "softbook", "record", "--queue", *options]
    done = subprocess.run(command, cwd=made.folder, env=made.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    table = made.folder / "softbook" / "records" / "core" / "smoke.csv"
    return done.stdout, pandas.read_csv(table) if table.exists() else pandas.DataFrame({"id": [], "accuracy": []})


@pytest.mark.slow
@pytest.mark.sampled
def test_what_the_minutes_do_not_hold_is_done_by_the_next_call(tmp_path):
    """In a copy of the checkout that has no .git; another commit adds nothing to a table that it did not begin."""
    made = Checkout(tmp_path)
    (made.folder / "softbook" / "studies" / "queue.yml").write_text(SMOKE)
    made.environment["SOFTLAB_COMMIT"] = COMMIT
    said, none = call(made, "--minutes", "0.02")
    assert "10 networks are left: the same command goes on" in said
    _, some = call(made, "--minutes", "0.4")
    said, whole = call(made, "--workers", "2")
    assert "0 networks are left" in said
    assert len(none) == 0 <= len(some) < len(whole) == 10
    assert set(whole["commit"]) == {COMMIT[:10]}
    assert whole.set_index("id").loc[some["id"], "accuracy"].tolist() == some["accuracy"].tolist()
    alone = made.folder / "softbook" / "records" / "core" / "smoke.csv"
    whole.iloc[:5].to_csv(alone, index=False)
    made.environment["SOFTLAB_COMMIT"] = "f" * 40
    said, left = call(made)
    assert f"core at smoke: its rows are of commit {COMMIT[:10]}, this is ffffffffff" in said
    assert len(left) == 5
