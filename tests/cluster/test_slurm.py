"""The workflow on a real Slurm of one node, which start.sh starts and stop.sh ends: make test-cluster, as root."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from checkout import ROOT, Checkout, make_small

pytestmark = pytest.mark.sampled(as_one="cluster")  # they follow each other on one cluster
HERE = Path(__file__).parent
NEEDED = ("slurmctld", "slurmd", "sbatch", "munged")
MISSING = [name for name in NEEDED if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")]
if MISSING or os.getuid() != 0:
    why = f"{', '.join(MISSING)} missing: apt-get install slurm-wlm munge" if MISSING else "only root can start Slurm"
    pytest.skip(f"no test cluster, {why}", allow_module_level=True)

# What a cluster of a user does not need: this one has no accounting, and tests do not wait for the next look at it.
OURS = """
default-resources:
  slurm_partition: main
slurm-status-command: squeue
slurm-init-seconds-before-status-checks: 2
slurm-keep-successful-logs: true
"""
TINY = """
description: the smallest networks that every notebook can be executed with
experiment: {data: fashion-mini, train_size: 200, model: resnet8, width: 4, stem_stride: 2, epochs: 2, batch_size: 50,
  learning_rate: 0.1, weight_decay: 0.0005, warmup: 0.2, schedule: linear, snapshot_epochs: [0, 1, 2]}
methods: {baseline: {}, label_smoothing: {alpha: 0.1}, mixup: {beta: 1.0}, cutmix: {beta: 1.0}, maxsup: {alpha: 0.1}}
seeds: 1
evaluation: {test_size: 200, attack_size: 50, attack_steps: 2}
resources: {gpus: 1, memory_gb: 2, minutes: 30}
"""
SWEEP = """
title: Two strengths
notebooks: [soft_labels]
parameters: {overrides: {methods: {baseline: {}, label_smoothing: {}, mixup: {}, cutmix: {}, maxsup: {}}}}
vary:
  alpha: {sets: [overrides.methods.label_smoothing.alpha], values: [0.1, 0.2]}
show: [accuracy]
"""
NETWORKS = """
title: Two strengths, of networks alone
parameters: {overrides: {methods: {baseline: {}, label_smoothing: {}, mixup: {}, cutmix: {}, maxsup: {}}}}
vary:
  alpha: {sets: [overrides.methods.label_smoothing.alpha], values: [0.1, 0.2]}
