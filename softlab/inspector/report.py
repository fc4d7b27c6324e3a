"""Report cards: every number of the book for a method of yours, beside the baseline and a profile's other methods.

card = report_card("focal", "quick")   # trains what is neither on record nor in the store
card                                   # in a notebook: findings and tables
card.save("focal.report.html")         # one page that asks no other host for anything
"""

import dataclasses
import functools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas
from matplotlib.figure import Figure

from softlab import figures, provenance, regularizers
from softlab.comparison import tables
from softlab.comparison.effects import Effect, Effects, averages, by_method, effects, every_effect
from softlab.comparison.intervals import OPEN, Interval, Values, between
from softlab.errors import SoftlabError
from softlab.figures.tables import table
from softlab.inspector import pages
from softlab.inspector.sentences import by_side, not_computed
from softlab.numbers import stored
from softlab.numbers.quantities import QUANTITIES
from softlab.plugins import offered
from softlab.profile import Profile, load_profile
from softlab.training import loop, runs

# What findings and the figure show of the many: what a practitioner asks, then how sure, how steep, how far, and length
# and direction.
MAIN = (
    "accuracy",
    "NLL at T",
    "ECE",
    "AURC",
    "corrupted",
    "robust, 4/255",
    "log margin",
    "log slope",
    "log first-order radius",
    "log logit scale",
    "alignment",
)
# By the side of its ECE minus that of the baseline at its best temperature.
CALIBRATED = {
    -1: "it is better calibrated than a temperature makes the baseline",
    0: "whether it is better or worse calibrated than with a temperature stays open",
    1: "a temperature calibrates the baseline better than this method does",
}


