"""The odd statistics: numbers that no contrast of softbook.statements.values gives. A function each, for `statistic:`.

computed("taken", {"place": "A"})      # [Interval], as the function returns one or several

Each module here is about one thing; a function is in reach of statements by its name, with its arguments in `given`.
"""

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from softlab.comparison.intervals import Interval
from softlab.errors import check_known

Statistic = Callable[..., Interval | Sequence[Interval]]


@functools.cache
def known() -> dict[str, Statistic]:
    """All statistics by name: the public functions that the modules of this package define."""
    found: dict[str, Statistic] = {}
    for module in pkgutil.iter_modules(__path__):
        content = importlib.import_module(f"{__name__}.{module.name}")
        for name, one in inspect.getmembers(content, inspect.isfunction):
            if one.__module__ == content.__name__ and not name.startswith("_"):
                found[name] = one
    return found


def computed(name: str, given: Mapping[str, Any]) -> list[Interval]:
    """What a statistic says.  Raises SoftlabError for an unknown one, with the nearest."""
    statistics = known()
    check_known("statistic", name, statistics)
    found = statistics[name](**given)
    return [found] if isinstance(found, Interval) else list(found)
