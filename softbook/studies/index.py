"""One index of all recorded networks: what each is, in which setting, and the plain network that it is compared with.

found = index()                                             # a row for each row of records/*/*.csv
with_quantity(found.query("letter == 'F'"), "ECE")          # beside it: value, other (its partner's), change
with_partner(found, found.query("method == 'mixup'"))       # the same rows, to be compared with Mixup

What a setting is comes from the experiment that a row names, never from what a table is called. Numbers stay in the
tables (softbook.studies.records): `with_quantity` fetches one when it is asked for.
"""

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from softbook.studies import records
from softbook.studies.across_settings import SETTINGS
from softbook.studies.asked import ASKED_QUANTITIES
from softbook.studies.catalogue import study_profile
from softbook.studies.tables import rows_of
from softlab import regularizers
from softlab.errors import SoftlabError, check_known
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile, packaged_profiles
from softlab.training.experiment import Experiment
from softlab.training.models import ARCHITECTURES

PLAIN = "baseline"
USUAL = "quick-confirm"  # the profile whose strengths are usual where a row's own no longer comes with the book
LEAST_LEARNT = 2.5  # times chance: a network that is less accurate has not learnt
TABLE = ["study", "profile"]
PAIR = ["setting", "seed", "device", "torch"]  # what two networks share if one thing is to differ between them
# Fields of an experiment that do not tell one setting from another: what varies inside of it, what is kept along the
# way, and what `images` and `steps` say already.
INSIDE = ("method", "method_parameters", "seed", "snapshot_epochs", "train_size", "steps_per_epoch")
SHOWN = ("head", "head_bias", "dropout", "label_noise", "long_tail", "weight_decay", "augmentation")  # as they are
COMPUTED = ("precision", "threads", "compiled")  # how it is computed: the book's letters do not tell these apart


@dataclass(frozen=True)
class Images:
    """What a data set has to train on: how many images, of how many classes, and whether they have colours."""

    count: int
    classes: int
    colour: bool


DATA = {
    "fashion-mini": Images(6_000, 10, colour=False),
    "fashion-mnist": Images(60_000, 10, colour=False),
    "fashion-heldout": Images(55_000, 10, colour=False),
    "fashion-large": Images(60_000, 10, colour=False),
    "fashion-pairs": Images(60_000, 100, colour=False),
    "cifar10": Images(50_000, 10, colour=True),
    "cifar10-jpeg": Images(50_000, 10, colour=True),
    "cifar10-jpeg-pairs": Images(50_000, 100, colour=True),
    "cifar100": Images(50_000, 100, colour=True),
}


def index() -> pandas.DataFrame:
    """A row for each recorded network, in the order of the tables. Columns:

    id, study, profile, method, seed, cell (of a declared study, else ""), evaluation, device, torch;
    parameters (all of the method's, as text), dose (the one that says how strong it is; NaN where a method has none),
    usual (is it the profile's own strength, and its head as training left it), plain (hard labels and nothing else);
    data, colour, classes, images (training images), steps, model, width, feature_dimension (NaN: as the body gives),
    head, head_bias, dropout, label_noise, long_tail (1: none), weight_decay, augmentation;
    tested (the data set whose images score it, where that is not its own; else "");
    setting (a digest of all that networks of one setting share), letter (the book's, of that setting; else "");
    failed (its training failed, or it has not learnt), jump (see softlab.comparison.tables; NaN in older rows);
    partner: the run id of plain training of the same setting and seed, on the same device and torch; None where there
    is none, and for plain training itself.
    Raises SoftlabError for images that are not in DATA.
    """
    return _index_once(records.state()).copy()


@functools.lru_cache(maxsize=2)
def _index_once(state: tuple) -> pandas.DataFrame:
    letters = _letters()
    rows = []
    for (study, profile), table in records.every_table().items():
        rows += _rows(study, profile, table, letters)
    found = pandas.DataFrame(rows)
    plain = found.loc[found["plain"]].sort_values("method", kind="stable")  # networks smoothed by nothing come last
    found = with_partner(found, plain.assign(method=PLAIN, parameters=""))
    found.loc[found["plain"], "partner"] = None
    return found


