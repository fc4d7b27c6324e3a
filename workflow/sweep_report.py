"""What a sweep found: one tidy table, a page that stands alone, and the same page for the book.

python sweep_report.py BUILD PROFILE SWEEP, after the last point, writes table.csv, about.json and report.html into
BUILD/sweeps/NAME.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas
import plan
from matplotlib.figure import Figure
from sweep import COLUMNS, Sweep, load_sweep

from softlab import results
from softlab.figures import style
from softlab.files import short_digest, write_json, write_whole
from softlab.intervals import OPEN, Interval, t_interval
from softlab.pages import Part, save_page, to_html
from softlab.profile import Profile
from softlab.provenance import store_folder
from softlab.quantities import QUANTITIES
from softlab.store import FAILURE

KEPT = ("profile", "standing", "data", "data_digest", "date", "commit", "device", "machine", "torch", "python")


def collect(sweep: Sweep, out: Path, profile: str) -> tuple[pandas.DataFrame, dict]:
    """One row per point, method, seed and quantity (and notebook, if any); and what all of them have in common."""
    found, about, manifests = [], {}, {} if sweep.notebooks else plan.rows(out)
    for point in sweep.points:
        where = {label: _cell(value) for label, value in point.values.items()}
        for name in sweep.notebooks:
            file = out / "sweeps" / sweep.name / "points" / point.name / f"{name}.results.json"
            about = results.read(file)
            found += [{**where, "notebook": name, **one} for one in about["measurements"]]
        if not sweep.notebooks:
            settings = point.settings(profile)
            rows = [manifests[short_digest(one)] for one in plan.networks(settings, ["core"])]
            about = about_networks(settings, rows[-1]["id"])
            failed = {one["seed"] for one in rows if (store_folder() / one["id"] / FAILURE).exists()}
            for one in [one for one in rows if one["seed"] not in failed]:
                of = {**where, "method": one["method"], "seed": one["seed"]}
                found += [{**of, "quantity": quantity, "value": value} for quantity, value in one["values"].items()]
    about = {key: about[key] for key in KEPT}
    about |= {"sweep": sweep.name, "title": sweep.title, "about": sweep.about, "show": list(sweep.show)}
    table = pandas.DataFrame(found)
    columns = [name for name in (*sweep.axes, *COLUMNS) if name in table]
    return table.reindex(columns=columns), about | {"axes": list(sweep.axes)}


def about_networks(settings: Profile, run: str) -> dict:
    """Where the numbers of a point without notebooks come from: its profile, and what trained one of its networks."""
    record = json.loads((store_folder() / run / "provenance.json").read_bytes())
    about = {"profile": settings.name, "standing": settings.standing, "data": settings.experiment.data}
    return record | about | {"date": record["trained"][:10]}


def _cell(value: object) -> object:
    """A value of an axis for the table: lists, mappings and null as text, so that they can be told apart and sorted."""
    return value if isinstance(value, (int, float, str)) else json.dumps(value, sort_keys=True)


def report(table: pandas.DataFrame, about: Mapping) -> list[Part]:
    """The page: sentences, figures, tables. The first axis runs along the figures, others make figures of their own."""
    first, *others = about["axes"]
    # Axes that move with the first one (zip) say nothing of their own.
    others = [label for label in others if any(table.groupby(first)[label].nunique() > 1)]
    seeds = sorted(table["seed"].unique())
    parts: list[Part] = [about["about"]] if about["about"] else []
    parts.append(
        f"Profile {about['profile']} ({about['standing']}), data {about['data']} (digest {about['data_digest'][:12]}), "
        f"{len(seeds)} seeds from {seeds[0]}, commit {about['commit']}, torch {about['torch']}, {about['device']}, "
        f"{about['date']}. Numbers are means over seeds ± half of their 95 % intervals; an arrow stands where the "
        f"interval of the paired change from the first {first} does not contain zero."
    )
    groups: Any = table.groupby(others, sort=False) if others else [((), table)]
    for values, some in groups:
        where = ", ".join(f"{label} = {value}" for label, value in zip(others, values, strict=True))
        shown = {name: by_seed(some, name, first) for name in about["show"]}
        if where:
            parts.append(f"With {where}:")
        seen = f"{', '.join(QUANTITIES[name].label for name in shown)}: one panel each, against {first}"
        parts += [(draw(shown, first), f"{seen}{', ' * bool(where)}{where}"), means(shown, first)]
        gained = gains(shown, first)
        parts += [] if gained.empty else [f"Each method minus the baseline, by {first}:", gained]
    return parts


def by_seed(table: pandas.DataFrame, quantity: str, axis: str) -> pandas.DataFrame:
    """A quantity in the units of the book: a row for each seed, a column for each method and value of the axis."""
    rows = table.loc[table["quantity"] == quantity].dropna(subset=["value"])
    if rows.empty:
        raise SystemExit(f"nothing in it measures {quantity!r}")
    wide = rows.pivot_table(index="seed", columns=["method", axis], values="value", sort=False)
    methods = list(wide.columns.unique("method"))
    order = sorted(wide.columns, key=lambda column: methods.index(column[0]))
    return wide.loc[:, order] * QUANTITIES[quantity].factor


def interval(by_seed: Any) -> Interval:
    """Over the seeds that there are; OPEN if there is none."""
    numbers = by_seed.dropna()
    return t_interval(numbers.to_numpy()) if len(numbers) else OPEN


def draw(shown: Mapping[str, pandas.DataFrame], axis: str) -> Figure:
    """One panel for each quantity."""
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.1 * columns, 2.7 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, (name, wide) in zip(axes.flat, shown.items(), strict=False):
        for method in wide.columns.unique("method"):
            along = {place: interval(wide[method, place]) for place in wide[method]}
            places = list(along) if all(isinstance(one, (int, float)) for one in along) else list(map(str, along))
            width = [one.half_width if one.n > 1 else 0 for one in along.values()]
            look, middle = style(str(method)), [one.mean for one in along.values()]
            ax.errorbar(places, middle, width, color=look.color, marker=look.marker, ms=5, capsize=2, label=look.label)
        _spread_out(ax, list(wide.columns.unique(axis)))
        ax.set(xlabel=axis, ylabel=QUANTITIES[name].label)
        ax.grid(alpha=0.3)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def _spread_out(ax, values: list) -> None:
    """A logarithmic axis where numbers span more than a factor of ten; around zero it is linear."""
    numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
    positive = [value for value in numbers if value > 0]
    if len(numbers) < len(values) or len(positive) < 2 or min(numbers) < 0 or max(positive) < 10 * min(positive):
        return
    ax.set_xscale("symlog", linthresh=min(positive)) if min(numbers) == 0 else ax.set_xscale("log")
    ax.set_xticks(numbers, [f"{number:g}" for number in numbers])
    ax.minorticks_off()


def means(shown: Mapping[str, pandas.DataFrame], axis: str) -> pandas.DataFrame:
    """Every quantity for each method and value, and where it has moved since the first value, paired by seed."""
    found: dict = {}
    for name, wide in shown.items():
        for method, place in wide:
            moved = interval(wide[method, place] - wide[method].iloc[:, 0]).side()
            text = interval(wide[method, place]).text(QUANTITIES[name].digits) + {1: " ↑", -1: " ↓", 0: ""}[moved]
            found.setdefault(QUANTITIES[name].label, {})[style(method).label, place] = text
    return pandas.DataFrame(found).rename_axis(["method", axis])


def gains(shown: Mapping[str, pandas.DataFrame], axis: str) -> pandas.DataFrame:
    """What each method gains over the baseline at each value, paired by seed; empty without a baseline."""
    found: dict = {}
    for name, wide in shown.items():
        for method, place in wide:
            if method != "baseline" and ("baseline", place) in wide:
                gain = interval(wide[method, place] - wide["baseline", place])
                text = gain.text(QUANTITIES[name].digits, sign=True)
                found.setdefault(QUANTITIES[name].changed, {})[style(method).label, place] = text
    return pandas.DataFrame(found).rename_axis(["method", axis] if found else None)


def page(folder: Path) -> str:
    """The page of a sweep for the book, as MyST; figures are inside, so that it is one file."""
    about = json.loads((folder / "about.json").read_bytes())
    # Text stays what it is ("null", "None"); only a missing value is one.
    table = pandas.read_csv(folder / "table.csv", keep_default_na=False, na_values={"value": [""]})
    parts = report(table, about)
    return f"""# {about["title"]}

```{{raw}} html
{to_html(parts)}
```

{{download}}`All numbers as a table (CSV) <{folder.name}.csv>`
"""


def write(folder: Path, table: pandas.DataFrame, about: Mapping) -> None:
    write_json(folder / "about.json", about)
    save_page(folder / "report.html", about["title"], report(table, about))
    write_whole(folder / "table.csv", lambda file: file.write(table.to_csv(index=False).encode()))


def main(out: Path, profile: str, name: str) -> None:
    sweep = load_sweep(name)
    folder = out / "sweeps" / sweep.name
    table, about = collect(sweep, out, profile)
    write(folder, table, about)
    print(f"{len(table)} numbers of {len(sweep.points)} points: {folder / 'table.csv'}, {folder / 'report.html'}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
