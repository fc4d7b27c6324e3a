"""Networks of a whole study, or one by its method's name: `fit("mixup")`, `study(settings)`, `specimens(settings)`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from softlab.errors import SoftlabError
from softlab.profile import Profile, load_profile, study_profile
from softlab.training import zoo
from softlab.training.loop import choose_device
from softlab.training.runs import Run, fit_or_load, from_zoo, present


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


def study(profile: Profile, name: str = "core") -> dict[str, list[Run]]:
    """All runs of a study of softlab/chapters.yaml at this profile, {method: [Run by seed]}; trains those missing."""
    from tqdm import tqdm

    runs: dict[str, list[Run]] = {}
    with tqdm(study_profile(profile, name).experiments(), unit="network", leave=False, delay=2) as bar:
        for experiment in bar:
            bar.set_description(f"{experiment.method}, seed {experiment.seed}", refresh=False)
            runs.setdefault(experiment.method, []).append(fit_or_load(experiment))
    if mixture := mixed([run.provenance for group in runs.values() for run in group]):
        print(f"study {name} mixes networks of {mixture}: a difference between methods may be one between these")
    return runs


def specimens(profile: Profile, study: str = "core") -> dict[str, Run]:
    """One network of each method of a study, to look into: {method: Run}, of the study's first seed.

    From the store or the zoo in use, else from the packaged zoo (in half precision), else trained now.
    """
    experiments = study_profile(profile, study).experiments()
    device = choose_device()
    found = {}
    for experiment in experiments:
        if experiment.seed == experiments[0].seed:
            own = None if present(experiment, device) else from_zoo(experiment, zoo.OWN)
            found[experiment.method] = own or fit_or_load(experiment, device=device)
    return found


def mixed(origins: list[Mapping[str, object]]) -> str:
    """`torch 2.6 and 2.7, device cpu and cuda` if records of networks differ in what changes bits; else empty."""
    found = {name: sorted({str(one.get(name)) for one in origins}) for name in ("torch", "device")}
    return ", ".join(f"{name} {' and '.join(values)}" for name, values in found.items() if len(values) > 1)
