"""Features, probed on classes that their network was never shown."""

from softbook.studies import judge, records
from softlab.comparison.intervals import Interval, t_interval


def beyond_stopped(cell: str, probes: list[str], profile: str) -> list[Interval]:
    """What each probe gets right with a cell's features, less plain training's stopped as accurate, in points."""
    table = records.by_profile("transfer")[profile]
    found = []
    for probe in probes:
        right = judge.by_seed(table, f"transfer, {probe}")[cell]
        stopped = judge.by_seed(table, f"transfer, stopped, {probe}")["plain"]
        what = f"transfer, {probe}: {cell}; less plain, stopped"
        found.append(t_interval((right - stopped).to_numpy(float)).of(table, what))
    return found
