"""The estimate of accuracy under attack from one gradient, and how an attack's road bends away from it."""

import functools

import pandas

from softbook.statements.origin import exactly
from softbook.studies import bending, margins, records
from softlab.comparison.intervals import Interval


def estimate_errors(
    profile: str, radius: str = "", study: str = "", method: str = "", of: str = "estimate", size: bool = False
) -> list[Interval]:
    """Points by which the estimate, or `one_step`, is above an attack, a method and dose each; of any study and radius.

    size: without their signs.
    """
    units = _estimates(profile, radius, study)
    units = units.loc[units["method"] == method] if method else units
    errors = (units[of] - units["attacked"]).to_numpy(float)
    found = [exactly(float(abs(error) if size else error)) for error in errors]
    if not study:
        return found
    table = records.by_profile(study)[profile]
    return [error.of(table, f"{of.replace('_', ' ')} minus attack at {radius} (points)") for error in found]


def errors_after(steps: int) -> list[Interval]:
    """Points by which the estimate misses 4/255 at A after so many steps, the mean over methods: by training images."""
    return [exactly(one.error) for (_, walked), one in margins.in_cells().items() if walked == steps]


def bend(profile: str, methods: list[str]) -> list[Interval]:
    """The share of its lead that 4/255 leaves, less what a line along the first gradient would: mean over networks."""
    table = bending.recorded(profile)
    table = table.loc[table["radius"] == 4]
    more = table["attacked"] - table["straight"]
    own = [more.loc[table["method"] == method] for method in methods]
    return [exactly(float(one.mean()), len(one)) for one in own]


def _estimates(profile: str, radius: str, study: str) -> pandas.DataFrame:
    if study:
        return margins.estimate_units(records.by_profile(study)[profile], radius)
    units = _all()
    return units.loc[(units["profile"] == profile) & (units["radius"].isin([radius]) if radius else True)]


@functools.cache
def _all() -> pandas.DataFrame:
    """Of everything on record, which takes a while."""
    return margins.every_estimate()
