"""Errors for people: one line that says what was given, what is allowed, and the nearest valid name."""

import difflib
from collections.abc import Iterable


class SoftlabError(ValueError):
    """Wrong input or a failed run, described in one line for the person who can mend it."""


def check_known(kind: str, given: object, allowed: Iterable[str]) -> None:
    """Raise the error of `unknown` unless `given` is one of the allowed names."""
    if not isinstance(given, str) or given not in allowed:
        raise unknown(kind, given, allowed)


def unknown(kind: str, given: object, allowed: Iterable[str]) -> SoftlabError:
    """The error for a name that is not in `allowed`, with the nearest name that is."""
    allowed = sorted(allowed)
    near = difflib.get_close_matches(str(given).lower().replace("-", "_"), allowed, n=1, cutoff=0.5)
    near = near or difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return SoftlabError(f"unknown {kind} {given!r}{hint} (allowed: {', '.join(allowed)})")
