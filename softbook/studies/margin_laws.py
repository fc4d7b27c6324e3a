"""How the laws of margin over slope are judged: the group `slope` of laws.yml, declared before their first row.

judged()               # {law: Judgement}, with Holm's correction over those of kind empirical
elsewhere()            # the estimate in other settings: {setting: Setting}
moves(table)           # how far each network lies from plain training of its seed, in slope, margin, under attack
places(table)          # the same of each method, with intervals over seeds: [Place]
by_normaliser(table, "cutmix")  # {normaliser: (what it does to the margin, to the slope)}, raw first
A law may have several parts, and holds if each has all of its interval on the declared side. So the chance that it
holds by accident is at most the largest p of its parts (an intersection of tests, Berger 1982).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from softbook.studies import another_slope, laws, records, robustness
from softbook.studies.catalogue import study_profile
from softbook.studies.robustness import cells_of
from softlab.comparison.intervals import OPEN, Interval, holm, t_interval, t_quantile
from softlab.errors import SoftlabError
from softlab.profile import load_profile

SEEDS = range(3000, 3005)  # of the split
NORMALISERS = {
    "length": "log length",
    "range": "log range",
    "spread between images": "log spread between images",
    "z₁ − z₃": "log gap to the third",
}
LARGEST_ERROR = 2.5  # points, of the estimate
LARGEST_ELSEWHERE = 3.0  # the same, in other settings
SKILL = 0.8
WITHIN = 2.0  # points, of the share of images that keep their class
UNIT = ["method", "dose"]  # columns of `moves` that say which networks differ in their seed only
SETTINGS = {"fashion-heldout": "4/255", "cifar10-jpeg-flip": "1/255", "cifar10-papers": "0.4/255"}


@dataclass(frozen=True)
class Part:
    """One thing that has to hold: all of the interval above `than` (side +1) or below it (-1); 0: on one side."""

    what: str
    interval: Interval
    side: int
    than: float = 0.0

    @property
    def outcome(self) -> int:
        """+1 if it holds, -1 if the opposite does, 0 if the interval contains `than`."""
        above = int(self.interval.low > self.than) - int(self.interval.high < self.than)
        return abs(above) if self.side == 0 else above * self.side

    @property
    def declared(self) -> str:
        """Where all of the interval was to be, in words: "above 0"."""
        where = {1: "above", -1: "below", 0: "beside"}[self.side]
        return f"{where} {self.than:g}"

    @property
    def p_value(self) -> float:
        """Two-sided; 1 where the mean is on the other side."""
        if self.side and (self.interval.mean - self.than) * self.side <= 0:
            return 1.0
        return self.interval.p_value(self.than)


@dataclass(frozen=True)
class Judgement:
    """What became of a law. p: corrected.  parts: empty where its record does not exist or is not complete."""

    law: str
    parts: tuple[Part, ...]
    p: float = math.nan
    note: str = ""

    @property
    def verdict(self) -> str:
        """`pending`, `as declared`, `open`, or `the opposite of what was declared` (of one of its parts)."""
        if not self.parts:
            return "pending"
        outcomes = [part.outcome for part in self.parts]
        if min(outcomes) < 0:
            return "the opposite of what was declared"
        return "as declared" if min(outcomes) > 0 and self.p < 0.05 else "open"


@dataclass(frozen=True)
class Setting:
    """The estimate in one setting.

    error: mean of |Ê − R| over its methods, in points.  worst: the largest, and its method.
    """

    error: float
    methods: int
    worst: tuple[float, str]

    @property
    def verdict(self) -> str:
        return "as declared" if self.error < LARGEST_ELSEWHERE else "fails"


@dataclass(frozen=True)
class Place:
    """Where a method lies beside plain training of the same seeds, with intervals over seeds.

    dose: None where its study has no doses.  slope, margin: changes of the mean natural logarithm.  ratio: of margin
    over slope, the same.  attacked: change of accuracy under attack, in points; OPEN where that is not on record.
    """

    method: str
    dose: float | None
    slope: Interval
    margin: Interval
    ratio: Interval
    attacked: Interval


def judged() -> dict[str, Judgement]:
    """Every empirical law of the group, in the order of laws.yml; those that are pending count in the correction."""
    empirical = {name: law for name, law in laws.laws("slope").items() if law.kind == "empirical"}
    parts = {name: _parts(name, law) for name, law in empirical.items()}
    p_values = holm([max((part.p_value for part in of), default=1.0) for of in parts.values()])
    return {name: Judgement(name, tuple(parts[name]), p) for name, p in zip(empirical, p_values, strict=True)}


def _parts(name: str, law: laws.Law) -> list[Part]:
    """What a law asks, from its study's record; nothing where there is none, or it is not whole."""
    if law.study == "slope_by_hand":
        return another_slope_parts(another_slope.recorded(law.profile))
    table = records.by_profile(law.study).get(law.profile)
    if table is None or len(table) < len(study_profile(load_profile(law.profile), law.study).experiments()):
        return []
    return _PARTS[name](table)


