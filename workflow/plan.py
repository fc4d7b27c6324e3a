"""Which networks one job trains, and what its manifest says of each."""

import json
import math
from pathlib import Path

import yaml

from softbook.studies.catalogue import study_profile
from softlab.files import EXPONENT, LEADING_ZERO, short_digest
from softlab.profile import Profile


def networks(profile: Profile) -> list[dict]:
    """Every network of a profile, as `softbook train --networks` reads it: how it is trained, and on what measured.

    All seeds of a method stand together.
    """
    core = study_profile(profile)
    evaluation = dict(core.evaluation)
    return [{"study": "core", "experiment": one.as_dict(), "evaluation": evaluation} for one in core.experiments()]


def training_jobs(wanted: list[dict], code: str, at_once: int, per_job: int = 0) -> dict[str, list[dict]]:
    """Networks by the name of the job that trains them, each in one.

    Jobs of the same networks and of the same code (a digest) have the same name.
    Without `per_job` there are `at_once` jobs, so that torch is imported once a core: they take turns along the list,
    and so each gets its share of methods and studies that take long.
    """
    wanted = list({short_digest(one): one for one in wanted}.values())
    if per_job:
        parts = [wanted[first : first + per_job] for first in range(0, len(wanted), per_job)]
    else:
        parts = [wanted[turn::at_once] for turn in range(min(at_once, len(wanted)))]
    return {"{method}-{seed}-".format(**part[0]["experiment"]) + short_digest([code, part]): part for part in parts}


def rows(out: Path, sweep: str) -> dict[str, dict]:
    """What the training jobs of a sweep have found: digest of a network -> its row."""
    found = {}
    for manifest in Path(out, "training", sweep).glob("*.json"):
        listed = json.loads((out / "jobs" / manifest.name).read_bytes())
        found |= zip(map(short_digest, listed), json.loads(manifest.read_bytes()), strict=True)
    return found


def notebook_records(build: Path) -> list[Path]:
    """What execute.py wrote about each notebook."""
    return sorted(path for path in (build / "notebooks").glob("*.json") if path.name.count(".") == 1)


def pages(contents: Path) -> list[str]:
    """Every page that a table of contents (_toc.yml) names, as a path without suffix, sections of sections too."""

    def named(entry: object) -> list[str]:
        if isinstance(entry, list):
            return [page for one in entry for page in named(one)]
        if not isinstance(entry, dict):
            return []
        own = [entry[key] for key in ("root", "file") if key in entry]
        return own + [page for value in entry.values() for page in named(value)]

    found = named(yaml.safe_load(contents.read_text(encoding="utf-8")))
    return [page.removesuffix(".md").removesuffix(".ipynb") for page in found]


class _Dumper(yaml.SafeDumper):
    """Puts text in quotes that either YAML 1.1, which papermill reads, or softlab would take for a number."""


_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", LEADING_ZERO, list("-+0"))
_Dumper.add_implicit_resolver("tag:yaml.org,2002:float", EXPONENT, list("-+.0123456789"))


def as_yaml(content: object) -> str:
    """Plain values as YAML. (JSON is nearly that, but YAML 1.1 takes its 1e-05 for text.)"""
    text = yaml.dump(content, Dumper=_Dumper, default_flow_style=True, width=math.inf)
    return text.removesuffix("...\n").strip()