@dataclass(frozen=True)
class ReportCard:
    """What was measured of `method` and of those beside it, and what can be said of it.

    profile: with the methods compared, baseline first, then `method`.  numbers: of tables.rows.
    problems: lenses that failed, "run id, lens" -> why.
    """

    method: str
    profile: Profile
    numbers: pandas.DataFrame
    problems: Mapping[str, str] = field(default_factory=dict)

    @functools.cached_property
    def values(self) -> dict[str, Values]:
        """Quantity -> {method: {seed: value}}, in the units of lenses; finite values only."""
        return {name: found for name in QUANTITIES if (found := by_method(self.numbers, name))}

    @functools.cached_property
    def _beside_baseline(self) -> dict[str, Effects]:
        """Quantity -> every method's effect; networks are paired once for all quantities."""
        return every_effect(self.numbers, self.values)

    def effects(self, quantity: str, against: str = "baseline") -> dict[str, Effect]:
        """What methods do to a quantity, beside another one; those only that there is something to compare of."""
        if against not in set(self.numbers["method"]):
            return {}
        at_hand = against == "baseline" and quantity in self.values
        found = self._beside_baseline[quantity] if at_hand else effects(self.numbers, quantity, against)
        return {name: one for name, one in found.items() if one.ids}

    def differences(self, quantity: str, against: str = "baseline") -> dict[str, Interval]:
        """Method -> its paired difference to another, in the units of `values`."""
        return {name: one.interval for name, one in self.effects(quantity, against).items()}

    def table(self) -> pandas.DataFrame:
        """One row per quantity by chapter, one column per method: mean ± half of the 95 % interval over seeds.

        ↑ or ↓ where the interval of the paired difference to the baseline excludes zero.
        """
        seeds = len(self.profile.seeds)
        rows = {("", "networks (seeds)"): dict.fromkeys(self.profile.methods, str(seeds))}
        for name in self.values:
            quantity = QUANTITIES[name]
            differences = self.differences(name)
            cells = rows[quantity.group, quantity.label] = {}
            for method, one in averages(self.numbers, name).items():
                arrow = {1: " ↑", -1: " ↓", 0: ""}[differences[method].side()] if method in differences else ""
                fewer = f" (n = {one.n})" if one.n < seeds else ""
                cells[method] = one.scaled(quantity.factor).text(quantity.digits) + arrow + fewer
        return table(rows, corner=["about", "quantity"]).T

    def sides(self, method: str) -> dict[str, int]:
        """On which side of the baseline a method is: quantity -> +1 or -1, where the whole interval says so."""
        differences = {quantity: self.differences(quantity).get(method, OPEN) for quantity in self.values}
        return {quantity: one.side() for quantity, one in differences.items() if one.side()}

    def alike(self) -> pandas.DataFrame:
        """Is it another method by a new name? One row for each other method of the profile but the baseline.

        same side, opposite: on how many quantities both methods differ from the baseline for certain (see `sides`), in
        the same direction or in opposite ones.  opposite in: the main ones of the latter (MAIN), by name.
        Counts, no test: quantities move together, and more seeds tell more of them from the baseline.
        """
        own = self.sides(self.method)
        rows = []
        for other in (name for name in self.profile.methods if name not in ("baseline", self.method)):
            shared = {quantity: side for quantity, side in self.sides(other).items() if quantity in own}
            apart = [quantity for quantity, side in shared.items() if side != own[quantity]]
            rows.append(
                (
                    figures.style(other).label,
                    len(shared) - len(apart),
                    len(apart),
                    "; ".join(name for name in MAIN if name in apart),
                )
            )
        headings = ["method", "same side", "opposite", "opposite in"]
        return pandas.DataFrame(rows, columns=headings).set_index(headings[0])

    def beyond_temperature(self) -> Interval:
        """Its ECE as it comes minus the baseline's at its best temperature, seed by seed; in [-1, 1], over seeds.

        Below zero it is better calibrated than the baseline becomes by dividing its logits by one number, which takes
        no training (Guo et al. 2017).  OPEN where no seed has both.
        """
        own = self.values.get("ECE", {}).get(self.method, {})
        cooled = self.values.get("ECE at T", {}).get("baseline", {})
        return between({"own": own, "cooled": cooled}, "own", "cooled")

    def claims(self) -> pandas.DataFrame | None:
        """What papers say, read as if each sentence were about this method alone; None where nobody offers any."""
        known = offered("records")
        return known.claims(self) if known else None

    def findings(self) -> list[str]:
        """A few sentences on the method, none of which says more than its interval; then lenses that failed."""
        method = regularizers.get(self.method, **self.profile.methods[self.method])
        n = len(self.profile.seeds)
        paired = f"networks are paired by seed, n = {n}" if n > 1 else "n = 1, so every difference below may be chance"
        texts = [f"{method} beside the baseline. {self.profile.description}; {paired}."]
        texts += by_side(
            {
                name: (effect.interval.side(), f"{effect.described.changed} {effect:+}")
                for name in MAIN
                if (effect := self.effects(name).get(self.method))
            }
        )
        gaps = {name: one.scaled(100).text(1, sign=True) for name, one in averages(self.numbers, "gap").items()}
        if {self.method, "baseline"} <= gaps.keys():
            texts.append(
                f"Its confidence minus its accuracy is {gaps[self.method]} points, the baseline's {gaps['baseline']}."
            )
        beyond = self.beyond_temperature()
        if beyond.n:
            points = beyond.scaled(100).text(1, sign=True)
            so = CALIBRATED[beyond.side()] if beyond.n > 1 else "one pair of networks cannot tell"
            texts.append(f"Its ECE minus that of the baseline at its best temperature is {points} points: {so}.")
        known = [self.differences(name).get(self.method) for name in self.values]
        clear = [one.side() != 0 for one in known if one]
        texts.append(
            f"Of {len(clear)} quantities, {sum(clear)} have an interval that excludes zero; if the method did nothing "
            f"at all, chance alone would give about {len(clear) / 20:.0f} ({self.profile.standing})."
        )
        return texts + not_computed(self.problems.items())

    def figure_of_differences(self, quantities: Sequence[str] = MAIN) -> Figure:
        """Each method's paired difference to the baseline with its interval, one panel for each quantity."""
        shown = {}
        for name in [name for name in quantities if self.differences(name)]:
            quantity = QUANTITIES[name]
            found = self.differences(name)
            moved = {other: found.get(other, OPEN) for other in self.profile.methods if other != "baseline"}
            shown[quantity.changed] = figures.method_rows({k: one.scaled(quantity.factor) for k, one in moved.items()})
        return figures.estimates(shown, "difference to the baseline", columns=4)

    def _said(self) -> list[str | pandas.DataFrame]:
        """Of a page: `claims`, and what they are; nothing where there are none."""
        claims = self.claims()
        about = "What the papers say, read as if each sentence were about this method alone:"
        return [] if claims is None else [about, claims]

    def _beside_others(self) -> list[str | pandas.DataFrame]:
        """Of a page: `alike`, and what it counts; nothing where there is no other method."""
        counted = "On how many quantities it and another method both differ from the baseline for certain:"
        found = self.alike()
        return [counted, found] if len(found) else []

    def _repr_html_(self) -> str:
        return pages.to_html([*self.findings(), *self._said()[1:], *self._beside_others(), self.table()])

    def save(self, path: str | Path) -> Path:
        """Write findings, tables, figures and how they were made as one HTML page (.html); returns its path."""
        settings = self.profile.experiment.as_dict() | provenance.environment(str(loop.choose_device()))
        methods = [regularizers.get(name, **given) for name, given in self.profile.methods.items()]
        settings |= {"method": list(self.profile.methods), "method_parameters": methods, "seed": self.profile.seeds}
        settings |= {**self.profile.evaluation, "date": time.strftime("%Y-%m-%d")}
        parts = [
            *self.findings(),
            (self.figure_of_differences(), "Panels, one for each quantity: every method's difference to the baseline"),
            *self._said(),
            *self._beside_others(),
            "Mean ± half of the 95 % interval over seeds; an arrow where the paired difference excludes zero:",
            self.table(),
            "How it was made:",
            pandas.DataFrame({"value": {name: str(value) for name, value in settings.items()}}),
        ]
        return pages.save_page(path, f"Report card: {self.method} at profile {self.profile.name}", parts)


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
    """The numbers of `method` and of a profile's methods: on record, or of networks that are fitted and measured now.

    method: a registered one (regularizers.register).  profile: a name, a .yaml file or a Profile.  parameters: of the
    method (None: the profile's, if it is one of them, else its own defaults); they replace the profile's.
    seeds: how many (None: all of the profile).  overrides: fields of the experiment.  device: where to train.
    Raises SoftlabError for wrong input, with the nearest valid name, or if training fails.
    """
    profile = compared_profile(method, profile, parameters, seeds, overrides)
    own = dataclasses.replace(profile, methods={method: profile.methods[method]})
    tables.rows(own.experiments(), own.evaluation, store, device)  # first: if it is wrong, that is known
    numbers = pandas.DataFrame(tables.rows(profile.experiments(), profile.evaluation, store, device))
    place = loop.choose_device(device)
    problems = {}
    for experiment, source in zip(profile.experiments(), numbers["source"], strict=True):
        if source == "live":
            run = runs.fit_or_load(experiment, store=store, device=place)
            found = stored.of(run, profile.evaluation).problems
            problems |= {f"{run.id}, {lens}": why for lens, why in found.items()}
    return ReportCard(method, profile, numbers, problems)