show: [accuracy]
"""
BEGIN = "settings = begin(profile, seeds, overrides)"  # in the notebook's file
STRENGTH = 'overrides[\\"methods\\"][\\"label_smoothing\\"][\\"alpha\\"]'
RAISE = f'{BEGIN}\\n",\n    "assert {STRENGTH} < 0.2, \\"on purpose\\"'


@pytest.fixture(scope="module", autouse=True)
def cluster():
    started = subprocess.run([HERE / "start.sh"], capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    yield
    subprocess.run([HERE / "stop.sh"], check=True)


class Site(Checkout):
    """A copy of the checkout whose jobs go to the test cluster."""

    def __init__(self, folder: Path, on: str = "slurm"):
        super().__init__(folder)
        make_small(self)
        self.on = on
        with (folder / "workflow/profiles/slurm/config.yaml").open("a") as config:
            config.write(OURS)
        (folder / "tiny.yaml").write_text(TINY)
        (folder / "strength.yaml").write_text(SWEEP)
        (folder / "networks.yaml").write_text(NETWORKS)
        self.sweep = "strength.yaml"

    def command(self):
        arguments = ["sweep", self.sweep, "--profile", "tiny.yaml", "--on", self.on]
        return [sys.executable, "-m", "softbook", *arguments]

    def run(self):
        """Exit code and everything that was printed."""
        process = self.start()
        said = process.communicate()[0]
        return process.returncode, said

    def start_and_wait_for(self, state: str, count: int):
        """The engine, once so many of its jobs are in this state."""
        process = self.start()
        for _ in range(600):
            found = jobs(state)
            if len(found) >= count:
                return process, found
            assert process.poll() is None, process.stdout.read()
            time.sleep(0.2)
        raise AssertionError(f"no {count} jobs are {state}: {jobs()}")

    def results(self):
        """The numbers of every point, without when they were made."""
        files = sorted((self.folder / "_build/tiny/sweeps/strength/points").glob("*/soft_labels.results.json"))
        return {file.parent.name: json.loads(file.read_text()) | {"date": None} for file in files}

    def logs(self, rule: str):
        """What the Slurm jobs of a rule printed, by job id."""
        return {path.stem: path.read_text() for path in (self.folder / f"_build/slurm/rule_{rule}").rglob("*.log")}


def jobs(*states: str) -> list[str]:
    """Ids of jobs in the queue, of all states or of these."""
    chosen = [f"--states={','.join(states)}"] if states else []
    command = ["squeue", "--noheader", "--format=%i", *chosen]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


def about(job: str) -> str:
    return subprocess.run(["scontrol", "show", "job", job], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def drained():
    """The node starts no job until the function that this gives is called."""
    node = ["scontrol", "update", f"nodename={os.uname().nodename.split('.')[0]}"]
    subprocess.run([*node, "state=drain", "reason=test"], check=True)
    yield lambda: subprocess.run([*node, "state=resume"], check=True)
    if "drain" in subprocess.run(["sinfo", "--format=%T"], capture_output=True, text=True).stdout:
        subprocess.run([*node, "state=resume"], check=True)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A sweep of networks, whose engine was killed when its first jobs ran, and called again; and one of notebooks.

    `said` is from the latter.
    """
    made = Site(tmp_path_factory.mktemp("cluster"))
    made.sweep = "networks.yaml"
    engine, _ = made.start_and_wait_for("RUNNING", 1)
    os.killpg(engine.pid, signal.SIGKILL)
    engine.wait()
    for made.sweep in ("networks.yaml", "strength.yaml"):
        code, made.said = made.run()
        assert code == 0, made.said
    return made


def test_after_a_kill_the_same_command_trains_nothing_twice(site):
    trained = [name for log in site.logs("train").values() for name in re.findall(r"trained (\S+)", log)]
    assert len(trained) == len(set(trained)) == 6  # what the points share, once
    assert sorted(path.name for path in (site.folder / "runs").glob("*-seed*")) == sorted(trained)


def test_each_network_and_each_notebook_was_a_slurm_job_with_what_the_profile_asks_for(site):
    executed = {job for job, log in site.logs("point").items() if "executed soft_labels" in log}
    trained = {job for job, log in site.logs("train").items() if "trained " in log}
    assert (len(executed), len(trained)) == (2, 6)
    for job in executed | trained:
        told = about(job)
        assert "JobState=COMPLETED" in told
        assert "TresPerJob=gres:gpu:1" in told
        assert "TimeLimit=00:30:00" in told
        assert "MinMemoryNode=2G" in told
    assert "executed soft_labels" not in site.said  # not on the machine that submits
    assert "2 points" in site.said  # the report was made there


def test_the_numbers_are_those_of_a_local_run(site, tmp_path):
    local = Site(tmp_path, on="local")
    for local.sweep in ("networks.yaml", "strength.yaml"):
        code, said = local.run()
        assert code == 0, said
        table = f"_build/tiny/sweeps/{Path(local.sweep).stem}/table.csv"
        assert (site.folder / table).read_text() == (local.folder / table).read_text()
    assert site.results() == local.results()


def test_a_notebook_that_raises_is_told_with_its_cell_and_the_others_go_on(site):
    site.edit("notebooks/soft_labels.ipynb", BEGIN, RAISE)
    code, said = site.run()
    assert code == 1
    assert re.search(r"not made: \S+/soft_labels\.ipynb, job \d+: FAILED", said), said
    assert "soft_labels.ipynb failed: cell 'begin': AssertionError: on purpose" in said
    assert "log: " in said
    states = [path.name for path in (site.folder / "_build/tiny/sweeps/strength/points").rglob("*.ipynb")]
    assert sorted(states).count("soft_labels.failed.ipynb") == 1
    assert sum("executed soft_labels" in log for log in site.logs("point").values()) == 3


