"""The store: once trained, for ever loaded; nothing damaged, half-written or foreign is ever taken for a run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import disks
import pytest
import safetensors.torch
import torch

import softlab
from softbook import begin
from softlab import SoftlabError, files, fit_or_load, load_profile, provenance
from softlab.files import write_json, write_whole
from softlab.training import cost, loop, runs
from softlab.training import store as runs_store


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


@pytest.fixture
def count_training(monkeypatch):
    """How many networks were trained."""
    trained = []
    real = loop.epochs

    def counted(experiment, *rest):
        trained.append(experiment)
        return real(experiment, *rest)

    monkeypatch.setattr(loop, "epochs", counted)
    return trained


def test_a_run_is_trained_once_and_loaded_whole(tiny, store, count_training):
    tiny = tiny.replace(snapshot_epochs=[0, 1, 2])
    first = fit_or_load(tiny)
    again = fit_or_load(tiny)
    assert len(count_training) == 1
    assert first.id == again.id
    assert first.experiment == loop.resolve(tiny, "cpu")
    assert first.history == again.history
    assert len(first.history["loss"]) == 2
    for name, tensor in first.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])
        assert torch.equal(tensor, again.snapshot(2).state_dict()[name])
    assert not torch.equal(first.snapshot(0).head.weight, first.snapshot(1).head.weight)
    assert not first.model.training
    assert sorted(path.name for path in (store / first.id).iterdir()) == [
        "experiment.json",
        "history.json",
        "manifest.json",
        "provenance.json",
        "snapshot-00000.safetensors",
        "snapshot-00001.safetensors",
        "snapshot-00002.safetensors",
        "weights.safetensors",
    ]
    assert not list((store / ".partial").iterdir())
    with pytest.raises(SoftlabError, match="no snapshot of epoch 3; there are: 0, 1, 2"):
        first.snapshot(3)


def test_the_record_says_where_a_run_comes_from(tiny):
    record = fit_or_load(tiny).provenance
    assert record["torch"] == torch.__version__.split("+")[0] or record["torch"] == torch.__version__
    assert record["data_digest"]
    assert record["device"] == "cpu"
    assert record["seconds"] > 0


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"epochs": 3}, {"method": "maxsup"}, {"precision": "fp32"}, {"threads": 2}, {"train_size": 90}],
)
def test_another_experiment_is_another_run(tiny, change):
    tiny = loop.resolve(tiny, "cpu")
    if tiny.precision == change.get("precision"):
        pytest.skip("no bf16 here")
    dataset = runs.load(tiny.data)
    assert runs.identify(tiny, dataset) != runs.identify(tiny.replace(**change), dataset)


@pytest.mark.parametrize("file", ["weights.safetensors", "history.json", "experiment.json", "manifest.json"])
@pytest.mark.parametrize("how", ["flipped", "truncated", "deleted"])
def test_a_damaged_run_is_noticed_set_aside_and_trained_again(tiny, store, capsys, file, how):
    good = fit_or_load(tiny)
    whole = {name: tensor.clone() for name, tensor in good.model.state_dict().items()}
    path = store / good.id / file
    content = bytearray(path.read_bytes())
    if how == "flipped":
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
    elif how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    again = fit_or_load(tiny)
    assert "is damaged" in capsys.readouterr().err
    assert all(torch.equal(whole[name], tensor) for name, tensor in again.model.state_dict().items())
    assert len(list((store / ".damaged").iterdir())) == 1


def test_a_checkpoint_continues_a_run_to_the_same_bits(tiny, store, monkeypatch):
    tiny = tiny.replace(epochs=4, method="mixup", snapshot_epochs=[0, 2, 4])
    whole = fit_or_load(tiny)
    expected = {name: tensor.clone() for name, tensor in whole.model.state_dict().items()}
    shutil.rmtree(store / whole.id)
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0)

    class StopError(Exception):
        pass

    def stop(state):
        if state.epoch == 3:
            raise StopError

    with pytest.raises(StopError):
        fit_or_load(tiny, on_epoch=stop)
    seen = []
    resumed = fit_or_load(tiny, on_epoch=lambda state: seen.append(state.epoch))
    assert seen == [2, 3, 4]  # the state resumed from, then what was missing
    assert all(torch.equal(expected[name], tensor) for name, tensor in resumed.model.state_dict().items())
    assert resumed.history["loss"] == whole.history["loss"]
    assert resumed.snapshot(2).head.weight.shape == (10, 16)


def test_a_kill_between_the_last_epoch_and_the_end_trains_nothing_again(tiny, store, monkeypatch):
    monkeypatch.setattr(runs, "CHECKPOINT_SECONDS", 0)
    tiny = tiny.replace(epochs=3)

    def killed(folder):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(runs_store, "sync_folder", killed)
        with pytest.raises(KeyboardInterrupt):
            fit_or_load(tiny)
    seen = []
    run = fit_or_load(tiny, on_epoch=lambda state: seen.append(state.epoch))
    assert seen == [2, 3]  # from the last checkpoint on
    assert not (run.folder / "checkpoint.safetensors").exists()


def test_loading_a_network_draws_nothing_from_the_readers_generator(tiny):
    run = fit_or_load(tiny)
    before = torch.get_rng_state()
    assert run.model.head.weight.shape == (10, 16)
    assert torch.equal(before, torch.get_rng_state())


def test_a_torn_checkpoint_means_starting_anew(tiny, store):
    expected = fit_or_load(tiny)
    shutil.copytree(store / expected.id, store / ".kept")
    shutil.rmtree(store / expected.id)
    partial = store / ".partial" / expected.id
    partial.mkdir(parents=True)
    (partial / "checkpoint.safetensors").write_bytes(b"torn")
    (partial / ".weights.safetensors.abc").write_bytes(b"torn")
    again = fit_or_load(tiny)
    assert (store / again.id / "weights.safetensors").read_bytes() == (
        store / ".kept" / "weights.safetensors"
    ).read_bytes()
    assert not list((store / again.id).glob(".*"))


def test_listing_and_pruning(tiny, store):
    first = fit_or_load(tiny)
    second = fit_or_load(tiny.replace(seed=1))
    (store / "notes").mkdir()
    assert [run.id for run in runs.stored()] == [first.id, second.id]
    (store / ".partial" / "left").mkdir()
    assert runs_store.prune([first.id]) == 1
    assert [run.id for run in runs.stored()] == [second.id]
    assert not (store / ".partial" / "left").exists()
    assert (store / "notes").exists()
    for name in ("notes", "..", "../store", "baseline-seed9-0123456789ab"):
        with pytest.raises(SoftlabError, match="is no run of"):
            runs_store.prune([name])


def test_a_run_of_a_network_that_is_not_registered_here_hides_no_other(tiny, store):
    first = fit_or_load(tiny)
    second = fit_or_load(tiny.replace(seed=1))
    path = store / first.id / "experiment.json"
    known = json.loads(path.read_text())
    write_json(path, known | {"model": "mine"})
    assert [run.id for run in runs.stored()] == [second.id]


def test_a_store_that_cannot_be_written_is_named(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SoftlabError, match=r"cannot write to the store .*file/store"):
        fit_or_load(tiny, store=tmp_path / "file" / "store")


def test_whole_files_or_none(tmp_path):
    path = tmp_path / "a" / "b.json"
    write_json(path, {"b": 1, "a": 2})
    assert json.loads(path.read_text()) == {"a": 2, "b": 1}

    def broken(file):
        file.write(b"half")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_whole(path, broken)
    assert json.loads(path.read_text()) == {"a": 2, "b": 1}
    assert [one.name for one in path.parent.iterdir()] == ["b.json"]


@pytest.fixture
def small_disk(tmp_path):
    with disks.small(tmp_path / "disk", "1m") as place:
        yield place


def test_a_full_disk_ends_in_one_line_and_loses_nothing(tiny, small_disk: Path):
    kept = fit_or_load(tiny, store=small_disk / "store")
    (small_disk / "filler").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 20_000))
    with pytest.raises(SoftlabError, match=r"the disk is full .* finished runs are untouched"):
        fit_or_load(tiny.replace(seed=1), store=small_disk / "store")
    assert not [path for path in (small_disk / "store").rglob(".*.safetensors.*") if path.is_file()]
    assert [run.id for run in runs.stored(small_disk / "store")] == [kept.id]
    (small_disk / "filler").unlink()
    assert fit_or_load(tiny.replace(seed=1), store=small_disk / "store").history["loss"]


def test_the_store_is_where_it_was_asked_for(tmp_path, monkeypatch):
    assert runs.store_folder() == tmp_path / "store"
    assert runs.store_folder(tmp_path / "other") == tmp_path / "other"
    monkeypatch.delenv("SOFTLAB_STORE")
    checkout = runs.provenance.PACKAGE.parent
    assert runs.store_folder() == checkout / "runs"
    monkeypatch.setattr(runs.provenance, "PACKAGE", tmp_path / "site-packages" / "softlab")
    assert runs.store_folder() == tmp_path / "cache" / "runs"


def test_a_notebook_says_what_its_networks_will_cost_here_and_trains_none(monkeypatch, capsys, store):
    monkeypatch.setattr(cost, "seconds_of", lambda experiment: 14.4)
    begin("quick", seeds=2, kinds=3)
    said = " · about 6 networks to train, 14 s each on this machine; fewer where the store has some\n"
    assert capsys.readouterr().out.endswith(said)
    begin("quick", seeds=2, kinds=2, zoo=1)  # which has seed 0 of this setting
    assert " · about 5 networks to train, " in capsys.readouterr().out
    begin("quick", seeds=1, overrides={"epochs": 44}, kinds=2, zoo=1)  # and none of this
    assert " · about 3 networks to train, " in capsys.readouterr().out
    begin("quick")
    assert not capsys.readouterr().out
    assert not store.exists()


def test_what_a_network_costs_is_read_off_its_first_steps(tiny, monkeypatch):
    """Two epochs of two steps; of the first two steps the second counts, as the first one sets things up."""
    monkeypatch.setattr(cost, "_seconds", lambda step: taken.pop(0))
    taken = [5.0, 0.25]
    assert cost.seconds_of(tiny) == 4 * 0.25
    taken = [2.0]
    assert cost.seconds_of(tiny.replace(batch_size=100)) == 2 * 2.0
    monkeypatch.undo()
    assert 0 < cost.seconds_of(tiny) < 10


def test_tensors_that_share_memory_are_each_written(tmp_path):
    block = torch.nn.Linear(2, 2)
    shared = torch.nn.Sequential(block, torch.nn.ReLU(), block)
    files.write_tensors(tmp_path / "shared.safetensors", shared.state_dict())
    loaded = safetensors.torch.load_file(tmp_path / "shared.safetensors")
    assert set(loaded) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    other = torch.nn.Linear(2, 2)
    again = torch.nn.Sequential(other, torch.nn.ReLU(), other)
    again.load_state_dict(loaded)
    assert again[0] is again[2]
    assert torch.equal(again[2].weight, block.weight)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": torch.eye(2).to_sparse()}, "the network has 'a', which cannot be saved: .* not torch.sparse_coo"),
        ({"b": {"k": 1}}, "the network has 'b', which cannot be saved: .* not dict"),
    ],
)
def test_what_cannot_be_saved_is_named(state, message):
    with pytest.raises(SoftlabError, match=message):
        files.check_tensors(state, "the network")


def test_a_file_system_without_locks_is_one_line(tmp_path, monkeypatch):
    def refuse(self):
        raise NotImplementedError("FileSystem does not appear to support flock; use SoftFileLock instead")

    monkeypatch.setattr("filelock.FileLock._acquire", refuse)
    with pytest.raises(SoftlabError, match=r"has no locks .flock.*SOFTLAB_STORE"), runs_store.alone(tmp_path, "a"):
        pass


def test_fit_is_the_run_that_a_profile_names(tiny):
    own = {name: value for name, value in tiny.as_dict().items() if name not in ("method", "method_parameters", "seed")}
    run = softlab.fit("label_smoothing", seed=3, experiment=own, alpha=0.3)
    assert run.id == fit_or_load(tiny.replace(method="label_smoothing", method_parameters={"alpha": 0.3}, seed=3)).id
    profile = load_profile("quick-confirm")
    tuned = softlab.fit("weight_decay", profile=profile, experiment={**own, "epochs": 1})
    assert dict(tuned.experiment.method_parameters) == profile.methods["weight_decay"]
    assert tuned.experiment.epochs == 1
    for given, said in (({"seed": 1}, "fit takes seed by itself"), ({"epoch": 1}, "did you mean 'epochs'")):
        with pytest.raises(SoftlabError, match=said):
            softlab.fit("baseline", experiment=given)
    with pytest.raises(SoftlabError, match="did you mean 'alpha'"):
        softlab.fit("label_smoothing", alhpa=0.1)


def test_the_lines_of_the_readme_say_how_a_network_does(tmp_path):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (lines,) = re.findall(r"(?s)```python\n(.*?)```", readme)
    environment = os.environ | {"SOFTLAB_ZOO": "1", "SOFTLAB_STORE": str(tmp_path)}
    command = [sys.executable, "-c", lines]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    error, kept, left = map(float, done.stdout.split())
    assert 0.05 < error < 0.15
    assert 0.7 < kept < 0.95
    assert 0.2 < left < 0.6


@pytest.mark.parametrize("said", ["c0ffee0123", "main", "6e1edc46e1", "C0FFEE" + "0" * 34, "c0ffee" + "0" * 35])
def test_a_commit_that_is_said_is_said_in_full(said, monkeypatch):
    """A hash that was cut short and typed again named a commit that never was."""
    monkeypatch.setenv("SOFTLAB_COMMIT", said)
    provenance.commit.cache_clear()
    with pytest.raises(SoftlabError, match="SOFTLAB_COMMIT takes the full hash"):
        provenance.commit()
    monkeypatch.setenv("SOFTLAB_COMMIT", "c0ffee" + "0" * 34)
    assert provenance.commit() == "c0ffee0000"
    monkeypatch.undo()
    provenance.commit.cache_clear()
