"""softlab's docstrings as a page: plain text stays plain text, indented lines are code, a dataclass's fields a list.

They are no reStructuredText: their stars, bars and underscores are mathematics. Wrapped lines flow together, but each
argument, and what is raised, returned or warned of, begins a line.
"""

import dataclasses
import inspect
import re

WRAPPED = r"\n(?!\w+(, \w+)*: |Raises |Returns |Warns )"
NEXT = r"(?<=\.)  (?=\w+(?:, \w+)*: )"  # two blanks between arguments on one line
FIELD = r"(?m)^    (\w+): .*?  # (.+)$"  # of a dataclass, with its comment


def setup(app):
    app.connect("autodoc-process-docstring", rewrite)
    app.connect("autodoc-process-signature", lambda *given: (made_anew(given[5]), given[6]))
    return {"parallel_read_safe": True}


def rewrite(app, what, name, thing, options, lines):
    page = []
    for block in re.split(r"\n\n+", "\n".join(lines).strip()):
        if block.startswith("    "):
            page += ["::", "", *block.splitlines(), ""]
        else:
            flowing = re.sub(NEXT, "\n", re.sub(WRAPPED, " ", block))
            page += [*(f"| {escaped(line)}" for line in flowing.splitlines()), ""]
    if what == "class" and dataclasses.is_dataclass(thing):
        page += [f"* ``{field}``: {escaped(said)}" for field, said in re.findall(FIELD, inspect.getsource(thing))]
    lines[:] = [*page, ""]


def escaped(text):
    """Text that reStructuredText shows as it stands, with `code` as code."""
    parts = re.split(r"`([^`]+)`", text)
    parts[::2] = [re.sub(r"([\\*|_`])", r"\\\1", part) for part in parts[::2]]
    parts[1::2] = [f"``{part}``" for part in parts[1::2]]
    return "".join(parts)


def made_anew(signature):
    """Sphinx cannot read the default `<factory>`, and would print the whole signature unread."""
    return (signature or "").replace("<factory>", "...")
