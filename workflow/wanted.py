"""What a configuration of Snakemake asks for: notebooks, what these depend on, and the networks of sweeps.

Paths are relative to the checkout. No torch is imported but to check sweeps, so that a start with nothing to do takes
seconds.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import inputs
import plan
import sweep

from softbook.studies.catalogue import study_profile
from softlab.files import short_digest
from softlab.profile import Profile, load_profile
from softlab.provenance import store_folder

EXECUTING = [f"workflow/{name}.py" for name in ("execute", "kernels")]
# Where no build has timed them yet, those that train most first: no core waits for one at the end.
LONGEST = ("your_regularizer", "your_network")
FIRST = 10**6  # seconds that no notebook takes


@dataclass(frozen=True)
class Build:
    """One build.

    name: of the profile, as it was given.  out: the folder of all that is made.  sweeps: by name.
    at_once, per_job: how networks are shared out, as in plan.training_jobs.
    """

    name: str
    out: str
    sweeps: Mapping[str, sweep.Sweep]
    at_once: int
    per_job: int

    @functools.cached_property
    def profile(self) -> Profile:
        return load_profile(self.name)

    @functools.cached_property
    def sources(self) -> dict[str, str]:
        """Notebooks by name: chapters lie in notebooks/, pages that are notebooks too in book/."""
        paths = [*sorted(Path("notebooks").glob("*.ipynb")), *sorted(Path("book").glob("*.ipynb"))]
        return {path.stem: str(path) for path in paths}

    @functools.cached_property
    def jobs(self) -> dict[str, dict[str, list[dict]]]:
        """The training jobs of each sweep that executes no notebook: name of the job -> its networks.

        What points of a sweep share is trained once.
        """
        code = self._training_code()
        jobs = {}
        for name, one in self.sweeps.items():
            if not one.notebooks:
                points = [point.settings(self.name) for point in one.points.values()]
                networks = [network for point in points for network in plan.networks(point)]
                jobs[name] = plan.training_jobs(networks, code, self.at_once, self.per_job)
        return jobs

    def _training_code(self) -> str:
        """A digest of all that networks are trained and measured by: no job of another code has the same name."""
        files = [*inputs.with_data(inputs.code(inputs.TRAINING)), *self.images]
        return short_digest({path: sha256(Path(path).read_bytes()).hexdigest() for path in files})

    def made(self, name: str) -> list[str]:
        """What a sweep's report is made from: every notebook at every point, or what its training jobs leave."""
        found = self.sweeps[name]
        if not found.notebooks:
            return [f"{self.out}/training/{name}/{job}.json" for job in self.jobs[name]]
        folder = f"{self.out}/sweeps/{name}/points"
        return [f"{folder}/{point}/{notebook}.ipynb" for point in found.points for notebook in found.notebooks]

    def pages(self) -> list[str]:
        """Every page of the site, without its suffix."""
        return ["index", *plan.pages(Path("_toc.yml")), *(f"book/sweeps/{name}" for name in self.sweeps)]

    def read_by(self, notebook: str, point: sweep.Point | None = None) -> list[str]:
        """Everything that a notebook depends on: code, records, settings, images. point: of a sweep."""
        path = Path(self.sources[notebook])
        settings = point.settings(self.name) if point else self.profile
        own = f"{point.name}-{notebook}" if point else notebook
        text = inputs.settings_of(path, settings)
        return [*inputs.of_notebook(path), self._settings(own, text), *self.images, *EXECUTING]

    def _settings(self, name: str, text: str) -> str:
        return inputs.write_changed(Path(self.out, "inputs", f"{name}.json"), text)

    @functools.cached_property
    def images(self) -> list[str]:
        """A list of all images, where the profile trains on a folder of them."""
        listing = inputs.folder_listing(self.profile.experiment.data)
        return [inputs.write_changed(Path(self.out, "images.txt"), listing)] if listing else []

    def seconds(self, notebook: str) -> float:
        """How long a notebook took in the last build of this profile, to start with the longest."""
        record = Path(self.out, "notebooks", f"{notebook}.json")
        if record.exists():
            return json.loads(record.read_bytes())["seconds"]
        return FIRST / 10 if notebook in LONGEST else FIRST / 20

    def prepare(self) -> None:
        """Before anything starts: try profile and points, write down what each job trains, forget what has gone.

        That is an executed notebook that the book has no more, and a manifest which no job would write any more, or
        which names a run that is no longer in the store.
        """
        study_profile(self.profile)
        for one in self.sweeps.values():
            sweep.check(one, self.name)
        inputs.forget_the_future(Path(self.out))
        for path in Path(self.out, "notebooks").glob("[!.]*"):  # not what another engine is working on
            if path.name.partition(".")[0] not in self.sources:  # it has another name now, or is no more
                path.unlink()
        for swept, jobs in self.jobs.items():
            for name, networks in jobs.items():
                inputs.write_changed(Path(self.out, "jobs", f"{name}.json"), json.dumps(networks))
            for manifest in Path(self.out, "training", swept).glob("*.json"):
                runs = [store_folder() / row["id"] for row in json.loads(manifest.read_bytes())]
                if manifest.stem not in jobs or not all(run.is_dir() for run in runs):
                    manifest.unlink()


def asked_for(config: Mapping, cores: int, on_gpus: int) -> Build:
    """The build that a configuration describes. Raises SoftlabError.

    cores: of this machine.  on_gpus: how many jobs its GPUs take (0: it has none).
    """
    given = config.get("profile", "quick")
    name = given[0] if isinstance(given, list) else str(given)
    profile = load_profile(name)
    return Build(
        name=name,
        out=f"{config.get('build', '_build')}/{profile.name}",
        sweeps={one.name: one for one in map(sweep.load_sweep, _several(config.get("sweeps")))},
        at_once=on_gpus or max(1, cores // profile.experiment.threads),
        per_job=int(config.get("runs_per_job", bool(config.get("cluster")))),
    )


def _several(given: object) -> list[str]:
    """Names in the configuration: in a list as they are, else with spaces or commas between."""
    return given if isinstance(given, list) else str(given or "").replace(",", " ").split()
