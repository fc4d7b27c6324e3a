"""What a configuration of Snakemake asks for: profile, sweeps, networks in jobs, and what no longer holds."""

import json
from pathlib import Path

import pytest
import wanted

from softlab import SoftlabError
from softlab.files import write_json

ROOT = Path(__file__).parents[2]
ONE_AXIS = "parameters: {seeds: 1, overrides: {methods: {baseline: {}}}}\nvary: {overrides.epochs: [1, 2]}"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """asked(cores=2, on_gpus=0, **configuration) -> the build, in a folder of its own."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(ONE_AXIS)
    return lambda cores=2, on_gpus=0, **given: wanted.asked_for({"build": tmp_path, **given}, cores, on_gpus)


def counts(build, scope=wanted.BOOK):
    """How many networks each job trains."""
    return [len(networks) for networks in build.jobs[scope].values()]


def test_names_come_as_text_or_in_lists(asked, tmp_path):
    assert asked().name == "quick"
    assert list(asked(sweeps="alpha, train_size").sweeps) == list(asked(sweeps="alpha train_size").sweeps)
    build = asked(profile=["smoke"], sweeps=[str(tmp_path / "mine.yaml")])
    assert (build.name, list(build.sweeps), build.out) == ("smoke", ["mine"], f"{tmp_path}/smoke")
    with pytest.raises(SoftlabError, match="did you mean 'smoke'"):
        asked(profile="smok")


def test_networks_are_shared_among_cores_or_gpus_and_on_a_cluster_each_has_a_job(asked):
    total = sum(counts(asked(profile="smoke")))
    assert counts(asked(cores=3, profile="smoke")) == [len(range(turn, total, 3)) for turn in range(3)]
    assert len(counts(asked(cores=64, on_gpus=4, profile="smoke"))) == 4
    assert counts(asked(cores=64, profile="smoke", cluster=True)) == [1] * total
    assert counts(asked(cores=64, profile="smoke", cluster=True, runs_per_job=total)) == [total]


def test_of_what_is_on_record_only_what_chapters_look_into_is_trained(asked):
    few = asked().live
    every = asked(live="all").live
    assert list(few) == list(every)
    assert all(set(few[study]) <= set(every[study]) for study in few)
    assert few["core"] == every["core"][:2]


def test_a_sweep_trains_its_points_apart_from_the_book(asked, tmp_path):
    build = asked(profile="smoke", sweeps=str(tmp_path / "mine.yaml"))
    epochs = [one["experiment"]["epochs"] for some in build.jobs["sweeps/mine"].values() for one in some]
    assert sorted(epochs) == [1, 2]
    assert build.executed("mine") == []
    assert build.manifests("sweeps/mine") == [
        f"{tmp_path}/smoke/training/sweeps/mine/{job}.json" for job in build.jobs["sweeps/mine"]
    ]
    assert asked(profile="smoke").manifests(wanted.BOOK) == build.manifests(wanted.BOOK)


def test_a_manifest_goes_if_its_job_or_one_of_its_runs_has_gone(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path / "store"))
    build = asked(profile="smoke")
    kept, without_run = map(Path, build.manifests(wanted.BOOK))
    of_old_code = kept.with_name("baseline-0-123456789abc.json")
    (tmp_path / "store" / "a").mkdir(parents=True)
    for path, runs in ((kept, ["a"]), (without_run, ["a", "b"]), (of_old_code, ["a"])):
        write_json(path, [{"id": name} for name in runs])
    build.prepare()
    assert [path.exists() for path in (kept, without_run, of_old_code)] == [True, False, False]
    listed = json.loads((tmp_path / "smoke" / "jobs" / kept.name).read_bytes())
    assert listed == build.jobs[wanted.BOOK][kept.stem]


def test_other_code_that_trains_makes_other_jobs(asked, monkeypatch):
    before = asked(profile="smoke").jobs[wanted.BOOK]
    monkeypatch.setattr(wanted.inputs, "TRAINING", ("softlab.training.experiment",))
    assert not set(before) & set(asked(profile="smoke").jobs[wanted.BOOK])


def test_a_chapter_reads_its_settings_and_a_point_its_own(asked, tmp_path):
    build = asked(profile="smoke", sweeps=str(tmp_path / "mine.yaml"))
    (own,) = [path for path in build.read_by("cosines") if "inputs" in Path(path).parts]
    point = next(iter(build.sweeps["mine"].points.values()))
    (other,) = [path for path in build.read_by("cosines", point) if "inputs" in Path(path).parts]
    epochs = [json.loads(Path(path).read_bytes())["profile"]["experiment"]["epochs"] for path in (own, other)]
    assert epochs == [2, 1]
