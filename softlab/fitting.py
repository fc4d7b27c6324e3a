"""One network by its method's name: `fit("mixup")`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from softlab import regularizers
from softlab.errors import SoftlabError, check_known
from softlab.profile import Profile, load_profile
from softlab.provenance import store_folder
from softlab.training import loop
from softlab.training.experiment import Experiment
from softlab.training.runs import Run, fit_or_load, from_zoo, present
from softlab.training.zoo import own


def fit(
    method: str = "baseline",
    *,
    profile: str | Path | Profile = "quick",
    seed: int = 0,
    experiment: Mapping[str, Any] | None = None,
    zoo: bool = False,
    **parameters: object,
) -> Run:
    """One network, trained now or loaded: `fit("label_smoothing", alpha=0.1)`.

    method: its name; the profile's parameters for it hold unless `parameters` say otherwise.
    experiment: fields of softlab.Experiment that differ from the profile's, as {"epochs": 90}.
    zoo: take the network that comes along, if there is this very one; it has half precision and no snapshots.
    The run is that of fit_or_load, with the same id: if a build or a notebook trained it before, it is loaded.
    Otherwise a bar on the error stream shows the epochs, and a line says where the network is kept.
    Raises SoftlabError for an unknown name (with the nearest valid one), or a value out of its range.
    """
    check_known("method", method, regularizers.REGISTRY)
    settings = profile if isinstance(profile, Profile) else load_profile(profile)
    given = {**settings.methods.get(method, {}), **parameters}
    fields = {**(experiment or {})}
    for name in ("method", "method_parameters", "seed"):
        if name in fields:
            raise SoftlabError(f"fit takes {name} by itself, not in `experiment`")
    base = settings.experiment
    if "epochs" in fields and "snapshot_epochs" not in fields:
        base = base.shortened(fields.pop("epochs"))
    asked = base.replace(method=method, method_parameters=given, seed=seed, **fields)
    if zoo and (run := from_zoo(loop.resolve(asked, loop.choose_device()), own())):
        return run
    return _shown(asked)


def _shown(experiment: Experiment) -> Run:
    """The run of an experiment; if it has to be trained, with a bar, and then the folder in which it is kept."""
    if present(experiment, loop.choose_device()):
        return fit_or_load(experiment)
    with tqdm(total=experiment.epochs, desc=experiment.method, unit="epoch", leave=False) as bar:
        run = fit_or_load(experiment, on_epoch=lambda state: bar.update(state.epoch - bar.n))
    print(f"{run.id} is kept in {store_folder()}", file=sys.stderr)
    return run
