"""A campaign on a machine that is lent for minutes, in a copy of the checkout that has no .git."""

import subprocess
import sys
import tarfile

import campaign
import pandas
import pytest
from checkout import Checkout

from softbook.studies.catalogue import study_profile

STEPS = ("core:smoke:1", "core:smoke:2")
COMMIT = "c0ffee0123" + "0" * 30


def call(made, minutes):
    command = [sys.executable, "tools/campaign.py", "back", *STEPS, "--minutes", str(minutes), "--workers", "2"]
    done = subprocess.run(command, cwd=made.folder, env=made.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with tarfile.open(made.folder / "back" / "records.tar.gz") as archive:
        archive.extractall(made.folder / "softbook" / "records", filter="data")
    table = made.folder / "softbook" / "records" / "core" / "smoke.csv"
    return pandas.read_csv(table) if table.exists() else pandas.DataFrame({"id": [], "accuracy": []})


def test_its_own_steps_have_networks():
    assert all(
        study_profile(settings, study).experiments() for study, settings in map(campaign.settings_of, campaign.STEPS)
    )


@pytest.mark.slow
@pytest.mark.sampled
def test_what_the_minutes_do_not_hold_is_done_by_the_next_call(tmp_path):
    made = Checkout(tmp_path)
    made.environment["SOFTLAB_COMMIT"] = COMMIT
    none = call(made, 0.05)  # 3 s hold nothing: two interpreters have hardly begun
    some = call(made, 0.5)
    whole = call(made, 5)
    assert len(none) < len(whole) == 10
    assert len(none) <= len(some)
    assert set(whole["commit"]) == {COMMIT[:10]}
    assert whole.set_index("id").loc[some["id"], "accuracy"].tolist() == some["accuracy"].tolist()
    assert "s numbers" in (made.folder / "back" / "log.txt").read_text()
