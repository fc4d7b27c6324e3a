"""Tables of methods, called as in figures."""

from collections.abc import Mapping
from typing import Any

import pandas

from softlab.figures.style import style


def table(columns: Mapping[Any, Mapping[str, object]], corner: str | list[str] = "method") -> pandas.DataFrame:
    """A table with one row per method, under the book's labels. columns: heading -> {method: cell}."""
    frame = pandas.DataFrame({name: pandas.Series(dict(cells), dtype=object) for name, cells in columns.items()})
    order = [method for column in columns.values() for method in column]
    frame = frame.reindex(dict.fromkeys(order)).rename(index=lambda method: style(method).label)
    return frame.fillna("").rename_axis(columns=corner)
