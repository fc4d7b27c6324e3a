"""What another distribution offers softlab: entry points of the group `softlab`.

profiles   a folder of profiles beside softlab's own
zoo        a folder of trained networks, which SOFTLAB_ZOO=1 names
records    a module with numbers that are known already: see softlab.inspector.context and softlab.inspector.report
"""

import functools
from importlib import metadata
from typing import Any

GROUP = "softlab"


@functools.cache
def offered(name: str) -> Any:
    """What is offered under a name; None where nobody offers it."""
    points = [point for point in metadata.entry_points(group=GROUP) if point.name == name]
    return points[0].load() if points else None
