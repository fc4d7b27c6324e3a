"""Networks side by side: each quantity's mean, and how it differs from the first name's, paired by seed.

plain = [softlab.fit("baseline", seed=seed) for seed in range(3)]
mixed = [softlab.fit("mixup", seed=seed) for seed in range(3)]
softlab.compare(plain, mixed)                        # or {"plain": plain, "mine": mixed}: names of your own
softlab.compare(plain, mixed, quantities=["ECE"])    # this one only, and only its lens is applied
"""

import html
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas
from tqdm import tqdm

from softlab.comparison.effects import Effect, Effects, averages, every_effect
from softlab.comparison.intervals import OPEN, Interval
from softlab.comparison.tables import measured
from softlab.errors import SoftlabError, check_known
from softlab.numbers import stored
from softlab.numbers.quantities import LENSES, QUANTITIES
from softlab.profile import load_profile
from softlab.training.runs import Run, dataset_of

# What is compared unless you ask for other quantities: right, sure, calibrated; the space of features; under attack.
MAIN = ("accuracy", "mean confidence", "ECE", "NLL", "NLL at T", "log logit scale", "spread, raw", "constant class")
MAIN += ("log margin", "log slope", "robust, 1/255", "robust, 4/255")
LENS_OF = {quantity: lens for lens in LENSES.values() for quantity in lens.quantities}
ARROWS = {1: " ↑", 0: "", -1: " ↓"}


@dataclass(frozen=True, repr=False)
class RunComparison:
    """Networks by name, paired by seed; differences are to the first name. It prints as a table.

    means: {quantity: {name: mean with its interval}}.  differences: {quantity: {name: Effect}}, without the first
    name.  Both are in the units of the quantity's lens, over seeds and images where the quantity is a mean over images,
    else over seeds.  notes: what could not be measured, and why.  networks: a row for each, with its `name`, `method`,
    `seed`, run `id`, `torch` and `device`, and every quantity of `means`.
    """

    names: Sequence[str]
    seeds: Sequence[int]
    means: Mapping[str, Mapping[str, Interval]]
    differences: Mapping[str, Effects]
    notes: Sequence[str] = field(default_factory=list)
    networks: pandas.DataFrame = field(default_factory=pandas.DataFrame)

    def mean(self, quantity: str, name: str) -> Interval:
        """A quantity's mean over the networks of this name, in the units of its lens."""
        self._check_asked(quantity, name)
        return self.means[quantity].get(name, OPEN)

    def difference(self, quantity: str, name: str) -> Effect:
        """This name's networks minus the first name's: an Effect, which prints as `-2.7 ± 0.5`."""
        self._check_asked(quantity, name)
        if name == self.names[0]:
            raise SoftlabError(f"differences are to {name!r} itself: ask for {' or '.join(map(repr, self.names[1:]))}")
        return self.differences[quantity][name]

    def _check_asked(self, quantity: str, name: str) -> None:
        check_known("quantity of this comparison", quantity, self.means)
        check_known("name", name, self.names)

    def table(self) -> pandas.DataFrame:
        """A row for each quantity: every name's mean, and its difference to the first, in the quantity's units."""
        first = self.names[0]
        rows: dict[str, dict[str, str]] = {}
        for quantity in self.means:
            described = QUANTITIES[quantity]
            cells = rows[described.label] = {}
            for name in self.names:
                cells[name] = self.mean(quantity, name).scaled(described.factor).text(described.digits)
            for name in self.names[1:]:
                effect = self.difference(quantity, name)
                cells[f"{name} − {first}"] = f"{effect:+}{ARROWS[effect.shown.side()]}"
        return pandas.DataFrame.from_dict(rows, orient="index")

    def heading(self) -> str:
        """What the numbers are, and over what."""
        first = self.names[0]
        if len(self.seeds) == 1:
            return f"One network each, of seed {self.seeds[0]}: a difference has no interval, and may be chance."
        return (
            f"{len(self.seeds)} networks each, of seeds {', '.join(map(str, self.seeds))}. Differences are to {first}, "
            "paired by seed, with an arrow where the 95 % interval (±) excludes zero. Intervals are over seeds, and "
            "over images too where a quantity is a mean over images."
        )

    def __str__(self) -> str:
        return "\n".join([textwrap.fill(self.heading(), 100), "", self.table().to_string(), *self.notes])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        notes = "".join(f"<p>{html.escape(note)}</p>" for note in self.notes)
        return f"<p>{html.escape(self.heading())}</p>{self.table().to_html()}{notes}"


def compare(
    runs: Mapping[str, Sequence[Run]] | Sequence[Run],
    other: Sequence[Run] | None = None,
    *,
    quantities: Iterable[str] | None = None,
    evaluation: Mapping[str, Any] | None = None,
) -> RunComparison:
    """Networks side by side, paired by seed: compare({"plain": [run, …], "mine": [run, …]}), or compare(plain, mine).

    Every name has one network a seed, and all have the same seeds; the first name is what the others are compared with.
    Two lists are named by their methods.  What is not on file is measured now, and kept.
    quantities: names of QUANTITIES (None: MAIN); only their lenses are applied.
    evaluation: as in a profile, entries that differ from those of `quick`; with {"attack_size": 0} nothing is attacked.
    Raises SoftlabError where runs cannot be paired or were trained on different images, and for an unknown quantity
    (with the nearest one).
    """
    named = _by_name(runs, other)
    for name, networks in named.items():
        _check_one_recipe(name, networks)
    _check_pairs(named)
    evaluation = load_profile("quick", evaluation=evaluation).evaluation
    names = _quantities(quantities, evaluation)

    table, problems = _measured(named, names, evaluation)
    first = next(iter(named))
    means = {quantity: averages(table, quantity) for quantity in names}
    seeds = [run.experiment.seed for run in named[first]]
    notes = [*problems, *_incomplete(means, len(seeds))]
    networks: Any = table[["seed", "id", "torch", "device", *names]].copy()
    networks.insert(0, "method", [run.experiment.method for runs in named.values() for run in runs])
    networks.insert(0, "name", table["method"])
    return RunComparison(list(named), seeds, means, every_effect(table, names, first), notes, networks)