def told(name: str) -> list[str]:
    """A law of the group in full, line by line: its sentence, what judges it, its parts, and what became of it."""
    law = laws.laws("slope")[name]
    judgement = judged().get(name)
    lines = [f"{name} ({law.chapter}): {law.law}", f"  {law.contrast}"]
    if judgement is None:
        found = {"estimate-elsewhere": _elsewhere_told, "passes": _passes_told}[name]()
        return [*lines, *(found or [f"  {law.kind}: nothing is on record"])]
    lines += [
        f"  {part.what}: {part.interval.text(2, sign=True)}, declared to be {part.declared}" for part in judgement.parts
    ]
    return [*lines, f"  {judgement.verdict}" + (f" (p = {judgement.p:.2g})" if judgement.parts else "")]


def _elsewhere_told() -> list[str]:
    return [f"  {place}: {one.error:.1f} points, {one.verdict}" for place, one in elsewhere().items()]


def _passes_told() -> list[str]:
    lines = [
        f"  {quantity}: {images:+z.3f} with twice the images, {steps:+z.3f} with twice the steps"
        for quantity, (images, steps) in plain_per_doubling().items()
    ]
    seeds = {seed for table in cells_of("quick-confirm", again=True).values() for seed in table["seed"]}
    return [*lines, *([f"  networks in each cell: {len(seeds)}"] if lines else [])]


def estimate_units(table: pandas.DataFrame, radius: str) -> pandas.DataFrame:
    """Means over seeds of the estimate and of the ladder, in percent: a row for each method and dose.

    table: of softbook.studies.records.  radius: "4/255".  Columns: method, parameter, dose (where the study has doses),
    estimate, attacked, and one_step where it is on record. Rows that lack one of the first two are left out.
    """
    attacked = "robust, 0.4/255, PGD-7" if radius == "0.4/255" else f"robust, {radius}"
    columns = {"estimate": f"estimate, {radius}", "attacked": attacked}
    if f"FGSM, {radius}" in table:
        columns["one_step"] = f"FGSM, {radius}"
    units = [name for name in ("method", "parameter", "dose") if name in table]
    found = table[units].assign(**{name: 100 * table[column] for name, column in columns.items()})
    found = found.dropna(subset=["estimate", "attacked"])
    return pandas.DataFrame(found.groupby(units, sort=False, dropna=False, as_index=False).mean())


RECORDED_RADII = ("0.4/255", "1/255", "2/255", "4/255")


