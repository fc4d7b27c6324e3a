"""What every notebook needs and no lens: its settings, numbers for the prose, tables and sentences."""

import os
import sys
from collections.abc import Mapping

from softlab.errors import SoftlabError
from softlab.experiment import Profile, chapters, load_profile, study_profile

DEFAULT_PROFILE = "quick"


def begin(
    chapter: str, profile: str = DEFAULT_PROFILE, seeds: int | None = None, overrides: Mapping | None = None
) -> Profile:
    """Freeze a notebook's parameters into a validated profile and print one line about what will run.

    chapter: the notebook's name without suffix.  profile: a name or the path of a .yaml file; where it is left at
    the default, the environment variable SOFTLAB_PROFILE replaces it.  seeds: how many (None: as the profile says).
    overrides: fields of the experiment, {"epochs": 90}.
    Raises SoftlabError with the nearest valid name for whatever is unknown.
    """
    _plain_errors()
    if profile == DEFAULT_PROFILE:
        profile = os.environ.get("SOFTLAB_PROFILE") or DEFAULT_PROFILE
    if overrides is not None and not isinstance(overrides, Mapping):
        raise SoftlabError(f"overrides must map fields to values, not {overrides!r}")
    settings = load_profile(profile, **dict(overrides or {}), seeds=seeds)

    from softlab.runs import missing
    from softlab.training import choose_device

    device = choose_device()
    studies = [study_profile(settings, study) for study in chapters().get(chapter, [])]
    networks = [experiment for study in studies for experiment in study.experiments()]
    untrained = len(missing(networks, device))
    kind, place = ("gpu", "on one GPU") if device.type == "cuda" else ("cpu", "on one CPU core, half that on two")
    seconds = settings.seconds_per_network.get(kind)
    cost = f", the others take about {untrained * seconds / 60:.1f} min {place}" if untrained and seconds else ""
    print(
        f"{settings.description} · {len(settings.methods)} methods × {len(settings.seeds)} seeds · {device.type} · "
        f"{len(networks) - untrained} of {len(networks)} networks are in the store{cost}"
    )
    return settings


def glue(name: str, value: object) -> None:
    """Give `value` a name that prose refers to as {glue:text}`name`, on this page and on others.

    Written as the MIME bundle that MyST-NB reads, so that a notebook needs no MyST-NB to run.
    """
    from IPython.display import display

    value = value.item() if hasattr(value, "item") else value  # numpy's and torch's numbers as plain ones
    prefix = "application/papermill.record/"
    metadata = {"scrapbook": {"name": name, "mime_prefix": prefix}}
    display({f"{prefix}text/plain": repr(value)}, metadata=metadata, raw=True)


def say(text: str) -> None:
    """Show Markdown: a sentence that was put together from results."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def _plain_errors() -> None:
    """Show a SoftlabError in a notebook as its one line, without the way it took through the package."""
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    shell = get_ipython()
    if shell is not None:

        def handler(shell, kind, error, traceback, tb_offset=None):
            shell.showtraceback((SoftlabError, error, None))

        shell.set_custom_exc((SoftlabError,), handler)
