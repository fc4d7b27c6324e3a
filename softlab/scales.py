"""The same effects at several scales: this build's table of a study, and all that are on record."""

import json
from collections.abc import Mapping

import pandas

from softlab import records
from softlab.effects import Effects, effects
from softlab.profile import Profile


def effects_at_scales(
    table: pandas.DataFrame, quantity: str, settings: Profile, study: str = "core"
) -> dict[str, Effects]:
    """What methods do to a quantity, in this table of a study and at every scale on record: {its description: Effects}.

    A scale without anything to compare is left out.
    """
    found = {label: effects(one, quantity) for label, one in tables_at_scales(table, settings, study).items()}
    return {label: one for label, one in found.items() if any(effect.interval.n for effect in one.values())}


def tables_at_scales(
    table: pandas.DataFrame, settings: Profile, study: str = "core", distinct: bool = False
) -> dict[str, pandas.DataFrame]:
    """This table of a study and all that are on record, by their description: those that have a baseline.

    distinct: of tables of one setting only the recorded one whose seeds start last, which nobody had looked at.
    """
    tables, about = {f"this build: {settings.description}": table}, records.about(study)
    set_as = {next(iter(tables)): settings.experiment.as_dict()}
    for name, recorded_table in records.scales(study, besides=table).items():
        label = about[name]["description"]
        label = f"{label} ({name})" if label in tables else label
        tables[label] = recorded_table
        set_as[label] = about[name].get("experiment")
    if distinct:
        order = sorted(tables, key=lambda label: tables[label]["seed"].min())
        last = {json.dumps(set_as[label], sort_keys=True): label for label in order}
        tables = {label: one for label, one in tables.items() if label in last.values()}
    return {label: one for label, one in tables.items() if "baseline" in set(one["method"])}


def tally(tables: Mapping[str, pandas.DataFrame], quantity: str, side: str, *methods: str) -> tuple[int, int]:
    """At how many scales all these methods do so, and of how many that can say. side: `falls` or `rises`."""
    found = [effects(table, quantity) for table in tables.values()]
    known = [one for one in found if all(one[method].interval.n > 1 for method in methods)]
    return sum(getattr(one, side)(*methods) for one in known), len(known)