def every_estimate() -> tuple[pandas.DataFrame, dict[str, int]]:
    """Estimate and ladder of all that is on record, as of estimate_units, and how many rows have which of the two.

    Further columns of the units: study, profile, radius. Counts: rows with `both`, with the `attack` alone (recorded
    before margins and slopes were), with the `slope` alone (of studies in which nothing is attacked), with `neither`.
    """
    found = []
    counts: dict[str, int] = dict.fromkeys(("both", "attack", "slope", "neither"), 0)
    for study in sorted({path.parent.name for path in records.RECORDS.glob("*/*.csv")}):
        for profile, table in records.by_profile(study).items():
            attacked, steep = (
                np.isfinite(table[name].to_numpy(float)) if name in table else np.zeros(len(table), bool)
                for name in ("robust, 4/255", "log slope")
            )
            counts["both"] += int((attacked & steep).sum())
            counts["attack"] += int((attacked & ~steep).sum())
            counts["slope"] += int((steep & ~attacked).sum())
            counts["neither"] += int((~attacked & ~steep).sum())
            if not (attacked & steep).any():
                continue
            for radius in RECORDED_RADII:
                units = estimate_units(table, radius)
                found.append(units.assign(study=study, profile=profile, radius=radius))
    return pandas.concat(found, ignore_index=True), counts


def leaving_out_methods(units: pandas.DataFrame, statistic: Callable[[pandas.DataFrame], float]) -> Interval:
    """A statistic of all units, with the interval of the jackknife over methods: doses of a method are no new methods.

    units: as of estimate_units, without plain training. At least three methods.
    """
    methods = units["method"].unique()
    count = len(methods)
    without = np.array([statistic(units.loc[units["method"] != method]) for method in methods])
    error = math.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    mean = statistic(units)
    half = t_quantile(count - 1) * error
    return Interval(mean, mean - half, mean + half, count)


def skill(units: pandas.DataFrame, plain: pandas.Series) -> float:
    """1 − Σ(ΔR − ΔÊ)² / ΣΔR²: how much of what methods do to accuracy under attack the estimate tells."""
    attacked = units["attacked"] - plain["attacked"]
    missed = attacked - (units["estimate"] - plain["estimate"])
    return 1 - float(np.square(missed).sum()) / float(np.square(attacked).sum())


def estimate_parts(table: pandas.DataFrame) -> list[Part]:
    """What `estimate` asks of the table of study `many`; nothing where a network lacks one of the three numbers."""
    if table[["estimate, 4/255", "FGSM, 4/255"]].isna().to_numpy().any():
        return []
    every = estimate_units(table, "4/255")
    units = every.loc[every["method"] != "baseline"]
    plain = every.loc[every["method"] == "baseline"].iloc[0]

    def error(some: pandas.DataFrame) -> float:
        return float(np.abs(some["estimate"] - some["attacked"]).mean())

    def beyond_one_step(some: pandas.DataFrame) -> float:
        return error(some) - float(np.abs(some["one_step"] - some["attacked"]).mean())

    missed = leaving_out_methods(units, error)
    beyond = leaving_out_methods(units, beyond_one_step)
    explained = leaving_out_methods(units, lambda some: skill(some, plain))
    return [
        Part("mean of |Ê − R| (points)", missed, -1, LARGEST_ERROR),
        Part("mean of |Ê − R| less that of one step (points)", beyond, -1),
        Part("skill on differences to plain training", explained, +1, SKILL),
    ]


def changes(table: pandas.DataFrame, method: str, quantity: str, seeds=SEEDS) -> np.ndarray:
    """Of each of the seeds: what a method's network has of a quantity more than plain training's."""
    by_method = table[table["seed"].isin(list(seeds))].pivot(index="seed", columns="method", values=quantity)
    return (by_method[method] - by_method["baseline"]).dropna().to_numpy(float)


