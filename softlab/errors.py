"""Errors for people: one line that says what was given, what is allowed, and the nearest valid name."""

import difflib
from collections.abc import Iterable


class SoftlabError(ValueError):
    """Wrong input or a failed run, described in one line for the person who can mend it."""


def check_known(kind: str, given: object, allowed: Iterable[str]) -> None:
    """Raise SoftlabError, with the nearest valid name, unless `given` is one of the allowed names."""
    allowed = sorted(allowed)
    if isinstance(given, str) and given in allowed:
        return
    near = difflib.get_close_matches(str(given).lower().replace("-", "_"), allowed, n=1, cutoff=0.5)
    near = near or difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise SoftlabError(f"unknown {kind} {given!r}{hint} (allowed: {', '.join(allowed)})")
