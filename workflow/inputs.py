"""What a notebook, or training, reads of the project: nothing else makes it run again.

Code is followed from module to module along imports (grimp), without running any; the package that a module lies in
only collects names, and is not followed. Settings of studies are cut out of chapters.yaml, so that editing a study
reaches only the notebooks that name it.
"""

import ast
import functools
import importlib
import json
import os
import re
import sys
from collections.abc import Collection, Iterable
from pathlib import Path

import grimp

from softbook.studies import catalogue
from softbook.studies.catalogue import study_profile
from softbook.studies.tables import RECORDS
from softlab.profile import Profile
from softlab.provenance import PACKAGE
from softlab.training.experiment import Experiment

ROOT = PACKAGE.parent
# Imports that are not followed: module -> of what. What a lens gives counts by its version, which stands in the first
# two: a changed lens of the same version changes no number. A command hands over to one part of many; a notebook that
# shows one imports that part itself.
NOT_FOLLOWED = {
    "softlab.numbers.quantities": "softlab.lenses.",
    "softlab.numbers.look": "softlab.lenses.",
    "softlab.cli": "softlab.",
    "softbook.cli": "soft",
}
# Imports that no line of code shows: what the library asks the book for by name (softlab.plugins).
OFFERED = {
    "softlab.comparison.tables": "softbook.beside",
    "softlab.inspector.context": "softbook.beside",
    "softlab.inspector.report": "softbook.beside",
}
# Statistics that statements ask for by name: those of laws, and of what else was declared.
STATISTICS = {
    "softbook.statements.laws": ("by_hand", "laws", "predicting"),
    "softbook.statements.tally": ("autoattack", "doses", "images_and_steps", "recorded"),
}
STATEMENTS = "softbook/statements/"
TRAINING = ("softlab.training.runs", "softlab.regularizers", "softlab.numbers.stored")
FIELDS = ("description", "experiment", "methods", "seeds", "evaluation")  # of a profile, that notebooks see


def of_notebook(path: Path) -> list[str]:
    """Files that a notebook's code cells lead to, relative to the checkout: code, its data, and all records."""
    return [*with_data(code(_imported(notebook_source(path)))), *records()]


def of_script(path: Path) -> list[str]:
    """A script, the files of the package that it leads to, and all records."""
    return [str(path), *with_data(code(_imported(path.read_text(encoding="utf-8")))), *records()]


def of_site() -> list[str]:
    """What pages are made of, beside executed notebooks and tables: the texts, the workflow's own code, the zoo."""
    kinds = ("book/**/*.*", "workflow/**/*.py", "workflow/*.html", "softbook/renamed.yaml")
    kinds += ("softbook/statements/**/*.*", "softbook/zoo/*/*", "benchmarks/results/*.json")
    paths = [path for kind in kinds for path in ROOT.glob(kind) if path.is_file()]
    pages = sorted(str(path.relative_to(ROOT)) for path in paths if path.parent.name != "__pycache__")
    return [*pages, "_config.yml", "_toc.yml", "softlabels.py", "softlab/training/datasets/fashion_mini.npz"]


def records() -> list[str]:
    """Everything that is on record; not the locks of who writes there."""
    return sorted(str(path.relative_to(ROOT)) for path in RECORDS.glob("[!.]*/**/*.*") if path.is_file())


def code(modules: Collection[str]) -> list[str]:
    """The files of these modules and of all that they import, relative to the checkout."""
    found = set(modules).union(*map(graph().find_upstream_modules, modules))
    return sorted(str(_file_of(module).relative_to(ROOT)) for module in found)


def with_data(files: Iterable[str]) -> list[str]:
    """These files, and the data (laws, templates, images, …) of each room of the package that one of them is in.

    Of statements, those that judge what was declared: the others are for the site.
    """
    files = set(files)
    rooms = {parts[:2] for parts in (Path(file).parts for file in files) if len(parts) > 2}
    beside = {path for room in rooms for path in ROOT.joinpath(*room).rglob("*.*") if path.is_file()}
    data = {str(path.relative_to(ROOT)) for path in beside if path.suffix not in (".py", ".pyc")}
    of_pages = {file for file in data if file.startswith(STATEMENTS) and not file.endswith("/declared.yaml")}
    return sorted(files | data - of_pages)