def moves(table: pandas.DataFrame, attacked: str = "robust, 4/255") -> pandas.DataFrame:
    """How far each network lies from plain training of its seed: a row a network that has a margin on record.

    table: of softbook.studies.records.  attacked: the quantity that says what an attack leaves.
    Columns: method, dose (NaN where the study has none), seed; slope, margin: differences of the mean natural
    logarithm; ratio: of margin over slope; attacked: difference in points (NaN where it is not on record).
    Raises SoftlabError for a table without plain training.
    """
    plain = table.loc[table["method"] == "baseline"].set_index("seed")
    if plain.empty:
        raise SoftlabError("margin and slope are drawn beside plain training, of which this table has no network")
    columns = ["method", "dose", "seed", "slope", "margin", "ratio", "attacked"]
    if "log margin" not in table:
        return pandas.DataFrame(columns=columns)
    rows = table.loc[table["method"] != "baseline"]
    beside = plain.reindex(rows["seed"])

    def change(quantity: str) -> np.ndarray:
        return rows[quantity].to_numpy(float) - beside[quantity].to_numpy(float)

    found = pandas.DataFrame(
        {
            "method": rows["method"].to_numpy(),
            "dose": rows["dose"].to_numpy(float) if "dose" in table else math.nan,
            "seed": rows["seed"].to_numpy(),
            "slope": change("log slope"),
            "margin": change("log margin"),
            "attacked": 100 * change(attacked),
        }
    )
    found["ratio"] = found["margin"] - found["slope"]
    return found.loc[np.isfinite(found["ratio"].to_numpy(float)), columns]


def places(table: pandas.DataFrame, attacked: str = "robust, 4/255") -> list[Place]:
    """Each method of a table, at each of its doses, beside plain training: those that have a margin on record.

    table, attacked: as of `moves`.  Raises SoftlabError for a table without plain training.
    """
    found = []
    groups: Any = moves(table, attacked).groupby(UNIT, sort=False, dropna=False)
    for (method, dose), rows in groups:
        found.append(
            Place(
                method=str(method),
                dose=None if math.isnan(dose) else float(dose),
                slope=_over_seeds(rows["slope"], table, "change of log slope"),
                margin=_over_seeds(rows["margin"], table, "change of log margin"),
                ratio=_over_seeds(rows["ratio"], table, "change of log margin less that of log slope"),
                attacked=_over_seeds(rows["attacked"], table, "change of accuracy under attack (points)"),
            )
        )
    return found


def _over_seeds(differences: pandas.Series, table: pandas.DataFrame, what: str) -> Interval:
    """Of the seeds that have a finite difference; OPEN without one."""
    values = differences.to_numpy(float)
    finite = values[np.isfinite(values)]
    return t_interval(finite).of(table, what) if len(finite) else OPEN


def by_normaliser(table: pandas.DataFrame, method: str, seeds=SEEDS) -> dict[str, tuple[Interval, Interval]]:
    """What a method does to log margin and to log slope, raw and relative to each measure of the logits' size.

    table: of records.py.  Empty where the method, or a number of it, is not on record for any of the seeds.
    """
    if not {"baseline", method} <= set(table["method"]):
        return {}
    margins, slopes = (changes(table, method, quantity, seeds) for quantity in ("log margin", "log slope"))
    sizes = {name: changes(table, method, quantity, seeds) for name, quantity in NORMALISERS.items()}
    if not len(margins) or any(len(one) != len(margins) for one in (slopes, *sizes.values())):
        return {}
    sizes = {"raw": np.zeros(len(margins)), **sizes}
    found = {}
    for name, size in sizes.items():
        beside = "" if name == "raw" else f", relative to {name}"
        margin = t_interval(margins - size).of(table, f"change of log margin{beside}")
        slope = t_interval(slopes - size).of(table, f"change of log slope{beside}")
        found[name] = margin, slope
    return found


