"""One network by its method's name: `fit("mixup")`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softlab.errors import SoftlabError
from softlab.profile import Profile, load_profile
from softlab.training.runs import Run, fit_or_load


def fit(
    method: str = "baseline",
    *,
    profile: str | Path | Profile = "quick",
    seed: int = 0,
    experiment: Mapping[str, Any] | None = None,
    **parameters: object,
) -> Run:
    """One network, trained now or loaded: `fit("label_smoothing", alpha=0.1)`.

    method: its name; the profile's parameters for it hold unless `parameters` say otherwise.
    experiment: fields of softlab.Experiment that differ from the profile's, as {"epochs": 90}.
    The run is that of fit_or_load, with the same id: if a build or a notebook trained it before, it is loaded.
    Raises SoftlabError for an unknown name (with the nearest valid one), or a value out of its range.
    """
    settings = profile if isinstance(profile, Profile) else load_profile(profile)
    given = {**settings.methods.get(method, {}), **parameters}
    fields = {**(experiment or {})}
    for name in ("method", "method_parameters", "seed"):
        if name in fields:
            raise SoftlabError(f"fit takes {name} by itself, not in `experiment`")
    base = settings.experiment
    if "epochs" in fields and "snapshot_epochs" not in fields:
        base = base.shortened(fields.pop("epochs"))
    return fit_or_load(base.replace(method=method, method_parameters=given, seed=seed, **fields))