def _by_name(runs: Any, other: Any) -> dict[str, list[Run]]:
    """What is to be compared, {name: runs}. Raises SoftlabError unless it is two names or more, of runs each."""
    if isinstance(runs, Mapping):
        if other is not None:
            raise SoftlabError("compare takes {name: runs} alone, or two lists of runs")
        named = {name: _listed(networks, repr(name)) for name, networks in runs.items()}
    elif other is None:
        raise SoftlabError("compare takes two lists of runs, or {name: runs} of two names and more")
    else:
        named = _by_method(_listed(runs, "the first list"), _listed(other, "the second list"))
    if len(named) < 2:
        raise SoftlabError(f"a comparison takes two names at least, not {len(named)}")
    return named


def _listed(networks: Any, where: str) -> list[Run]:
    """Runs as a list. Raises SoftlabError unless there is one, and all of them are runs."""
    if not isinstance(networks, (list, tuple)):
        kind = type(networks).__name__
        raise SoftlabError(f"{where} must be a list of runs, as [softlab.fit('mixup')], not of type {kind}")
    if not networks:
        raise SoftlabError(f"{where} has no runs")
    for network in networks:
        if not isinstance(network, Run):
            kind = type(network).__name__
            raise SoftlabError(
                f"{where} holds something of type {kind}, no Run (examinations: softlab.inspector.compare)"
            )
    return list(networks)


def _by_method(first: list[Run], second: list[Run]) -> dict[str, list[Run]]:
    """Two lists, each by the name of its method."""
    name = first[0].experiment.method
    other = second[0].experiment.method
    if name == other:
        raise SoftlabError(f"both lists are of {name!r}: give them names, as compare({{'one': […], 'other': […]}})")
    return {name: first, other: second}


def _check_one_recipe(name: str, networks: Sequence[Run]) -> None:
    """Raise SoftlabError if networks of one name differ in more than their seed, or two are of one seed."""
    seeds = [run.experiment.seed for run in networks]
    if len(set(seeds)) < len(seeds):
        twice = next(seed for seed in seeds if seeds.count(seed) > 1)
        raise SoftlabError(f"{name!r} has two networks of seed {twice}: one for each seed can be paired")
    recipe = networks[0].experiment.as_dict()
    for run in networks[1:]:
        theirs = run.experiment.as_dict()
        differing = [part for part in {**recipe, **theirs} if recipe.get(part) != theirs.get(part) and part != "seed"]
        if differing:
            raise SoftlabError(f"networks of {name!r} differ in {differing[0]}: give each setting a name of its own")


def _check_pairs(named: Mapping[str, Sequence[Run]]) -> None:
    """Raise SoftlabError unless all names have the same seeds, and their networks the same images."""
    first = next(iter(named))
    seeds = sorted(run.experiment.seed for run in named[first])
    images = dataset_of(named[first][0].experiment).digest
    for name, networks in named.items():
        own = sorted(run.experiment.seed for run in networks)
        if own != seeds:
            raise SoftlabError(f"networks are paired by seed: {first!r} has seeds {seeds}, but {name!r} has {own}")
        if any(dataset_of(run.experiment).digest != images for run in networks):
            raise SoftlabError(f"{name!r} has networks of other images than {first!r}: compare them on one data set")


def _quantities(asked: Iterable[str] | None, evaluation: Mapping[str, Any]) -> list[str]:
    """The quantities to compare; of MAIN, without those that take an attack where none is to be made."""
    attacked = evaluation["attack_size"] != 0
    if asked is None:
        return [quantity for quantity in MAIN if attacked or LENS_OF[quantity].clean]
    names = [asked] if isinstance(asked, str) else list(dict.fromkeys(asked))
    for quantity in names:
        check_known("quantity", quantity, QUANTITIES)
        if not attacked and not LENS_OF[quantity].clean:
            raise SoftlabError(f"{quantity!r} takes attacks or corruptions: attack_size of evaluation must be above 0")
    if not names:
        raise SoftlabError("a comparison takes one quantity at least (None: the main ones)")
    return names


def _measured(
    named: Mapping[str, Sequence[Run]], quantities: Sequence[str], evaluation: Mapping[str, Any]
) -> tuple[pandas.DataFrame, list[str]]:
    """A row for each network, its name as `method`; and a line for each lens that could not be applied."""
    lenses = {LENS_OF[quantity].name for quantity in quantities} | {"outcomes"}  # for intervals over images too
    networks = [(name, run) for name, runs in named.items() for run in runs]
    rows = []
    problems: dict[str, None] = {}
    for name, run in tqdm(networks, desc="measuring", unit="network", leave=False, delay=2):
        numbers = stored.of(run, evaluation, lenses=lenses)
        rows.append({"method": name, "seed": run.experiment.seed} | measured(run, numbers))
        for lens, why in numbers.problems.items():
            problems[f"{name}: {lens} could not be measured: {why}"] = None
    return pandas.DataFrame(rows), list(problems)


def _incomplete(means: Mapping[str, Mapping[str, Interval]], count: int) -> list[str]:
    """A line for each mean that is not over all networks."""
    return [
        f"{name}: {QUANTITIES[quantity].label} is the mean of {mean.n} of {count} networks; others have no finite value"
        for quantity, by_name in means.items()
        for name, mean in by_name.items()
        if mean.n < count
    ]
