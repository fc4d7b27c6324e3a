"""Leave out cells that need networks which a profile does not train (tag `needs-STUDY`), with a note in their place."""

from collections.abc import Container
from itertools import groupby
from pathlib import Path

import nbformat

from softbook.studies.catalogue import studies_of
from softlab.profile import load_profile

TAG = "needs-"


def prepared(notebook: Path, target: Path, parameters: dict) -> Path:
    """The notebook to execute: itself, or a copy at `target` without what its profile leaves out."""
    content = nbformat.read(notebook, as_version=4)
    if "profile" not in parameters:
        return notebook
    profile = load_profile(parameters["profile"])
    studies = studies_of(profile)
    if not any(missing(cell, studies) for cell in content.cells):
        return notebook
    cells = []
    for lacking, group in groupby(content.cells, lambda cell: missing(cell, studies)):
        group = list(group)
        cells += [note(lacking, profile.name, group[0].id)] if lacking else group
    content.cells = cells
    nbformat.write(content, target)
    return target


def missing(cell: nbformat.NotebookNode, studies: Container[str]) -> tuple[str, ...]:
    """The studies that a cell needs beyond these."""
    needed = [tag.removeprefix(TAG) for tag in cell.metadata.get("tags", []) if tag.startswith(TAG)]
    return tuple(study for study in needed if study not in studies)


def note(studies: tuple[str, ...], profile: str, name: str) -> nbformat.NotebookNode:
    """What stands in the place of cells that were left out."""
    names = ", ".join(f"`{study}`" for study in studies)
    text = f"*Not run here: it needs networks ({names}) that the profile `{profile}` does not train.*"
    return nbformat.v4.new_markdown_cell(text, id=name)
