"""What benchmarks/results says about speed: one table for the terminal and for the page book/speed.md.

A record is what benchmarks/common.py wrote: times of contestants as ratios to one of them. Nothing here needs torch.
"""

import json
from collections.abc import Iterable
from pathlib import Path

import pandas
from number_page import table

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
KINDS = ("cpu", "gpu")
DASH = "–"
TOGETHER = "\u00a0"  # a space at which no line ends
HEADINGS = ["what", "measured", "beside", "CPU", "GPU"]
TITLES = {  # in the table's order
    "training_overhead": "An epoch of training",
    "time_to_accuracy": "Training to a test accuracy",
    "networks_to_accuracy": "Training to a test accuracy in colour",
    "gpu_training": "Training, images per second",
    "airbench_network": "An epoch of airbench’s network",
    "own_criterion": "In your own training: a loss",
    "own_mixture_mixup": "In your own training: Mixup",
    "own_mixture_cutmix": "In your own training: CutMix",
    "own_step": "In your own training: a step",
    "own_monitor": "In your own training: the monitor",
    "many_networks": "Many small networks",
    "feature_extraction": "Features of a data set",
    "attacks": "Attacks",
    "choosing": "Choosing a dose or an epoch for robustness",
    "calibration_temperature": "Best temperature",
    "calibration_error": "Calibration errors",
    "geometry_variation": "Within-class variation",
    "geometry_pairs": "Within-class variation, by its definition",
    "geometry_onset": "Cone onset",
    "geometry_centers": "Class centres",
    "engine_notebook": "Executing a notebook",
    "start_up": "Starting",
    "try_chapter": "Trying a chapter",
    "try_file": "Trying the one file",
    "page_forward": "A network in the browser: logits",
    "page_gradient": "A network in the browser: gradient",
    "page_attack": "A network in the browser: PGD-20",
}
ON_GPU = (
    "time_to_accuracy",
    "gpu_training",
    "airbench_network",
    "many_networks",
    "feature_extraction",
    "attacks",
)  # the rest is measured on the CPU only
WITHOUT_PEER = ("engine", "planning")  # one thing at several sizes
RATES = (  # how names of notes begin
    "images per second",
    "seconds an epoch",
    "peak memory",
    "share of the device",
    "points below the best candidate",
)


def records(folder: Path = RESULTS) -> list[dict]:
    """All records with a peer or a bound, in the table's order; what has no title comes last, under its own name."""
    found = []
    for path in sorted(folder.glob("*.json")):
        name, _, kind = path.stem.rpartition(".")
        if kind in KINDS and name not in WITHOUT_PEER:
            found.append({"notes": {}} | json.loads(path.read_bytes()))
            found[-1] |= {"name": name, "kind": kind, "title": TITLES.get(name, name)}
    order = [*TITLES]
    return sorted(found, key=lambda one: order.index(one["name"]) if one["name"] in order else len(order))


def by_kind(entries: Iterable[tuple[tuple[str, str, str], str, str]]) -> list[list[str]]:
    """Rows of three words and the cells for CPU and GPU. entries: words, kind, cell."""
    found: dict[tuple[str, str, str], dict[str, str]] = {}
    for words, kind, text in entries:
        found.setdefault(words, {})[kind] = text
    return [[*words, *(texts.get(kind, DASH) for kind in KINDS)] for words, texts in found.items()]


def pairs(found: list[dict]) -> list[list[str]]:
    """The time of each contestant over its reference's, with quartiles if there were several rounds."""

    def ratio(row: dict) -> str:
        low, high = row["ratio_quartiles"]
        return f"{row['ratio']:.2f} ×" + (f" ({low:.2f} to {high:.2f})" if low != high else "")

    return by_kind(
        ((one["title"], name, one["reference"]), one["kind"], ratio(row))
        for one in found
        for name, row in one["rows"].items()
        if name != one["reference"]
    )


def rates(found: list[dict]) -> list[list[str]]:
    """Rates and memory noted with the times."""
    return by_kind(
        ((one["title"], quantity, contestant), one["kind"], f"{value:,}")
        for one in found
        for quantity, values in one["notes"].items()
        if quantity.startswith(RATES) and isinstance(values, dict)
        for contestant, value in values.items()
    )


def settings(one: dict) -> list[str]:
    """What was measured, where, how, and its target."""
    notes = one["notes"]
    where = f"{one['date']}, {one['hardware']}, {one['commit']}"
    aim = [notes.get("target"), {True: "met", False: "not met"}.get(notes.get("target met"))]
    how = ". ".join(filter(None, [one["setting"], notes.get("how")]))
    return [one["title"], one["kind"].upper(), where, how, ": ".join(filter(None, aim))]


def terminal(found: list[dict]) -> str:
    """The table in columns."""
    return pandas.DataFrame(pairs(found), columns=HEADINGS).to_string(index=False)


def filled(page: str, folder: Path = RESULTS) -> str:
    """The page with its tables."""
    found = records(folder)
    changed = [(one, one["notes"]["changed since"]) for one in found if "changed since" in one["notes"]]
    gaps = [f"- {one['title']} ({one['kind'].upper()}), before a change that matters: {what}." for one, what in changed]
    on_gpu = {one["name"] for one in found if one["kind"] == "gpu"}
    missing = [TITLES[name] for name in ON_GPU if name not in on_gpu]
    gaps += [f"- Not measured on a GPU yet: {'; '.join(missing)}."] if missing else []
    measured = {one["name"] for one in found}
    never = [title for name, title in TITLES.items() if name not in {*measured, *ON_GPU}]
    gaps += [f"- Not measured yet: {'; '.join(never)}."] if never else []
    gaps += ["- What else stands here is measured on the CPU only."]
    ratios = [[*row[:3], *(cell.replace(" ", TOGETHER) for cell in row[3:])] for row in pairs(found)]
    places = {
        "speed beside peers": table(HEADINGS, ratios),
        "rates and memory": table(["what", "quantity", "of", "CPU", "GPU"], rates(found)),
        "how speed was measured": table(
            ["what", "on", "date, hardware, commit", "setting", "aim"], [settings(one) for one in found]
        ),
        "what is missing about speed": "\n".join(gaps),
    }
    for place, text in places.items():
        page = page.replace(f"<!-- {place} -->", text if found else "*Nothing has been measured here: `make bench`.*")
    return page