@functools.cache
def graph() -> grimp.ImportGraph:
    """Which module of the package imports which, in functions too; not where that is for the sake of a type."""
    found = grimp.build_graph("softlab", "softbook", cache_dir=None, exclude_type_checking_imports=True)
    for module, offers in OFFERED.items():
        found.add_import(importer=module, imported=offers)
    for module, statistics in STATISTICS.items():
        for name in statistics:
            found.add_import(importer=module, imported=f"softbook.statements.statistics.{name}")
    for module, parts in NOT_FOLLOWED.items():
        for imported in found.find_modules_directly_imported_by(module):
            if imported.startswith(parts):
                found.remove_import(importer=module, imported=imported)
    return found


def _file_of(module: str) -> Path:
    place = ROOT.joinpath(*module.split("."))
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


def _imported(source: str) -> set[str]:
    """Modules of the package that some code imports, and those that names of its packages are fetched from."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {module for name in node.names for module in _homes(node.module, name.name)}
    return found & graph().modules


def _homes(package: str, name: str) -> set[str]:
    """Where `from package import name` leads: to a module below it, or to one that it fetches on first use, or to it.

    Packages that fetch names say from where in their HOMES (softlab.facade).
    """
    if f"{package}.{name}" in graph().modules:
        return {f"{package}.{name}"}
    if package in graph().modules and "softlab.facade" in graph().find_modules_directly_imported_by(package):
        return {package, f"{package}.{importlib.import_module(package).HOMES[name]}"}
    return {package}


@functools.cache
def notebook_source(path: Path) -> str:
    """The code cells of a notebook, without IPython's own commands."""
    cells = json.loads(path.read_bytes())["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return re.sub(r"(?m)^(\s*)[%!]\w.*", r"\1pass", source)


def settings_of(notebook: Path, profile: Profile) -> str:
    """As JSON: the settings of a profile, and of the studies of it that the notebook names, in quotes."""
    named = re.findall(r"[\"'](\w+)[\"']", notebook_source(notebook))
    by_study = {
        study: _plain(study_profile(profile, study)) for study in catalogue.studies_of(profile) if study in named
    }
    content = {"profile": _plain(profile), "studies": by_study}
    return json.dumps(content, indent=1, sort_keys=True, default=_as_plain)


def _plain(profile: Profile) -> dict:
    return {field: getattr(profile, field) for field in FIELDS}


def _as_plain(value: object) -> dict:
    """Experiments and read-only mappings, for JSON."""
    return value.as_dict() if isinstance(value, Experiment) else dict(value)  # pyright: ignore[reportArgumentType, reportCallIssue]


def write_changed(path: Path, text: str) -> str:
    """Write a file only if it would change, so that what depends on it runs only then. Returns its path."""
    try:
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        sys.exit(f"cannot write {path}: {error.strerror}")
    return str(path)


def forget_the_future(out: Path) -> None:
    """Let nothing that a build has made be younger than this moment, as it is where the clock was set back since.

    It could not be seen then that something it is made from has changed. With the oldest date, Snakemake compares what
    it was made from by content. Files are compared with one that is written now, as another machine may have the disk.
    """
    out.mkdir(parents=True, exist_ok=True)
    mark = out / ".now"
    mark.unlink(missing_ok=True)
    mark.touch()
    now = mark.stat().st_mtime_ns
    for path in out.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mtime_ns > now:
            os.utime(path, (1, 1))


def folder_listing(data: str) -> str:
    """For a folder of images: a text that changes when an image does; nothing for other data."""
    folder = Path(data.removeprefix("folder:")).expanduser()
    files = sorted(folder.rglob("*")) if data.startswith("folder:") else []
    return "\n".join(f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files if path.is_file())
