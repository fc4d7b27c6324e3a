"""The names that a notebook's cell of parameters defines. This module imports no torch."""

import ast
import re
from collections.abc import Iterable

from softlab.errors import check_known

INJECTED = "# Parameters\n"  # how the cell begins that papermill puts behind the notebook's own


def check_injected(cells: Iterable[object]) -> None:
    """Make a misspelt parameter an error: papermill lets it pass and assigns a name that nothing reads.

    cells: what a kernel has executed so far, IPython's `In`; entries that are not text are skipped.
    Raises SoftlabError, with the nearest name that the cell before defines.
    """
    sources = [cell for cell in cells if isinstance(cell, str)]
    injected = next((index for index, source in enumerate(sources) if source.startswith(INJECTED)), 0)
    if not injected:
        return
    known = assigned_names(sources[injected - 1])
    for name in assigned_names(sources[injected]):
        if not name.startswith("PAPERMILL_"):  # what it tells of itself: --inject-output-path
            check_known("parameter", name, known)


def assigned_names(source: str) -> list[str]:
    """The names that a cell assigns in its own lines, in order: x = 1, x: int = 1, and x, y = 1, 2.

    Lines for IPython (%pip, !ls) are skipped.
    """
    names = []
    for line in ast.parse(re.sub(r"(?m)^(\s*)[%!]\w.*", r"\1pass", source)).body:
        if isinstance(line, ast.Assign):
            targets = line.targets
        elif isinstance(line, ast.AnnAssign | ast.AugAssign):
            targets = [line.target]
        else:
            continue
        parts = [part for target in targets for part in ast.walk(target)]
        own = [part for part in parts if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)]
        names += [part.id for part in sorted(own, key=lambda part: (part.lineno, part.col_offset))]
    return list(dict.fromkeys(names))