def split_parts(table: pandas.DataFrame) -> list[Part]:
    """What `split` asks of the core's table; nothing where one of its seeds has no margin."""
    smoothed = by_normaliser(table, "label_smoothing")
    cut = by_normaliser(table, "cutmix")
    if any(not of or of["raw"][0].n < len(SEEDS) for of in (smoothed, cut)):
        return []
    margins = changes(table, "label_smoothing", "log margin")
    slopes = changes(table, "label_smoothing", "log slope")
    parts = [Part("label smoothing: Δ log g − Δ log m", t_interval(slopes - margins), +1)]
    for name in NORMALISERS:
        margin, _ = smoothed[name]
        parts.append(Part(f"label smoothing: Δ log m, relative to {name}", margin, +1))
    for name in NORMALISERS:
        _, slope = cut[name]
        parts.append(Part(f"CutMix: Δ log g, relative to {name}", slope, -1))
    return parts


def kept_by_ratio(table: pandas.DataFrame) -> dict[str, dict[float, float]]:
    """The share of images that keep their class, in percent, with the bias scaled to each recorded ratio to the length.

    table: of a core that has `constant class, ratio …`.  Returns method -> {‖b_c‖ / ‖W_c f‖: mean over seeds}.
    """
    prefix = "constant class, ratio "
    ratios = sorted(float(name.removeprefix(prefix)) for name in table if name.startswith(prefix))
    found: dict[str, dict[float, float]] = {}
    for method, rows in table.groupby("method", sort=False):
        found[str(method)] = {ratio: 100 * float(rows[f"{prefix}{ratio}"].to_numpy().mean()) for ratio in ratios}
    return found


def bias_parts(table: pandas.DataFrame) -> list[Part]:
    """What `bias-both-ways` asks of the core's table, in points; nothing where a seed has no ratio."""
    pairs = table.pivot(index="seed", columns="method", values="log bias over length")
    pairs = pairs[["baseline", "label_smoothing"]]
    if pairs.isna().to_numpy().any():
        return []
    parts = []
    for owner in ("baseline", "label_smoothing"):
        differences = []
        for seed in pairs.index:
            ratio = float(pairs.loc[[seed], owner].iloc[0])
            plain = _kept(table, "baseline", seed, ratio)
            smoothed = _kept(table, "label_smoothing", seed, ratio)
            differences.append(100 * (smoothed - plain))
        interval = t_interval(differences)
        name = "plain training" if owner == "baseline" else "label smoothing"
        parts.append(Part(f"at the ratio of {name} (points)", interval, +1, -WITHIN))
        parts.append(Part(f"at the ratio of {name} (points)", interval, -1, WITHIN))
    return parts


def _kept(table: pandas.DataFrame, method: str, seed, log_ratio: float) -> float:
    """The share of images that keep their class, with the bias scaled to this ratio, between recorded ratios."""
    prefix = "constant class, ratio "
    row = table[(table["method"] == method) & (table["seed"] == seed)].iloc[0]
    ratios = sorted(float(name.removeprefix(prefix)) for name in table if name.startswith(prefix))
    return float(np.interp(log_ratio, np.log(ratios), [row[f"{prefix}{ratio}"] for ratio in ratios]))


def another_slope_parts(table: pandas.DataFrame) -> list[Part]:
    """What `slope-by-hand` asks; nothing before each of both kinds of network is on record at every slope.

    table: of another_slope.recorded.  Only admitted doses are looked at; one that is admitted for fewer than two seeds
    leaves the law open.
    """
    origins = ("baseline", "label_smoothing")
    if len(table) < len(origins) * len(SEEDS) * len(another_slope.TAUS):
        return []
    parts = []
    for origin in origins:
        of = table.loc[(table["method"] == origin) & table["admitted"]]
        robust = of.pivot(index="seed", columns="tau", values="robust, 4/255").reindex(columns=[*another_slope.TAUS])
        gains = 100 * (robust[another_slope.LOWER] - robust[another_slope.SHAM]).dropna()
        gain = t_interval(gains) if len(gains) > 1 else OPEN
        parts.append(Part(f"{origin}: R at .71 of its slope less R of the sham (points)", gain, +1))
        for tau, rows in of.groupby("tau"):
            missed = 100 * (rows["estimate, 4/255"] - rows["robust, 4/255"]).abs()
            error = t_interval(missed) if len(missed) > 1 else OPEN
            parts.append(Part(f"{origin} at {tau:g} of its slope: |Ê − R| (points)", error, -1, LARGEST_ERROR))
    return parts


