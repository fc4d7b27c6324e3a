"""The names that a notebook's cell of parameters defines. This module imports no torch."""

import ast
import re


def assigned_names(source: str) -> list[str]:
    """The names that a cell assigns in its own lines, in order: x = 1, x: int = 1, and x, y = 1, 2.

    Lines for IPython (%pip, !ls) are passed over.
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
