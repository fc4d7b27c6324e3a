"""Digests of the code that makes a result, so that changed code never reuses an old run.

Comments, docstrings and layout do not count. For the book's own code whole modules are hashed; for a method, its
class and everything of its module that it names: helpers, other classes, constants, defaults, closures.
"""

import ast
import dataclasses
import dis
import functools
import hashlib
import inspect
import textwrap
import time
import types
from collections.abc import Iterator
from pathlib import Path

from softlab.errors import SoftlabError

PACKAGE = Path(__file__).parent
METHODS = "softlab.regularizers"
TRAINING_CODE = ("batches.py", "models.py", "training.py")
IMPORTED = time.time()
# What the decorator `dataclass` writes itself; fields and their defaults are recorded apart.
GENERATED = ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__")
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def training_code_digest() -> str:
    """sha256 of the modules that decide what a network sees and how it is trained."""
    return _digest(*(_meaning(_unchanged(PACKAGE / name).read_text(encoding="utf-8")) for name in TRAINING_CODE))


def code_digest(method: type) -> str:
    """sha256 of all that a method does. Works for classes defined in a notebook.

    What comes from another module is not followed, but for softlab.regularizers and the classes inherited from.
    Raises SoftlabError if a source cannot be read, or the method names a value that cannot be told apart by content.
    """
    found: dict[str, str] = {}
    for base in method.__mro__[:-1]:
        _follow(base.__name__, base, base.__module__, found)
    return _digest(*(f"{name}\n{text}" for name, text in sorted(found.items())))


def _follow(name: str, value: object, module: str, found: dict[str, str]) -> None:
    """Record what `value` is and, if it is code of `module`, everything that it names."""
    value = inspect.unwrap(value) if callable(value) and not isinstance(value, type) else value
    if isinstance(value, (types.ModuleType, types.BuiltinFunctionType)) or name in found:
        return
    if isinstance(value, functools.partial):
        found[name] = "partial"
        for part, content in (("function", value.func), ("arguments", value.args), ("keywords", value.keywords)):
            _follow(f"{name}.{part}", content, module, found)
    elif isinstance(value, types.FunctionType):
        if _followed(value.__module__, module):
            found[name] = _source(value)
            for used, content in _named(value):
                _follow(used, content, module, found)
    elif isinstance(value, type):
        if _followed(value.__module__, module):
            found[name] = "class " + ", ".join(base.__name__ for base in value.__bases__)
            for member, content in _members(value):
                _follow(f"{name}.{member}", content, module, found)
    else:
        found[name] = _content(name, value)


def _followed(module: str | None, of: str) -> bool:
    """Is this code part of a method? That of its own module is, and all that softlab has for methods."""
    return module in (of, None) or module.startswith(METHODS)


def _members(kind: type) -> Iterator[tuple[str, object]]:
    """Functions, constants and fields of a class, by name."""
    for name, member in vars(kind).items():
        if isinstance(member, property):
            yield from ((f"{name}.{part}", getattr(member, part)) for part in ("fget", "fset") if getattr(member, part))
            continue
        function = inspect.unwrap(getattr(member, "__func__", member))
        if isinstance(function, types.FunctionType):
            if not (function.__name__ in GENERATED and function.__code__.co_filename.startswith("<string>")):
                yield name, function
        elif not (name.startswith("__") and name.endswith("__")) and not isinstance(member, types.MemberDescriptorType):
            yield name, member
    if dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if field.default_factory is not dataclasses.MISSING:
                yield f"{field.name}.default", field.default_factory


def _named(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    """What a function takes from outside: globals it loads, closure cells, defaults."""
    for name in sorted(_globals_of(function.__code__)):
        if name in function.__globals__:
            yield name, function.__globals__[name]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        if name != "__class__":
            yield f"{function.__qualname__}.{name}", cell.cell_contents
    yield f"{function.__qualname__}.defaults", (function.__defaults__, function.__kwdefaults__)


def _globals_of(code: types.CodeType) -> set[str]:
    loaded = {one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    inner = (constant for constant in code.co_consts if isinstance(constant, types.CodeType))
    return loaded.union(*map(_globals_of, inner))


def _content(name: str, value: object) -> str:
    """A value as text that changes with it."""
    if isinstance(value, PLAIN):
        return repr(value)
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(_content(name, one) for one in value)})"
    if isinstance(value, (set, frozenset)):
        return f"set({', '.join(sorted(_content(name, one) for one in value))})"
    if isinstance(value, (dict, types.MappingProxyType)):
        return f"dict({', '.join(f'{key!r}: {_content(name, one)}' for key, one in value.items())})"
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    if hasattr(value, "detach") and hasattr(value, "numpy"):  # a tensor
        value = value.detach().cpu().numpy()
    if hasattr(value, "tobytes"):
        return f"{value.dtype}{value.shape}{hashlib.sha256(value.tobytes()).hexdigest()}"
    raise SoftlabError(
        f"a method uses {name}, a {type(value).__name__}, whose content cannot be made part of its run id: "
        f"use numbers, text, lists, dicts, tensors, functions or classes of the same module"
    )


def _source(function: types.FunctionType) -> str:
    _unchanged(Path(function.__code__.co_filename))
    try:
        return _meaning(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise SoftlabError(
            f"the source of {function.__qualname__} cannot be read, so its runs could not be told apart: "
            f"define it in a notebook cell or a file"
        ) from None


def _unchanged(path: Path) -> Path:
    """A file of this package must be what was imported: a digest of newer code would name the wrong network."""
    if path.is_relative_to(PACKAGE) and path.stat().st_mtime > IMPORTED:
        raise SoftlabError(f"softlab/{path.name} has changed since it was imported: restart this process or kernel")
    return path


@functools.lru_cache(maxsize=256)
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
