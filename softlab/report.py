"""Report cards: every number of the book for a method of yours, beside the baseline and a profile's other methods.

card = report_card("focal", "quick")   # trains what the store lacks
card                                   # in a notebook: findings and tables
card.save("focal.report.html")         # one page that asks no other host for anything
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

from tqdm import tqdm

from softlab import regularizers, runs, training
from softlab.card import ReportCard
from softlab.errors import SoftlabError
from softlab.evidence import Ledger
from softlab.experiment import Profile, load_profile
from softlab.measure import QUANTITIES, Samples, measure
from softlab.notebook import known, test_part

# Networks that this process has measured: a second card, of another method, measures only what is new.
_MEASURED: dict[tuple, tuple[dict[str, float], dict[str, str]]] = {}


def report_card(
    method: str,
    profile: str | Path | Profile = "quick",
    *,
    parameters: Mapping[str, object] | None = None,
    seeds: int | None = None,
    overrides: Mapping[str, object] | None = None,
    store: str | Path | None = None,
    device: str | None = None,
) -> ReportCard:
    """Train what the store lacks of a profile's methods and of `method`, and measure all of them.

    method: a registered one (regularizers.register).  profile: a name, a .yaml file or a Profile.  parameters: of the
    method (None: the profile's, if it is one of them, else its own defaults); they replace the profile's.
    seeds: how many (None: all of the profile).  overrides: fields of the experiment.  device: where to train.
    Raises SoftlabError for wrong input, with the nearest valid name, or if training fails.
    """
    profile = _setting(method, profile, parameters, seeds, overrides)
    dataset, test = runs.dataset_of(profile.experiment), test_part(profile)
    device, sizes = training.choose_device(device), profile.evaluation
    values = {name: {one: {} for one in profile.methods} for name in QUANTITIES}
    problems: dict[str, str] = {}
    # The reader's method first: if it is wrong, that is known at once. All methods of a seed share its samples.
    order = sorted(profile.methods, key=lambda name: name != method)
    with tqdm(total=len(order) * len(profile.seeds), unit="network", leave=False, delay=2) as bar:
        for seed in profile.seeds:
            own = profile.experiment.replace(seed=seed)
            reference = training.training_set(own, dataset, device)
            fit = (dataset.fit_images, dataset.fit_labels)
            samples = Samples(reference, fit, test, sizes["attack_size"], sizes["attack_steps"])
            for name in order:
                bar.set_description(f"{name}, seed {seed}", refresh=False)
                one = own.replace(method=name, method_parameters=profile.methods[name])
                run = runs.fit_or_load(one, store=store, device=device)
                found, failed = _measured(run, samples, profile)
                problems |= {f"{run.id}, {chapter}": why for chapter, why in failed.items()}
                for quantity, value in found.items():
                    values[quantity][name][seed] = value
                bar.update()
    return card_of(method, profile, values, problems)


def card_of(
    method: str,
    profile: Profile,
    values: Mapping[str, Mapping[str, Mapping[int, float]]],
    problems: Mapping[str, str] | None = None,
) -> ReportCard:
    """The card of numbers that were measured already: judges every claim. Arguments: as of ReportCard."""
    values = {name: finite for name in QUANTITIES if (finite := known(values.get(name, {})))}
    card = ReportCard(method, profile, values, Ledger("report", profile), dict(problems or {}))
    for name, group in values.items():
        quantity, compared = QUANTITIES[name], card.differences(name)
        if quantity.claim and method in compared:
            judged = {one: by_seed for one, by_seed in group.items() if one in compared or one == "baseline"}
            card.ledger.judge(quantity.claim, judged, quantity.variant, methods=[method])
    return card


def _setting(method, profile, parameters, seeds, overrides) -> Profile:
    """The profile with baseline and `method` in front, all names and parameters checked before anything is trained."""
    for name, given in (("parameters", parameters), ("overrides", overrides)):
        if given is not None and not isinstance(given, Mapping):
            raise SoftlabError(f"{name} must map names to values, not {given!r}")
    if not isinstance(profile, Profile):
        profile = load_profile(profile, **dict(overrides or {}) | ({} if seeds is None else {"seeds": seeds}))
    else:
        count = len(profile.seeds) if seeds is None else seeds
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= len(profile.seeds):
            raise SoftlabError(f"seeds must be a count from 1 to the profile's {len(profile.seeds)}, not {seeds!r}")
        experiment = profile.experiment.replace(**overrides or {})
        profile = dataclasses.replace(profile, experiment=experiment, seeds=profile.seeds[:count])
    if "baseline" not in profile.methods:
        raise SoftlabError(f"profile {profile.name} has no baseline to compare {method!r} with: add it to its methods")
    if method == "baseline":
        raise SoftlabError("the baseline would be compared with itself: a report card is of another method")
    chosen = dict(profile.methods.get(method, {}) if parameters is None else parameters)
    regularizers.get(method, **chosen)
    methods = {"baseline": profile.methods["baseline"], method: chosen}
    return dataclasses.replace(
        profile, methods=methods | {k: v for k, v in profile.methods.items() if k not in methods}
    )


def _measured(run: runs.Run, samples: Samples, profile: Profile) -> tuple[dict[str, float], dict[str, str]]:
    """Numbers and problems of a run; from memory if this process measured it before on as many images."""
    key = (run.folder, *sorted(profile.evaluation.items()))
    if key not in _MEASURED:
        problems: dict[str, str] = {}
        with training.cpu_threads(profile.experiment.threads):
            _MEASURED[key] = (measure(run.model, samples, problems=problems), problems)
    return _MEASURED[key]