def test_ctrl_c_takes_the_jobs_out_of_the_queue(site, drained):
    engine, waiting = site.start_and_wait_for("PENDING", 1)
    time.sleep(2)  # Slurm knows of a job a moment before the engine knows its number
    os.killpg(engine.pid, signal.SIGINT)
    engine.communicate(timeout=120)
    assert engine.returncode != 0
    assert not jobs()
    assert all("JobState=CANCELLED" in about(job) for job in waiting)


def test_a_cancelled_job_is_told_and_made_the_next_time_and_a_requeued_one_is_waited_for(site, drained):
    site.edit("notebooks/soft_labels.ipynb", RAISE, f"{BEGIN}  # mended")
    engine, waiting = site.start_and_wait_for("PENDING", 2)
    subprocess.run(["scancel", waiting[0]], check=True)
    drained()
    while waiting[1] not in jobs("RUNNING"):
        time.sleep(0.2)
    subprocess.run(["scontrol", "requeue", waiting[1]], check=True)  # what a preemption does
    said = engine.communicate()[0]
    assert engine.returncode == 1, said
    assert f"job {waiting[0]}: CANCELLED" in said
    assert "Restarts=1" in about(waiting[1])
    assert "JobState=COMPLETED" in about(waiting[1])
    before = sum("executed soft_labels" in log for log in site.logs("point").values())
    code, said = site.run()
    assert code == 0, said
    assert sum("executed soft_labels" in log for log in site.logs("point").values()) == before + 1


def test_a_job_that_slurm_refuses_is_told_with_slurms_own_words(site):
    (site.folder / "wrong.yaml").write_text(SWEEP.replace("[0.1, 0.2]", "[0.3]"))
    command = [*site.command()[:4], "wrong.yaml", *site.command()[5:]]
    site.edit("workflow/profiles/slurm/config.yaml", "slurm_partition: main", "slurm_partition: nonsense")
    done = subprocess.run(command, cwd=site.folder, env=site.environment, capture_output=True, text=True)
    site.edit("workflow/profiles/slurm/config.yaml", "slurm_partition: nonsense", "slurm_partition: main")
    assert done.returncode == 1
    assert "invalid partition specified: nonsense" in done.stdout


def test_the_commands_of_the_page_run(tmp_path):
    """As they stand, but for the names of the cluster and of the profile; `.venv` is this environment."""
    made = Site(tmp_path)
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, made.folder)
    (made.folder / ".venv").mkdir()
    for part in ("bin", "lib", "pyvenv.cfg"):
        (made.folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (made.folder / ".venv" / "cluster.stamp").touch()
    page = "\n".join(re.findall(r"```bash\n(.*?)```", (ROOT / "book" / "clusters.md").read_text(), re.DOTALL))
    page = page.replace("PARTITION", "main").replace("cifar10", "tiny.yaml").replace("NAME=alpha", "NAME=strength.yaml")
    page = re.sub(r"(?m)^ *slurm_account: .*\n", "", page)  # the test cluster knows no accounts
    command = ["bash", "-euo", "pipefail", "-c", page]
    done = subprocess.run(command, cwd=made.folder, env=made.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    for left in (
        "html/book/intro.html",
        "tiny/notebooks/soft_labels.results.json",
        "tiny/sweeps/strength/report.html",
    ):
        assert (made.folder / "_build" / left).stat().st_size > 500, left


def test_a_cluster_that_is_there_already_is_left_alone(tmp_path):
    script = (HERE / "start.sh").read_text()
    (tmp_path / "start.sh").write_text(script)
    (tmp_path / "settings.sh").write_text(
        (HERE / "settings.sh").read_text().replace("/etc/slurm/slurm.conf", f"{tmp_path}/slurm.conf")
    )
    (tmp_path / "slurm.conf").write_text("ClusterName=real\n")
    done = subprocess.run(["bash", tmp_path / "start.sh"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "nothing was changed" in done.stderr
    assert (tmp_path / "slurm.conf").read_text() == "ClusterName=real\n"
