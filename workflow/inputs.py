"""What a notebook, or training, reads of the project: nothing else makes it run again.

Code is found by following imports, name by name and without running anything, so that `from softlab.notebook import
table` leads to what `table` uses, and to no lens. Studies are cut out of their file, so that editing one reaches only
the notebooks that name it. A package's modules import absolutely; names that a package fetches on first use stand in
its HOMES (softlab.facade).
"""

import ast
import functools
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from softbook.studies import catalogue
from softbook.studies.catalogue import study_profile
from softbook.studies.tables import RECORDS
from softlab.profile import Profile
from softlab.provenance import PACKAGE
from softlab.training.experiment import Experiment

ALL = "*"
BODY = ""  # of a module: what runs when it is imported
# The command's module hands over to others and is in nobody's list, though a notebook shows a command.
ASIDE = ("softlab.cli", "softlab.__main__")
# What a lens gives counts by its version, which stands here: a changed lens of the same version changes no number.
BY_VERSION = ("softlab.numbers.quantities", "softlab.numbers.look")
RECORDED = ("**/*.csv", "autoattack/*.json", "published/*.json")  # of the records
CUT = ("chapters.yaml",)  # read through `settings_of`
FIELDS = ("description", "experiment", "methods", "seeds", "evaluation")  # of a profile, that notebooks see
ROOMS = ("training.runs", "training.loop", "training.models", "training.data", "regularizers", "numbers.stored")
TRAINING = [(f"softlab.{name}", ALL) for name in ROOMS]
Name = tuple[str, str]  # a module, and one of its names, its BODY, or ALL


def notebook_code(path: Path) -> list[str]:
    """Files of the package that a notebook's code cells lead to."""
    return code(_imported(notebook_tree(path)))


def script_code(path: Path) -> list[str]:
    """A script, and files of the package that it leads to."""
    return [str(path), *code(_imported(ast.parse(path.read_text(encoding="utf-8"))))]


def code(roots: Iterable[Name]) -> list[str]:
    """The files behind these names, and behind all that they use, relative to the checkout."""
    files = set()
    seen = set()
    waiting = list(roots)
    while waiting:
        one = waiting.pop()
        if one not in seen and one[0] not in ASIDE:
            seen.add(one)
            found, used = step(*one)
            files |= found
            waiting += used
    return sorted(str(path.relative_to(PACKAGE.parent)) for path in files)


@functools.cache
def step(module: str, name: str) -> tuple[set[Path], set[Name]]:
    """The files that this name lies in or mentions, and the names that it uses itself."""
    if whole := module_of(module, name):
        return set(), {(whole, ALL)}
    if name in homes(module):
        return set(), {(f"{module}.{homes(module)[name]}", name)}
    file = file_of(module)
    if file is None:
        return set(), set()
    if module in BY_VERSION and name != "measure":
        return {file}, set()
    defined = definitions(module)
    files = {file, *_recorded(module)}
    parts = (BODY, *defined, *homes(module)) if name == ALL else (BODY,)
    used = {(module, part) for part in parts}
    for node in defined.get(name, ()):
        used |= set(_imported(node))
        used |= {(module, other) for other in _named(node, ast.Name, "id") & set(defined)}
        files |= {_data_files()[text] for text in named_in(node) & set(_data_files())}
    return files, used


def _recorded(module: str) -> list[Path]:
    """The recorded tables, for the module that reads them."""
    if module != "softbook.studies.records":
        return []
    return [path for kind in RECORDED for path in RECORDS.glob(kind)]


def _imported(tree: ast.AST) -> Iterator[Name]:
    """Names of the package that this code imports, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "softlab":
            for one in node.names:
                whole = module_of(str(node.module), one.name)
                used = ALL
                if isinstance(tree, ast.Module) and whole:  # imported whole: what is named of it
                    used = _attributes(tree, one.asname or one.name)
                yield from [(str(node.module), one.name)] if used == ALL else [(str(whole), name) for name in used]
        elif isinstance(node, ast.Import):
            yield from ((one.name, ALL) for one in node.names if one.name.partition(".")[0] == "softlab")


def _attributes(tree: ast.Module, module: str) -> set[str] | str:
    """Which attributes of an imported module some code uses; ALL if the module also stands alone, or is not used."""
    uses = [one for one in ast.walk(tree) if isinstance(one, ast.Name) and one.id == module]
    found = [one.attr for one in ast.walk(tree) if isinstance(one, ast.Attribute) and one.value in uses]
    return set(found) if uses and len(found) == len(uses) else ALL


@functools.cache
def file_of(module: str) -> Path | None:
    """Where a module of the package lies; None for what is none."""
    place = PACKAGE.parent.joinpath(*module.split("."))
    return next((path for path in (place.with_suffix(".py"), place / "__init__.py") if path.is_file()), None)


def module_of(package: str, name: str) -> str | None:
    """The module that a name of a package is, below it or, by its HOMES, elsewhere; None for what is none."""
    if name and file_of(f"{package}.{name}"):
        return f"{package}.{name}"
    home = homes(package).get(name, "")
    return f"{package}.{home}" if home.rpartition(".")[2] == name and name else None


@functools.cache
def homes(module: str) -> dict[str, str]:
    """Name -> the module below a package that it is fetched from on first use; empty for other modules."""
    file = file_of(module)
    for node in ast.parse(file.read_text(encoding="utf-8")).body if file else ():
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HOMES":
            return ast.literal_eval(node.value)
    return {}


@functools.cache
def definitions(module: str) -> dict[str, list[ast.stmt]]:
    """A module's functions by name, and under BODY all that runs at its import: the rest, and what is decorated."""
    file = file_of(module)
    assert file is not None
    found: dict[str, list[ast.stmt]] = {BODY: []}
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.decorator_list:
            found.setdefault(node.name, []).append(node)
        elif not (isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"):
            found[BODY].append(node)
    return found


@functools.cache
def _data_files() -> dict[str, Path]:
    found = [path for path in PACKAGE.rglob("*.*") if path.parent.name not in ("profiles", "__pycache__")]
    return {path.name: path for path in found if path.suffix != ".py" and path.name not in CUT}


@functools.cache
def notebook_tree(path: Path) -> ast.Module:
    """The syntax tree of a notebook's code cells, without IPython's own commands."""
    cells = json.loads(path.read_bytes())["cells"]
    source = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    return ast.parse(re.sub(r"(?m)^(\s*)[%!]\w.*", r"\1pass", source))


def named_in(tree: ast.AST) -> set[str]:
    """Everything that stands in quotes."""
    return {text for text in _named(tree, ast.Constant, "value") if isinstance(text, str)}


def _named(tree: ast.AST, kind: type[ast.AST], field: str) -> set:
    return {getattr(node, field) for node in ast.walk(tree) if isinstance(node, kind)}


def settings_of(notebook: Path, profile: Profile, studies: Iterable[str]) -> str:
    """As JSON: the settings of these studies and of those that the notebook names."""
    named = named_in(notebook_tree(notebook))
    return studies_of(profile, [study for study in catalogue.studies_of(profile) if study in {*studies, *named}])


def studies_of(profile: Profile, studies: Iterable[str]) -> str:
    """As JSON: the settings of a profile and of these studies of it."""
    by_study = {study: _plain(study_profile(profile, study)) for study in studies}
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
