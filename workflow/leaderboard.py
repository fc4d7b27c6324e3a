"""The page book/leaderboard.md: what a practitioner asks of a method, from the table of all numbers, to be sorted.

One row for each method, at the dose with the lowest NLL on the images for fitting: the test images choose nothing.
"""

from html import escape
from pathlib import Path

import number_page
import pandas

from softlab.numbers.quantities import QUANTITIES
from softlab.profile import load_profile, packaged_profiles

CHOSEN_BY = "NLL, fit"
SORTED_BY = "NLL at T"
COLUMNS = {  # quantity -> heading
    "accuracy": "accuracy (%)",
    "NLL": "NLL",
    "NLL at T": "NLL at T",
    "ECE": "ECE (%)",
    "ECE at T": "ECE at T (%)",
    "AURC": "AURC (%)",
    "corrupted": "corrupted (%)",
    "robust, 1/255": "attack 1/255 (%)",
    "robust, 4/255": "attack 4/255 (%)",
}
WHERE_RECORDED = {  # in settings that have them; none of the three is better or worse by itself
    "log margin": "log margin",
    "log slope": "log slope",
    "log first-order radius": "log margin/slope",
}


def add(site: Path, build: Path) -> None:
    """Fill book/leaderboard.md with its tables. build: where numbers/all.csv is."""
    page = site / "book" / "leaderboard.md"
    path = build / "numbers" / "all.csv"
    tables = "*This build has no table of numbers.*"
    if path.exists():
        numbers = pandas.read_csv(path, keep_default_na=False, na_values=dict.fromkeys(number_page.FLOATS, ""))
        sections = [_section(scale, rows) for scale, rows in _scales(numbers)]
        page.with_suffix(".html").write_text(number_page.script())
        tables = "\n\n".join([*sections, "```{raw} html\n:file: leaderboard.html\n```"])
    page.write_text(page.read_text().replace("<!-- the leaderboard -->", tables))


def _scales(numbers: pandas.DataFrame) -> list[tuple[str, pandas.DataFrame]]:
    """Each setting once, at the scale that has most networks of it: other seeds of one setting are no other scale."""
    found: dict[str, list[tuple[int, str, pandas.DataFrame]]] = {}
    for scale in dict.fromkeys(numbers["scale"]):
        rows = of_scale(numbers.loc[numbers["scale"] == scale])
        size = int(rows.loc[rows["name"] == SORTED_BY, "networks"].sum())
        experiment = load_profile(scale).experiment.as_dict() if scale in packaged_profiles() else {"scale": scale}
        found.setdefault(str({**experiment, "snapshot_epochs": []}), []).append((size, str(scale), rows))
    largest = [max(some, key=lambda one: one[:2]) for some in found.values()]
    return [(scale, rows) for size, scale, rows in largest if size]


def of_scale(rows: pandas.DataFrame) -> pandas.DataFrame:
    """A scale's rows of the study `many`, and of the core for methods that `many` has at one dose or not at all."""
    many, core = (rows.loc[rows["study"] == study] for study in ("many", "core"))
    doses = many.drop_duplicates(["method", "setting"])["method"].value_counts()
    core = core.loc[~core["method"].isin(doses.index[doses > 1])]
    return pandas.concat([many.loc[~many["method"].isin(core["method"])], core])


def best(rows: pandas.DataFrame) -> pandas.DataFrame:
    """Of each method the rows at its only dose, or at its best. rows: of one scale and study, as in all.csv."""
    only = rows.drop_duplicates(["method", "setting"]).drop_duplicates("method", keep=False)
    chosen = rows.loc[rows["name"] == CHOSEN_BY].sort_values("mean", kind="stable")
    chosen = pandas.concat([only, chosen]).drop_duplicates("method")
    return rows.merge(chosen[["method", "setting"]], on=["method", "setting"])


def _section(scale: str, rows: pandas.DataFrame) -> str:
    described = load_profile(scale).description if scale in packaged_profiles() else scale
    networks = sorted(set(rows["networks"]))
    count = f"{networks[-1]} networks of each method" if networks[-1] > 1 else "one network of each method"
    told = f"{count.capitalize()} and dose, at most; lowest NLL at T first."
    return f"## {described}\n\n{told}\n\n```{{raw}} html\n{as_html(rows)}\n```"


def as_html(rows: pandas.DataFrame) -> str:
    """A table whose headings sort it, by default by NLL at the best temperature."""
    shown = best(rows)
    order = shown.loc[shown["name"] == SORTED_BY].sort_values("mean")["method"]
    columns = COLUMNS | {name: text for name, text in WHERE_RECORDED.items() if name in set(shown["name"])}
    cells = shown.assign(
        method=shown["method"].map(escape),
        dose=shown["setting"].map(escape),
        cell=[number_page.written(row, "mean") + _mark(row) for row in shown.to_dict("records")],
    )
    table = cells.pivot(index=["method", "dose"], columns="name", values="cell")
    table = table.reindex(order.map(escape), level="method").reindex(columns=list(columns)).rename(columns=columns)
    frame = table.rename_axis(columns=None).reset_index()
    look = {"classes": "display compact leaderboard", "justify": "left", "border": 0}
    html = frame.to_html(index=False, escape=False, na_rep="–", **look)
    return f'<div class="numbers full-width">{html}</div>'


def _mark(row: dict) -> str:
    """An arrow where the paired interval to the baseline has no zero: up if that is better, with the difference."""
    change = row["difference"]
    half = row["difference ±"]
    side = QUANTITIES[row["name"]].better
    if not side or not abs(change) > half:  # NaN: nothing to compare with, or one network
        return ""
    better = change * side > 0
    kind, arrow = ("better", "▲") if better else ("worse", "▼")
    note = f"{kind} than the baseline: {number_page.written(row, 'difference')}"
    return f' <span class="answers {kind}" tabindex="0" data-note="{escape(note)}">{arrow}</span>'
