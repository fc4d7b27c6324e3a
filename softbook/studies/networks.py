"""One network of each method, to look into: `specimens()`."""

from softbook.studies.catalogue import study_profile
from softlab.profile import load_profile
from softlab.training import zoo
from softlab.training.runs import Run, fit_or_load, from_zoo


def specimens() -> dict[str, Run]:
    """One network of each method of the book's own profile, for pictures that stay: {method: Run}.

    From the zoo that comes along, which has half precision; what it lacks is trained now.
    """
    experiments = study_profile(load_profile("quick"), "core").experiments()
    first = [experiment for experiment in experiments if experiment.seed == experiments[0].seed]
    return {experiment.method: from_zoo(experiment, zoo.own()) or fit_or_load(experiment) for experiment in first}
