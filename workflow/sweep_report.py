"""What a sweep found: a table with a row for each number, and a page that stands alone.

python sweep_report.py BUILD PROFILE SWEEP, after the last point, writes table.csv and report.html into
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
from sweep import COLUMNS, Point, Sweep, load_sweep

from softbook.figures import against
from softbook.page import results
from softlab.comparison.effects import averages, effects, seed_means_at
from softlab.errors import SoftlabError, check_known
from softlab.figures import style
from softlab.files import short_digest, write_whole
from softlab.inspector.pages import Part, save_page
from softlab.numbers.quantities import QUANTITIES
from softlab.provenance import store_folder


def main(out: Path, profile: str, name: str) -> None:
    sweep = load_sweep(name)
    folder = out / "sweeps" / sweep.name
    found, about = of_notebooks(sweep, folder) if sweep.notebooks else of_networks(sweep, out, profile)
    table = tidy(sweep, found)
    save_page(folder / "report.html", sweep.title, report(sweep, table, about))
    write_whole(folder / "table.csv", lambda file: file.write(table.to_csv(index=False).encode()))
    print(f"{len(table)} numbers of {len(sweep.points)} points: {folder / 'table.csv'}, {folder / 'report.html'}")


def of_notebooks(sweep: Sweep, folder: Path) -> tuple[list[tuple[Point, dict]], dict]:
    """The numbers in the results files of notebooks, each with its point; and what one of them says of itself."""
    found = []
    about = {}
    for name, point in sweep.points.items():
        for notebook in sweep.notebooks:
            about = results.read(folder / "points" / name / f"{notebook}.results.json")
            found += [(point, {"notebook": notebook, **one}) for one in about["measurements"]]
    return found, about


def of_networks(sweep: Sweep, out: Path, profile: str) -> tuple[list[tuple[Point, dict]], dict]:
    """The numbers of a sweep's networks, each with its point; and what is recorded of how one of them was trained."""
    found = []
    manifests = plan.rows(out, sweep.name)
    about = {}
    for point in sweep.points.values():
        settings = point.settings(profile)
        for network in plan.networks(settings):
            row = manifests[short_digest(network)]
            of = {"method": row["method"], "seed": row["seed"]}
            found += [(point, {**of, "quantity": name, "value": value}) for name, value in row["values"].items()]
            about = {"profile": settings.name, "standing": settings.standing, "data": settings.experiment.data}
            about |= json.loads((store_folder() / row["id"] / "provenance.json").read_bytes())
    return found, about | {"date": about["trained"][:10]}


def tidy(sweep: Sweep, found: Sequence[tuple[Point, dict]]) -> pandas.DataFrame:
    """One row for each number. Lists, mappings and null on an axis stand as text, so that they can be sorted."""
    rows = [{label: _cell(value) for label, value in point.values.items()} | number for point, number in found]
    table = pandas.DataFrame(rows)
    return table.reindex(columns=[name for name in (*sweep.axes, *COLUMNS) if name in table])


def _cell(value: object) -> object:
    return value if isinstance(value, (int, float, str)) else json.dumps(value, sort_keys=True)


def report(sweep: Sweep, table: pandas.DataFrame, about: Mapping) -> list[Part]:
    """The page: sentences, figures, tables. The first axis runs along the figures, others make figures of their own."""
    first, *others = sweep.axes
    # Axes that move with the first one (zip) say nothing of their own.
    others = [label for label in others if any(table.groupby(first)[label].nunique() > 1)]
    seeds = sorted(table["seed"].unique())
    origin = (
        f"Profile {about['profile']} ({about['standing']}), data {about['data']} (digest {about['data_digest'][:12]}), "
        f"{len(seeds)} seeds from {seeds[0]}, commit {about['commit']}, torch {about['torch']}, {about['device']}, "
        f"{about['date']}. Numbers are means over seeds ± half of their 95 % intervals; an arrow stands where the "
        f"interval of the paired change from the first {first} does not contain zero."
    )
    parts: list[Part] = [sweep.about, origin] if sweep.about else [origin]
    networks = by_network(sweep, table)
    groups: Any = networks.groupby(others, sort=False) if others else [((), networks)]
    for values, some in groups:
        where = ", ".join(f"{label} = {value}" for label, value in zip(others, values, strict=True))
        parts += [f"With {where}:"] if where else []
        shown = ", ".join(QUANTITIES[name].label for name in sweep.show)
        parts.append(
            (draw(some, first, sweep.show), f"{shown}: one panel each, against {first}{', ' * bool(where)}{where}")
        )
        parts.append(means(some, first, sweep.show))
        gained = gains(some, first, sweep.show)
        parts += [] if gained.empty else [f"Each method minus the baseline, by {first}:", gained]
    return parts


def by_network(sweep: Sweep, table: pandas.DataFrame) -> pandas.DataFrame:
    """A row for each method, seed and point, with a column for each quantity, as effects.py takes tables."""
    wide = table.pivot_table(index=[*sweep.axes, "method", "seed"], columns="quantity", values="value", sort=False)
    for name in sweep.show:
        check_known(f"quantity to show of sweep {sweep.name}", name, wide.columns)
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
        quantity = QUANTITIES[name]
        for method, own in table.groupby("method", sort=False):
            at = dict(list(own.groupby(axis, sort=False)))
            for place, rows in at.items():
                moved = effects(rows, name, next(iter(at.values())))[str(method)].interval.side()
                for mean in averages(rows, name).values():
                    text = mean.scaled(quantity.factor).text(quantity.digits) + {1: " ↑", -1: " ↓", 0: ""}[moved]
                    found.setdefault(quantity.label, {})[style(str(method)).label, place] = text
    return pandas.DataFrame(found).rename_axis(["method", axis])


def gains(table: pandas.DataFrame, axis: str, show: Sequence[str]) -> pandas.DataFrame:
    """What each method gains over the baseline at each value, paired by seed; empty without a baseline."""
    found: dict = {}
    with_baseline = [
        (place, rows) for place, rows in table.groupby(axis, sort=False) if "baseline" in set(rows["method"])
    ]
    for method in table["method"].unique():
        for place, rows in with_baseline:
            for name in show:
                if effect := effects(rows, name).get(method):
                    found.setdefault(QUANTITIES[name].changed, {})[style(method).label, place] = f"{effect:+}"
    return pandas.DataFrame(found).rename_axis(["method", axis] if found else None)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]), *sys.argv[2:])
    except SoftlabError as error:
        sys.exit(f"softlab: {error}")
