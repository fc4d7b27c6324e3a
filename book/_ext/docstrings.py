"""Docstrings on the page "The package": plain text stays plain text, indented lines are code, fields are listed.

A docstring of softlab is no reStructuredText: its stars, bars and underscores are mathematics. Wrapped lines flow
together, but each argument, and what is raised, returned or warned of, begins a line.
"""

import dataclasses
import inspect
import re

WRAPPED = r"\n(?!\w+(, \w+)*: |Raises |Returns |Warns )"
NEXT = r"(?<=\.)  (?=\w+(?:, \w+)*: )"  # two blanks between arguments on one line
FIELD = r"(?m)^    (\w+): .*?  # (.+)$"  # of a dataclass, with its comment


def setup(app):
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", readable)
    app.connect("autodoc-skip-member", is_filled_in)
    return {"parallel_read_safe": True}


def readable(app, what, name, thing, options, signature, returns):
    """A default that is made anew for each object is no Python, and Sphinx would print its line unread."""
    return (signature or "").replace("<factory>", "..."), returns


def is_filled_in(app, what, name, thing, skip, options):
    """Nothing is said by the docstrings that Python gives to the fields of a NamedTuple."""
    return str(getattr(thing, "__doc__", "")).startswith("Alias for field") or None


def rewrite(app, what, name, thing, options, lines):
    page = []
    for block in re.split(r"\n\n+", "\n".join(lines).strip()):
        if block.startswith("    "):
            page += ["::", "", *block.splitlines(), ""]
        else:
            lines_of = re.sub(NEXT, "\n", re.sub(WRAPPED, " ", block)).splitlines()
            page += [*(f"| {escaped(line)}" for line in lines_of), ""]
    if what == "class" and dataclasses.is_dataclass(thing):
        page += [f"* ``{field}``: {escaped(said)}" for field, said in re.findall(FIELD, inspect.getsource(thing))]
    lines[:] = [*page, ""]


def escaped(text: str) -> str:
    """Text that reStructuredText shows as it stands, with `code` as code."""
    parts = re.split(r"`([^`]+)`", text)
    parts[::2] = [re.sub(r"([\\*|_`])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``" for part in parts[1::2]]
    return "".join(parts)
