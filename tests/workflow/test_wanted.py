"""What a configuration of Snakemake asks for: profile, sweeps, networks in jobs, and what no longer holds."""

import json
from pathlib import Path

import pytest
import wanted

from softlab import SoftlabError
from softlab.files import write_json

ROOT = Path(__file__).parents[2]
ONE_AXIS = "parameters: {seeds: 1, overrides: {methods: {baseline: {}}}}\nvary: {overrides.epochs: [1, 2]}"
EIGHT = "parameters: {overrides: {methods: {baseline: {}, mixup: {}}}}\nvary: {overrides.epochs: [1, 2]}"


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """asked(cores=2, on_gpus=0, **configuration) -> the build, in a folder of its own."""
    monkeypatch.chdir(ROOT)
    (tmp_path / "mine.yaml").write_text(ONE_AXIS)
    return lambda cores=2, on_gpus=0, **given: wanted.asked_for({"build": tmp_path, **given}, cores, on_gpus)


def counts(build):
    """How many networks each job trains."""
    return [len(networks) for networks in build.jobs["mine"].values()]


def test_names_come_as_text_or_in_lists(asked, tmp_path):
    assert asked().name == "quick"
    assert list(asked(sweeps="alpha, train_size").sweeps) == list(asked(sweeps="alpha train_size").sweeps)
    build = asked(profile=["smoke"], sweeps=[str(tmp_path / "mine.yaml")])
    assert (build.name, list(build.sweeps), build.out) == ("smoke", ["mine"], f"{tmp_path}/smoke")
    with pytest.raises(SoftlabError, match="did you mean 'smoke'"):
        asked(profile="smok")


def test_networks_are_shared_among_cores_or_gpus_and_on_a_cluster_each_has_a_job(asked, tmp_path):
    (tmp_path / "mine.yaml").write_text(EIGHT)
    given = {"profile": "smoke", "sweeps": str(tmp_path / "mine.yaml")}
    assert counts(asked(cores=3, **given)) == [3, 3, 2]
    assert counts(asked(cores=64, on_gpus=4, **given)) == [2] * 4
    assert counts(asked(cores=64, cluster=True, **given)) == [1] * 8
    assert counts(asked(cores=64, cluster=True, runs_per_job=8, **given)) == [8]


def test_the_book_and_a_sweep_of_notebooks_have_no_training_jobs(asked, tmp_path):
    """Their notebooks fit what they show."""
    path = tmp_path / "mine.yaml"
    path.write_text("notebooks: [cones]\nvary: {alpha: [0.1, 0.2]}")
    assert asked().jobs == {}
    build = asked(sweeps=str(path))
    assert build.jobs == {}
    points = build.sweeps["mine"].points
    assert build.made("mine") == [f"{tmp_path}/quick/sweeps/mine/points/{point}/cones.ipynb" for point in points]


def test_a_sweep_without_notebooks_trains_the_networks_of_its_points(asked, tmp_path):
    build = asked(profile="smoke", sweeps=str(tmp_path / "mine.yaml"))
    epochs = [one["experiment"]["epochs"] for some in build.jobs["mine"].values() for one in some]
    assert sorted(epochs) == [1, 2]
    assert build.made("mine") == [f"{tmp_path}/smoke/training/mine/{job}.json" for job in build.jobs["mine"]]


def test_a_manifest_goes_if_its_job_or_one_of_its_runs_has_gone(asked, tmp_path, monkeypatch):
    monkeypatch.setenv("SOFTLAB_STORE", str(tmp_path / "store"))
    build = asked(profile="smoke", sweeps=str(tmp_path / "mine.yaml"))
    kept, without_run = map(Path, build.made("mine"))
    of_old_code = kept.with_name("baseline-0-123456789abc.json")
    (tmp_path / "store" / "a").mkdir(parents=True)
    for path, runs in ((kept, ["a"]), (without_run, ["a", "b"]), (of_old_code, ["a"])):
        write_json(path, [{"id": name} for name in runs])
    build.prepare()
    assert [path.exists() for path in (kept, without_run, of_old_code)] == [True, False, False]
    listed = json.loads((tmp_path / "smoke" / "jobs" / kept.name).read_bytes())
    assert listed == build.jobs["mine"][kept.stem]


def test_other_code_that_trains_makes_other_jobs(asked, tmp_path, monkeypatch):
    given = {"profile": "smoke", "sweeps": str(tmp_path / "mine.yaml")}
    before = asked(**given).jobs["mine"]
    monkeypatch.setattr(wanted.inputs, "TRAINING", ("softlab.training.experiment",))
    assert not set(before) & set(asked(**given).jobs["mine"])


def test_a_chapter_reads_its_settings_and_a_point_its_own(asked, tmp_path):
    build = asked(profile="smoke", sweeps=str(tmp_path / "mine.yaml"))
    (own,) = [path for path in build.read_by("cosines") if "inputs" in Path(path).parts]
    point = next(iter(build.sweeps["mine"].points.values()))
    (other,) = [path for path in build.read_by("cosines", point) if "inputs" in Path(path).parts]
    epochs = [json.loads(Path(path).read_bytes())["profile"]["experiment"]["epochs"] for path in (own, other)]
    assert epochs == [2, 1]