def with_partner(found: pandas.DataFrame, others: pandas.DataFrame, sharing: Sequence[str] = ()) -> pandas.DataFrame:
    """The same rows of the index, each with the one of `others` as its partner that shares all of PAIR, or None.

    One network may stand in several tables, or be trained once with snapshots and once without: a row takes that of its
    own table, or else the first.  sharing: further columns that both share, for instance `dose`.
    Raises SoftlabError if others are of several methods or strengths in one setting: then a row has no one partner.
    """
    pair = [*PAIR, *sharing]
    kinds = others.loc[~others.duplicated(["setting", *sharing, "method", "parameters"])]
    several = kinds.loc[kinds.duplicated(["setting", *sharing])]
    if len(several):
        where = f"as in study {several['study'].iloc[0]}, profile {several['profile'].iloc[0]}"
        raise SoftlabError(f"partners are of several methods or strengths in one setting ({where}): choose one")
    in_table: dict[tuple, str] = {}
    anywhere: dict[tuple, str] = {}
    for table, key, name in zip(_keys(others, TABLE), _keys(others, pair), others["id"], strict=True):
        in_table.setdefault((*table, *key), name)
        anywhere.setdefault(key, name)
    partners = [
        in_table.get((*table, *key), anywhere.get(key))
        for table, key in zip(_keys(found, TABLE), _keys(found, pair), strict=True)
    ]
    return found.assign(partner=pandas.Series(partners, index=found.index, dtype=object))


def _keys(rows: pandas.DataFrame, columns: list[str]) -> list[tuple]:
    return list(zip(*(rows[name] for name in columns), strict=True))


def with_quantity(found: pandas.DataFrame, quantity: str, than: str = "") -> pandas.DataFrame:
    """Rows of the index with three more columns: value, other (the partner's) and change (their difference).

    In the units of the quantity's lens; NaN where it was not measured. A partner is read from the row's own table, or
    else from one that was measured on the same images.
    quantity: of QUANTITIES, or of those measured on request (softbook.studies.asked).  than: the partner's quantity, if
    it is another one.  Raises SoftlabError for an unknown quantity, with the nearest one.
    """
    for name in (quantity, than or quantity):
        check_known("quantity", name, [*QUANTITIES, *ASKED_QUANTITIES])
    in_table, _ = _values(quantity, records.state())
    others_in_table, on_images = _values(than or quantity, records.state())
    values = []
    others = []
    columns = ["study", "profile", "id", "evaluation", "partner"]
    for study, profile, name, evaluation, partner in _keys(found, columns):
        values.append(in_table[study, profile, name])
        shared = on_images.get((partner, evaluation), math.nan)
        others.append(others_in_table.get((study, profile, partner), shared))
    wider = found.assign(value=np.array(values, float), other=np.array(others, float))
    return wider.assign(change=wider["value"] - wider["other"])


@functools.lru_cache(maxsize=64)
def _values(quantity: str, state: tuple) -> tuple[dict[tuple, float], dict[tuple, float]]:
    """A quantity by study, profile and run id; and by run id and evaluation, from the first table that has it."""
    in_table: dict[tuple, float] = {}
    on_images: dict[tuple, float] = {}
    for (study, profile), table in records.every_table().items():
        numbers = table[quantity] if quantity in table else [math.nan] * len(table)
        for name, evaluation, number in zip(table["id"], table["evaluation"], numbers, strict=True):
            in_table[study, profile, name] = number
            if math.isfinite(number):
                on_images.setdefault((name, evaluation), number)
    return in_table, on_images


