"""What benchmarks/results says about speed: one table for the terminal and for the page book/speed.md.

A record is what benchmarks/common.py wrote: times of contestants as ratios to one of them. Nothing here needs torch.
"""

import json
from pathlib import Path

from number_page import table

RESULTS = Path(__file__).resolve().parent.parent / "benchmarks" / "results"
KINDS = ("cpu", "gpu")
DASH = "–"
TOGETHER = "\u00a0"  # a space at which no line ends
HEADINGS = ["what", "measured", "beside", "CPU", "GPU", "date", "hardware", "commit"]
TITLES = {  # in the table's order
    "training_overhead": "An epoch of training",
    "time_to_accuracy": "Training to a test accuracy",
    "gpu_training": "Training, images per second",
    "feature_extraction": "Features of a data set",
    "attacks": "Attacks",
    "calibration_temperature": "Best temperature",
    "calibration_error": "Calibration errors",
    "geometry_variation": "Within-class variation",
    "geometry_pairs": "Within-class variation, by its definition",
    "geometry_onset": "Cone onset",
    "geometry_centers": "Class centres",
    "engine_notebook": "Executing a notebook",
    "page_forward": "A network in the browser: logits",
    "page_gradient": "A network in the browser: gradient",
    "page_attack": "A network in the browser: PGD-20",
}
ON_GPU = ("time_to_accuracy", "gpu_training", "feature_extraction")  # the rest is measured on the CPU only
WITHOUT_PEER = ("engine", "planning")  # one thing at several sizes: book/sweeps.md
RATES = ("images per second", "seconds an epoch", "peak memory", "share of the device")  # how names of notes begin
SINCE = {  # commits of records that no longer tell how fast the code is
    "1c1c3decf2": "each step waited for random numbers on their way to the GPU; since then they are sent without "
    "waiting, and this has not been measured",
}

Records = dict[str, dict[str, dict]]  # name of the benchmark: {cpu or gpu: record}


def records(folder: Path = RESULTS) -> Records:
    """All records with a peer or a bound, in the table's order; what has no title comes last, under its own name."""
    found: Records = {}
    for path in sorted(folder.glob("*.json")):
        name, _, kind = path.name.removesuffix(".json").rpartition(".")
        if kind in KINDS and name not in WITHOUT_PEER:
            found.setdefault(name, {})[kind] = json.loads(path.read_bytes())
    order = [*TITLES, *sorted(set(found) - set(TITLES))]
    return {name: found[name] for name in order if name in found}


def ratio(row: dict | None) -> str:
    """The time of a contestant over the reference's, and the quartiles of this ratio if there was more than a round."""
    if row is None:
        return DASH
    low, high = row["ratio_quartiles"]
    spread = f" ({low:.2f} to {high:.2f})" if low != high else ""
    return f"{row['ratio']:.2f} ×{spread}"


def pairs(found: Records) -> list[list[str]]:
    """One row for each contestant that was measured beside a reference, as HEADINGS says."""
    rows = []
    for name, by_kind in found.items():
        title = TITLES.get(name, name)
        beside = dict.fromkeys((one, record["reference"]) for record in by_kind.values() for one in record["rows"])
        for contestant, reference in beside:
            if contestant == reference:
                continue
            have = {
                kind: record
                for kind, record in by_kind.items()
                if contestant in record["rows"] and record["reference"] == reference
            }
            ratios = [ratio(have[kind]["rows"][contestant] if kind in have else None) for kind in KINDS]
            told = [" / ".join(have[kind][key] for kind in KINDS if kind in have) for key in HEADINGS[-3:]]
            rows.append([title, contestant, reference, *ratios, *told])
            title = ""
    return rows


def settings(found: Records) -> list[list[str]]:
    """What was measured by each benchmark, where, and what was to be reached."""
    rows = []
    for name, by_kind in found.items():
        for kind, record in by_kind.items():
            notes = record.get("notes", {})
            met = {True: "met", False: "not met", None: ""}[notes.get("target met")]
            aim = ": ".join(one for one in (notes.get("target", ""), met) if one)
            how = notes.get("how", "")
            where = f"{record['date']}, {record['hardware']}, {record['commit']}"
            rows.append([TITLES.get(name, name), kind.upper(), where, f"{record['setting']}{how and '. '}{how}", aim])
    return rows


def rates(found: Records) -> list[list[str]]:
    """Rates and memory that were noted beside the times."""
    rows = []
    for name, by_kind in found.items():
        noted: dict[tuple[str, str], dict[str, float]] = {}
        for kind, record in by_kind.items():
            for quantity, values in record.get("notes", {}).items():
                if quantity.startswith(RATES) and isinstance(values, dict):
                    for contestant, value in values.items():
                        noted.setdefault((quantity, contestant), {})[kind] = value
        for (quantity, contestant), values in noted.items():
            cells = [f"{values[kind]:,}" if kind in values else DASH for kind in KINDS]
            rows.append([TITLES.get(name, name), quantity, contestant, *cells])
    return rows


def outdated(found: Records) -> list[str]:
    """A sentence for each record of code that has changed in a way that matters to its speed."""
    return [
        f"{TITLES.get(name, name)} ({kind.upper()}, commit {record['commit']}): {SINCE[record['commit']]}."
        for name, by_kind in found.items()
        for kind, record in by_kind.items()
        if record["commit"] in SINCE
    ]


def terminal(found: Records) -> str:
    """The table in columns, with a line below for what it no longer tells."""
    rows = [HEADINGS, *pairs(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*lines, *(f"before a change: {one}" for one in outdated(found))])


def filled(page: str, folder: Path = RESULTS) -> str:
    """The page with its tables."""
    found = records(folder)
    gaps = [f"- Before a change that matters: {one}" for one in outdated(found)]
    missing = [TITLES[name] for name in ON_GPU if "gpu" not in found.get(name, {})]
    gaps += [f"- Not measured on a GPU yet: {'; '.join(missing)}."] if missing else []
    gaps += ["- What else stands here is measured on the CPU only."]
    ratios = [[*row[:3], *(cell.replace(" ", TOGETHER) for cell in row[3:5])] for row in pairs(found)]
    places = {
        "speed beside peers": table(HEADINGS[:5], ratios),
        "rates and memory": table(["what", "quantity", "of", "CPU", "GPU"], rates(found)),
        "how speed was measured": table(["what", "on", "date, hardware, commit", "setting", "aim"], settings(found)),
        "what is missing about speed": "\n".join(gaps),
    }
    for place, text in places.items():
        page = page.replace(f"<!-- {place} -->", text if found else "*Nothing has been measured here: `make bench`.*")
    return page
