"""What a sweep found: one tidy table, a page that stands alone, and the same page for the book.

python sweep_report.py BUILD PROFILE SWEEP, after the last point, writes table.csv, about.json and report.html into
BUILD/sweeps/NAME.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas
import plan
from matplotlib.figure import Figure
from sweep import COLUMNS, Sweep, load_sweep

from softbook.figures import against
from softbook.page import results
from softlab.comparison.effects import averages, effects, seed_means_at
from softlab.figures import style
from softlab.files import short_digest, write_json, write_whole
from softlab.inspector.pages import Part, save_page, to_html
from softlab.numbers.quantities import QUANTITIES
from softlab.profile import Profile
from softlab.provenance import store_folder

KEPT = ("profile", "standing", "data", "data_digest", "date", "commit", "device", "machine", "torch", "python")


def collect(sweep: Sweep, out: Path, profile: str) -> tuple[pandas.DataFrame, dict]:
    """One row per point, method, seed and quantity (and notebook, if any); and what all of them have in common."""
    found = []
    about = {}
    manifests = {} if sweep.notebooks else plan.rows(out)
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
            for one in rows:
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
    networks = by_network(table, about)
    groups: Any = networks.groupby(others, sort=False) if others else [((), networks)]
    for values, some in groups:
        where = ", ".join(f"{label} = {value}" for label, value in zip(others, values, strict=True))
        if where:
            parts.append(f"With {where}:")
        seen = f"{', '.join(QUANTITIES[name].label for name in about['show'])}: one panel each, against {first}"
        parts.append((draw(some, first, about["show"]), f"{seen}{', ' * bool(where)}{where}"))
        parts.append(means(some, first, about["show"]))
        gained = gains(some, first, about["show"])
        parts += [] if gained.empty else [f"Each method minus the baseline, by {first}:", gained]
    return parts


def by_network(table: pandas.DataFrame, about: Mapping) -> pandas.DataFrame:
    """A row for each method, seed and point, with a column for each quantity, as effects.py takes tables."""
    wide = table.pivot_table(index=[*about["axes"], "method", "seed"], columns="quantity", values="value", sort=False)
    for name in about["show"]:
        if name not in wide:
            raise SystemExit(f"nothing in it measures {name!r}")
    return wide.reset_index().assign(id="", images=[{}] * len(wide))


def draw(table: pandas.DataFrame, axis: str, show: Sequence[str]) -> Figure:
    """One panel for each quantity."""
    columns = min(2, len(show))
    rows = -(-len(show) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(4.1 * columns, 2.7 * rows), layout="constrained", squeeze=False)
    for ax in axes.flat[len(show) :]:
        ax.set_visible(False)
    places = list(table[axis].unique())
    side_by_side = table.assign(**{axis: [places.index(place) for place in table[axis]]})
    for ax, name in zip(axes.flat, show, strict=False):
        points = seed_means_at(side_by_side, axis, name)
        against(points, QUANTITIES[name].label, ax=ax).set_xticks(range(len(places)), map(str, places))
        ax.set_xlabel(axis)
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, frameon=False)
    return figure


def means(table: pandas.DataFrame, axis: str, show: Sequence[str]) -> pandas.DataFrame:
    """Every quantity for each method and value, and where it has moved since the first value, paired by seed."""
    found: dict = {}
    for name in show:
        for method, own in table.groupby("method", sort=False):
            at = dict(list(own.groupby(axis, sort=False)))
            for place, rows in at.items():
                moved = effects(rows, name, next(iter(at.values())))[str(method)].interval.side()
                for mean in averages(rows, name).values():
                    text = mean.scaled(QUANTITIES[name].factor).text(QUANTITIES[name].digits)
                    text += {1: " ↑", -1: " ↓", 0: ""}[moved]
                    found.setdefault(QUANTITIES[name].label, {})[style(str(method)).label, place] = text
    return pandas.DataFrame(found).rename_axis(["method", axis])


def gains(table: pandas.DataFrame, axis: str, show: Sequence[str]) -> pandas.DataFrame:
    """What each method gains over the baseline at each value, paired by seed; empty without a baseline."""
    found: dict = {}
    for method in table["method"].unique():
        for place, rows in table.groupby(axis, sort=False):
            for name in show if "baseline" in set(rows["method"]) else ():
                if one := effects(rows, name).get(method):
                    found.setdefault(QUANTITIES[name].changed, {})[style(method).label, place] = f"{one:+}"
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
