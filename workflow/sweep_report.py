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
from softlab.files import write_json, write_whole
from softlab.intervals import Interval, between, t_interval
from softlab.pages import Part, save_page, to_html
from softlab.profile import Profile
from softlab.provenance import store_folder
from softlab.quantities import QUANTITIES, Quantity
from softlab.store import FAILURE

KEPT = ("profile", "standing", "data", "data_digest", "date", "commit", "device", "machine", "torch", "python")
Values = Mapping[str, Mapping[str, Mapping[int, float]]]  # {method: {value of the axis: {seed: number}}}


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
            rows = [manifests[plan.digest(one)] for one in plan.networks(settings, ["core"])]
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
    once = " With one seed there are no intervals, and nothing is said about changes." if len(seeds) == 1 else ""
    parts: list[Part] = [about["about"]] if about["about"] else []
    parts.append(
        f"Profile {about['profile']} ({about['standing']}), data {about['data']} (digest {about['data_digest'][:12]}), "
        f"{len(seeds)} seeds from {seeds[0]}, commit {about['commit']}, torch {about['torch']}, {about['device']}, "
        f"{about['date']}. Lines are means over seeds, bars 95 % intervals.{once}"
    )
    groups: Any = table.groupby(others, sort=False) if others else [((), table)]
    for values, some in groups:
        where = ", ".join(f"{label} = {value}" for label, value in zip(others, values, strict=True))
        shown = {name: _values(some, name, first) for name in about["show"]}
        for name in [name for name, found in shown.items() if not found]:
            raise SystemExit(f"{about['sweep']}: nothing in it measures {name!r}")
        if where:
            parts.append(f"With {where}:")
        parts.append((draw(shown, first), _seen(shown, first, where)))
        parts += [found for found in (changes(shown, first), gains(shown, first)) if not found.empty]
        parts.append(means(shown, first))
    return parts


def _values(table: pandas.DataFrame, quantity: str, axis: str) -> Values:
    found: dict = {}
    for row in table.loc[table["quantity"] == quantity].dropna(subset=["value"]).to_dict("records"):
        found.setdefault(row["method"], {}).setdefault(row[axis], {})[row["seed"]] = row["value"]
    return found


def unit(name: str) -> Quantity:
    """How a quantity is called and written; claims' statistics as they are."""
    return QUANTITIES.get(name, Quantity(name, "", digits=3))


def draw(shown: Mapping[str, Values], axis: str) -> Figure:
    """One panel for each quantity."""
    columns = min(2, len(shown))
    rows = -(-len(shown) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.1 * columns, 2.7 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[len(shown) :]:
        ax.set_visible(False)
    for ax, (name, by_method) in zip(axes.flat, shown.items(), strict=False):
        written = unit(name)
        for method, by_value in by_method.items():
            intervals = [t_interval(list(numbers.values())).scaled(written.factor) for numbers in by_value.values()]
            width = [one.half_width if one.n > 1 else 0 for one in intervals]
            look, places = style(method), list(by_value)
            if not all(isinstance(place, (int, float)) for place in places):
                places = [str(place) for place in places]
            means = [one.mean for one in intervals]
            ax.errorbar(places, means, width, color=look.color, marker=look.marker, ms=5, capsize=2, label=look.label)
        _spread_out(ax, list(by_value))
        ax.set(xlabel=axis, ylabel=written.label)
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


def _seen(shown: Mapping[str, Values], axis: str, where: str) -> str:
    """What the figure shows, in words."""
    told = [f"{'; '.join(_told(name, by_method))}" for name, by_method in shown.items()]
    return f"One panel for each quantity against {axis}{', ' * bool(where)}{where}. {'. '.join(told)}."


def _told(name: str, by_method: Values) -> list[str]:
    written = unit(name)
    told = []
    for method, by_value in by_method.items():
        along = [t_interval(list(numbers.values())).scaled(written.factor).mean for numbers in by_value.values()]
        ends = f"from {along[0]:.{written.digits}f} to {along[-1]:.{written.digits}f}"
        told.append(f"{written.label}, {style(method).label}: {ends}")
    return told


def changes(shown: Mapping[str, Values], axis: str) -> pandas.DataFrame:
    """How far each quantity moves from the first value to the last, paired by seed; empty with one value."""
    found: dict = {}
    for name, by_method in shown.items():
        written = unit(name)
        for method, by_value in by_method.items():
            places = list(by_value)
            first, last = places[0], places[-1]
            if first == last or not set(by_value[first]) & set(by_value[last]):
                continue
            moved = between({"first": by_value[first], "last": by_value[last]}, "last", "first").scaled(written.factor)
            found.setdefault(f"{written.label}", {})[style(method).label] = _in_words(moved, written.digits)
    return pandas.DataFrame(found).T.fillna("").rename_axis(f"change over {axis}")


def gains(shown: Mapping[str, Values], axis: str) -> pandas.DataFrame:
    """What each method gains over the baseline at the first value and at the last, paired by seed."""
    found: dict = {}
    for name, by_method in shown.items():
        written, plain = unit(name), by_method.get("baseline", {})
        for method, by_value in by_method.items():
            places = list(by_value)
            for value in (places[0], places[-1]) if method != "baseline" else ():
                if set(by_value[value]) & set(plain.get(value, {})):
                    gain = between({"it": by_value[value], "plain": plain[value]}, "it", "plain")
                    text = gain.scaled(written.factor).text(written.digits, sign=True)
                    found.setdefault((style(method).label, value), {})[written.label] = text
    return pandas.DataFrame(found).rename_axis(columns=["method minus baseline", axis] if found else None)


def _in_words(moved: Interval, digits: int) -> str:
    word = "" if moved.n == 1 else {1: " (rises)", -1: " (falls)", 0: " (undecided)"}[moved.side()]
    return moved.text(digits, sign=True) + word


def means(shown: Mapping[str, Values], axis: str) -> pandas.DataFrame:
    """Mean and interval of every quantity, for each method and value."""
    found: dict = {}
    for name, by_method in shown.items():
        written = unit(name)
        for method, by_value in by_method.items():
            for value, numbers in by_value.items():
                interval = t_interval(list(numbers.values())).scaled(written.factor)
                found.setdefault(written.label, {})[style(method).label, value] = interval.text(written.digits)
    return pandas.DataFrame(found).rename_axis(["method", axis])


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
