"""Every commit that a row on record names is in the history, or the lab notebook says that it is lost."""

import csv
import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

import pytest

from softlab import provenance

ROOT = Path(__file__).parents[2]
RECORDS = ROOT / "softbook" / "records"
LISTED = re.compile(r"^\| `([0-9a-f]{10}\+?)` \|", re.MULTILINE)  # the first column of the lab notebook's table


def _git(*command: str) -> str:
    done = subprocess.run(["git", *command], cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def _in_json(found: object) -> set[str]:
    if isinstance(found, list):
        return set().union(*map(_in_json, found))
    if not isinstance(found, dict):
        return set()
    own = {value for name, value in found.items() if name == "commit"}
    return own.union(*map(_in_json, found.values()))


def _named() -> set[str]:
    """All commits that records name; a + at the end says that files had been changed."""
    found: set[str] = set()
    for path in RECORDS.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            found |= {row["commit"] for row in csv.DictReader(file) if row.get("commit")}
    for path in RECORDS.rglob("*.json"):
        found |= _in_json(json.loads(path.read_bytes()))
    return found


def _listed() -> set[str]:
    return set(LISTED.findall((ROOT / "book" / "lab_notebook.md").read_text(encoding="utf-8")))


def test_every_commit_that_is_called_lost_stands_in_a_record():
    assert _listed() <= _named()


def test_every_commit_on_record_is_in_the_history_or_called_lost():
    if _git("rev-parse", "--is-shallow-repository") != "false":
        pytest.skip("no history here, or a part of it")
    history = {commit[:10] for commit in _git("rev-list", "HEAD").splitlines()}
    named = _named()
    assert named
    assert named - history == _listed()


def test_the_list_would_miss_a_commit():
    assert _in_json({"a": [{"commit": "0123456789"}], "commit": "9876543210+"}) == {"0123456789", "9876543210+"}
    assert LISTED.findall("| `0123456789+` | here | why |\n| `b` | here | why |") == ["0123456789+"]


def test_who_has_no_home_has_a_cache_all_the_same(monkeypatch, tmp_path):
    def homeless(*_, **__):
        raise RuntimeError("could not determine the home directory")

    monkeypatch.delenv("SOFTLAB_CACHE", raising=False)
    monkeypatch.setattr(provenance, "user_cache_path", homeless)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert provenance.cache_folder() == tmp_path / f"softlab-{os.getuid()}"