def factorial(table: pandas.DataFrame) -> dict[str, Interval]:
    """Main effects of bound and strength and their interaction on accuracy under attack, in points, of each seed.

    table: of study bound_or_strength. The bound's is that of the smaller scale (alpha .1), the strength's that of 1.
    """
    cells = table.pivot(index="seed", columns=["alpha", "strength"], values="robust, 4/255").dropna() * 100
    tight = cells[0.1]
    loose = cells[0.0001]
    bound = (tight - loose).mean(axis=1)
    strength = ((tight[1.0] - tight[0.01]) + (loose[1.0] - loose[0.01])) / 2
    interaction = (tight[1.0] - tight[0.01]) - (loose[1.0] - loose[0.01])
    effects = {"bound": bound, "strength": strength, "interaction": interaction, "difference": bound - strength}
    return {name: t_interval(values.to_numpy()) for name, values in effects.items()}


def decided_by(effects: Mapping[str, Interval]) -> str:
    """Which of `bound`, `strength`, `both`, `interaction`, `neither` the effects of factorial speak for."""
    if effects["interaction"].side():
        return "interaction"
    names = [name for name in ("bound", "strength") if effects[name].side()]
    return {0: "neither", 1: names[0] if names else "", 2: "both"}[len(names)]


def bound_parts(table: pandas.DataFrame) -> list[Part]:
    """What `bound-or-strength` asks of the table of its study."""
    return [Part("main effect of the bound minus that of the strength (points)", factorial(table)["difference"], 0)]


def elsewhere() -> dict[str, Setting]:
    """Every setting of `estimate-elsewhere` of which something is on record.

    Where the networks of a setting are older than margins, it is judged by new ones (`core_again` and its like).
    """
    found = {f"{images:,} images × {steps:,} steps": one for (images, steps), one in in_cells().items()}
    recorded = records.by_profile("core") | records.by_profile("core_again")
    for name, radius in SETTINGS.items():
        if name in recorded and len(units := estimate_units(recorded[name], radius)):
            found[name] = _over_methods(units)
    return found


def in_cells() -> dict[tuple[int, int], Setting]:
    """The estimate at 4/255 by training images and steps, of the networks that were trained again for it."""
    cells = cells_of("quick-confirm", again=True)
    return {place: _over_methods(estimate_units(table, "4/255")) for place, table in cells.items()}


def plain_per_doubling() -> dict[str, tuple[float, float]]:
    """What twice the images and twice the steps change of log margin, log slope and log length of plain training.

    Of the networks of in_cells; empty where they are not on record.
    """
    cells = cells_of("quick-confirm", again=True)
    if not cells:
        return {}
    found = {}
    for quantity in ("log margin", "log slope", "log length"):
        images, steps, _ = robustness.per_doubling(cells, "baseline", quantity)
        found[quantity] = images.mean, steps.mean
    return found


def _over_methods(units: pandas.DataFrame) -> Setting:
    """How the estimate does in a setting.  units: as of estimate_units, one or more."""
    errors = np.abs(units["estimate"].to_numpy(float) - units["attacked"].to_numpy(float))
    worst = int(errors.argmax())
    largest = float(errors[worst]), str(units["method"].iloc[worst])
    return Setting(float(errors.mean()), len(units), largest)


_PARTS: dict[str, Callable[[pandas.DataFrame], list[Part]]] = {
    "estimate": estimate_parts,
    "split": split_parts,
    "bound-or-strength": bound_parts,
    "bias-both-ways": bias_parts,
}
