"""Networks of a whole study, or one of each method: `study(settings)`, `specimens(settings)`."""

from softbook.studies.catalogue import study_profile
from softlab.profile import Profile, load_profile
from softlab.provenance import mixed
from softlab.training import zoo
from softlab.training.loop import choose_device
from softlab.training.runs import Run, fit_or_load, from_zoo, present


def study(profile: Profile, name: str = "core") -> dict[str, list[Run]]:
    """All runs of a study of softbook/chapters.yaml at this profile, {method: [Run by seed]}; trains those missing."""
    from tqdm import tqdm

    runs: dict[str, list[Run]] = {}
    with tqdm(study_profile(profile, name).experiments(), unit="network", leave=False, delay=2) as bar:
        for experiment in bar:
            bar.set_description(f"{experiment.method}, seed {experiment.seed}", refresh=False)
            runs.setdefault(experiment.method, []).append(fit_or_load(experiment))
    if mixture := mixed([run.provenance for group in runs.values() for run in group]):
        print(f"study {name} mixes networks of {mixture}: a difference between methods may be one between these")
    return runs


def specimens(profile: Profile | None = None, study: str = "core") -> dict[str, Run]:
    """One network of each method of a study, to look into: {method: Run}, of the study's first seed.

    profile: None: the book's own, for pictures that stay: from the zoo that comes along, which has half precision.
    Else from the store or the zoo in use, then from the zoo that comes along; what none has is trained now.
    """
    experiments = study_profile(profile or load_profile("quick"), study).experiments()
    device = choose_device()
    found = {}
    for experiment in experiments:
        if experiment.seed == experiments[0].seed:
            in_store = profile is not None and present(experiment, device)
            own = None if in_store else from_zoo(experiment, zoo.own())
            found[experiment.method] = own or fit_or_load(experiment, device=device)
    return found
