"""Where a result comes from: digests of the code that made it, versions, commit, machine."""

import ast
import functools
import hashlib
import inspect
import platform
import subprocess
import textwrap
import types
from importlib import metadata
from pathlib import Path

from softlab.errors import SoftlabError

PACKAGE = Path(__file__).parent
# What the decorator `dataclass` writes itself; a field's default counts as a constant of its class.
GENERATED = ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__")
TRAINING_CODE = ("models.py", "training.py", "streams.py")


@functools.cache
def training_code_digest() -> str:
    """sha256 of the modules that train, comments, docstrings and layout aside."""
    return _digest(*(_meaning((PACKAGE / name).read_text(encoding="utf-8")) for name in TRAINING_CODE))


@functools.cache
def code_digest(method: type) -> str:
    """sha256 of all that a method does: its functions, inherited ones, and the helpers and constants they name.

    Functions are followed inside the module that defines them; what comes from another module is not, but for
    the classes it inherits from. Works for classes defined in a notebook.
    Raises SoftlabError if the source cannot be read.
    """
    found: dict[str, str] = {}
    for base in method.__mro__[:-1]:
        for name, member in vars(base).items():
            function = inspect.unwrap(getattr(member, "__func__", member))
            if isinstance(function, types.FunctionType):
                _follow(function, f"{base.__name__}.{name}", found)
            elif not name.startswith("_") and not callable(member):
                found[f"{base.__name__}.{name}"] = repr(member)
    return _digest(*(f"{name}\n{text}" for name, text in sorted(found.items())))


def environment(device: str) -> dict[str, str]:
    """Versions, commit and hardware, for the record; none of it enters a run id."""
    versions = {name: metadata.version(name) for name in ("torch", "torchvision", "numpy")}
    return versions | {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}",
        "device": device,
        "commit": commit(),
    }


@functools.cache
def commit() -> str:
    """The checkout's commit, `+` if files differ from it; `unknown` outside a checkout."""
    if not (PACKAGE.parent / ".git").exists():
        return "unknown"
    try:
        command = ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"]
        said = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=20, check=True)
        return said.stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def _follow(function: types.FunctionType, name: str, found: dict[str, str]) -> None:
    """Add a function's source, and those of the functions and constants of its module that it names."""
    if name in found or (function.__name__ in GENERATED and function.__code__.co_filename == "<string>"):
        return
    try:
        found[name] = _meaning(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise SoftlabError(
            f"the source of {function.__qualname__} cannot be read, so its runs could not be told apart: "
            f"define it in a notebook cell or a file"
        ) from None
    for used in _names(function.__code__):
        value = function.__globals__.get(used)
        if isinstance(value, types.FunctionType) and value.__module__ == function.__module__:
            _follow(value, used, found)
        elif isinstance(value, (bool, int, float, str, tuple)):
            found[used] = repr(value)


def _names(code: types.CodeType) -> set[str]:
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return set(code.co_names).union(*map(_names, inner))


def _meaning(source: str) -> str:
    """Source text without comments, docstrings and layout, so that only what changes results changes a digest."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            value = body[0].value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                body[0] = ast.Pass()
    return ast.unparse(tree)


def _digest(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()
