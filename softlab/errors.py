"""Errors for people: one line that says what was given, what is allowed, and the nearest valid name."""

import difflib
import numbers
import re
import sys
from collections.abc import Iterable
from typing import TypeGuard


class SoftlabError(ValueError):
    """Wrong input or a failed run, described in one line for the person who can mend it."""


LISTED = 100  # names in an error


def check_known(kind: str, given: object, allowed: Iterable[str]) -> None:
    """Raise SoftlabError, with the nearest valid name, unless `given` is one of the allowed names.

    Where more than LISTED are allowed, they are not listed.
    """
    allowed = sorted(allowed)
    if isinstance(given, str) and given in allowed:
        return
    near = difflib.get_close_matches(re.sub(r"\W+", "_", str(given).lower()), allowed, n=1, cutoff=0.5)
    near = near or difflib.get_close_matches(str(given), allowed, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    listed = f"{len(allowed)} are known" if len(allowed) > LISTED else f"allowed: {', '.join(allowed)}"
    raise SoftlabError(f"unknown {kind} {given!r}{hint} ({listed})")


def check_name(kind: str, given: object, joint: str = "_") -> None:
    """Raise SoftlabError unless `given` can name one of a kind: small letters, digits and `joint`, a letter first.

    Such a name may become part of a file's name.
    """
    if not isinstance(given, str) or not re.fullmatch(rf"[a-z][a-z0-9{joint}]{{0,63}}", given):
        rule = f"small letters, digits and {joint} only, a letter first"
        raise SoftlabError(f"{given!r} cannot name a {kind}: {rule}")


def is_whole(value: object) -> TypeGuard[int]:
    """Is it a whole number, of Python's kind or of numpy's? True and False are none."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def at_terminal() -> bool:
    """Does somebody watch the standard error? It may be missing, or something that is no file."""
    asked = getattr(sys.stderr, "isatty", None)
    return bool(asked and asked())