def compared_profile(
    method: str,
    profile: str | Path | Profile,
    parameters: Mapping[str, object] | None = None,
    seeds: int | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Profile:
    """What a card trains: the profile with baseline and `method` in front. Arguments and errors: of report_card.

    All names and parameters are checked here, before anything is trained.
    """
    if not isinstance(profile, Profile):
        profile = load_profile(profile, **dict(overrides or {}) | ({} if seeds is None else {"seeds": seeds}))
    else:
        if seeds is not None and seeds not in range(1, len(profile.seeds) + 1):
            raise SoftlabError(f"seeds must be a count from 1 to the profile's {len(profile.seeds)}, not {seeds!r}")
        experiment = profile.experiment.replace(**overrides or {})
        profile = dataclasses.replace(profile, experiment=experiment, seeds=profile.seeds[:seeds])
    if method == "baseline" or "baseline" not in profile.methods:
        raise SoftlabError(f"a report card compares a method with the baseline, not {method!r} of {[*profile.methods]}")
    chosen = dict(profile.methods.get(method, {}) if parameters is None else parameters)
    regularizers.get(method, **chosen)
    methods = {"baseline": profile.methods["baseline"], method: chosen}
    return dataclasses.replace(profile, methods=methods | {k: v for k, v in profile.methods.items() if k != method})
