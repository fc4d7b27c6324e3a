"""Networks of a whole study, or one of each method: `study(profile)`, `specimens()`."""

from softbook.studies.catalogue import study_profile
from softlab.profile import Profile, load_profile
from softlab.provenance import mixed
from softlab.training import zoo
from softlab.training.runs import Run, fit_or_load, from_zoo


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


def specimens() -> dict[str, Run]:
    """One network of each method of the book's own profile, for pictures that stay: {method: Run}.

    From the zoo that comes along, which has half precision; what it lacks is trained now.
    """
    experiments = study_profile(load_profile("quick"), "core").experiments()
    first = [experiment for experiment in experiments if experiment.seed == experiments[0].seed]
    return {experiment.method: from_zoo(experiment, zoo.own()) or fit_or_load(experiment) for experiment in first}