def _rows(study: str, profile: str, table: pandas.DataFrame, letters: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of the index for a table.  letters: from _letters."""
    about = records.about(study)[profile]
    usual = load_profile(profile if profile in packaged_profiles() else USUAL).methods
    shared: dict[tuple, dict[str, Any]] = {}  # what networks have in common that differ in their seed alone
    found = []
    for row in rows_of(table.drop(columns=[name for name in QUANTITIES if name != "accuracy"])):
        point = (row["method"], row.get("experiment"))
        if point not in shared:
            experiment = experiment_of(row, about["experiment"])
            shared[point] = _method(experiment, usual) | _properties(experiment, letters)
        own = {"study": study, "profile": profile, "cell": row.get("cell", ""), **shared[point]}
        own |= {name: row[name] for name in ("id", "seed", "evaluation", "device", "torch")}
        own |= {"tested": about["evaluation"].get("test_data") or "", "jump": row.get("jump", math.nan)}
        learnt = row["accuracy"] * own["classes"] >= LEAST_LEARNT  # not where it is NaN
        own |= {"failed": isinstance(row.get("failed"), str) or not learnt}
        found.append(own)
    return found


def experiment_of(row: Mapping[str, Any], shared: Mapping[str, Any]) -> Experiment:
    """The experiment that a row of a recorded table names.  shared: its profile's, in about.json.

    Raises SoftlabError where the row names none that there is.
    """
    try:
        own = json.loads(row["experiment"])
        return Experiment(**{**shared, **own, "method": row["method"], "seed": row["seed"]})
    except (KeyError, TypeError, ValueError) as error:
        how = "tools/merge_records.py takes in rows that were written before they named it"
        raise SoftlabError(f"the row of {row['id']} names no experiment ({error!r}): {how}") from None


def _method(experiment: Experiment, usual: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The columns that say what a method is.  usual: the profile's own parameters, by method."""
    method = experiment.method
    parameters = _complete(method, experiment.method_parameters)
    smoothed_by_nothing = method == "label_smoothing" and parameters["alpha"] == 0
    return {
        "method": method,
        "parameters": ", ".join(f"{name}={_as_text(value)}" for name, value in parameters.items() if value is not None),
        "dose": parameters.get(_strength_of(method, parameters), math.nan),
        "usual": parameters == _complete(method, usual.get(method, {})) and not experiment.new_head,
        "plain": method == PLAIN or smoothed_by_nothing,
    }


def _as_text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _complete(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a method: those that are given, and its own values of the others."""
    made = regularizers.get(method, **given)
    return {one.name: getattr(made, one.name) for one in dataclasses.fields(made)}


def _strength_of(method: str, parameters: Mapping[str, Any]) -> str:
    """The parameter that says how strong a method is: the one that a study doses, the only one, or `strength`.

    "" if there is none of these.
    """
    if method in _doses():
        return _doses()[method]
    if len(parameters) == 1:
        return next(iter(parameters))
    return "strength" if "strength" in parameters else ""


@functools.cache
def _doses() -> Mapping[str, str]:
    """The parameter of each method that studies `many` and `flat` give several values."""
    settings = load_profile("quick-fp32")
    doses = {**study_profile(settings, "many").doses, **study_profile(settings, "flat").doses}
    return {method: parameter for method, (parameter, _) in doses.items()}


@dataclass(frozen=True)
class Sizes:
    """How many classes, training images and steps an experiment has."""

    classes: int
    images: int
    steps: int


def sizes_of(experiment: Experiment) -> Sizes:
    """Raises SoftlabError for images that are not in DATA."""
    data = experiment.data.partition(":")[0]
    check_known("data set of the index", data, DATA)
    known = DATA[data]
    classes = experiment.class_count or known.classes
    classes = classes // 2 if experiment.half else classes
    images = experiment.train_size or known.count * classes // known.classes
    if experiment.long_tail != 1:
        images = _left_in_tail(images // classes, classes, experiment.long_tail)
    per_epoch = experiment.steps_per_epoch or math.ceil(images / experiment.batch_size)
    return Sizes(classes, images, per_epoch * experiment.epochs)


def _left_in_tail(most: int, classes: int, ratio: float) -> int:
    """How many images sampling.long_tail keeps of classes with `most` each."""
    return sum(round(most * ratio ** (-rank / (classes - 1))) for rank in range(classes))


def _properties(experiment: Experiment, letters: Mapping[str, str]) -> dict[str, Any]:
    """The columns that say what a setting is."""
    sizes = sizes_of(experiment)
    data = experiment.data.partition(":")[0]
    found: dict[str, Any] = {"data": data, "colour": DATA[data].colour, **dataclasses.asdict(sizes)}
    found |= {"model": experiment.model, "width": experiment.width or ARCHITECTURES[experiment.model].width}
    found |= {"feature_dimension": experiment.feature_dimension or math.nan}
    found |= {name: getattr(experiment, name) for name in SHOWN}
    found |= {"setting": _digest(experiment, sizes)}
    return found | {"letter": letters.get(_digest(experiment, sizes, COMPUTED), "")}


def _digest(experiment: Experiment, sizes: Sizes, besides: tuple[str, ...] = ()) -> str:
    """Of all that networks of one setting share.  besides: fields that are left out, too."""
    shared = {name: value for name, value in experiment.as_dict().items() if name not in (*INSIDE, *besides)}
    text = json.dumps([shared, dataclasses.asdict(sizes)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _letters() -> dict[str, str]:
    """The letters of the book's settings, by their digest, however they are computed."""
    found = {}
    about = records.about("core")
    for profile in SETTINGS.keys() & about.keys():
        experiment = Experiment(**about[profile]["experiment"])
        found[_digest(experiment, sizes_of(experiment), COMPUTED)] = SETTINGS[profile][0]
    return found
