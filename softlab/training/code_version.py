"""Tells one method's code from another's, for run ids.

The book's own methods have a version, which is raised by hand. A user's method has none, so everything that it does
counts: its class and whatever it names in its module (helpers, other classes, constants, defaults, closures), by a walk
of the syntax tree that gives the same on every Python from 3.11 on. Comments, docstrings and layout do not count.
"""

import ast
import dataclasses
import dis
import functools
import hashlib
import inspect
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

from softlab.errors import SoftlabError

METHODS = "softlab.regularizers"
# What the decorator `dataclass` writes itself (fields and defaults are recorded apart), and what Python 3.14 does.
GENERATED = ("__init__", "__repr__", "__eq__", "__hash__", "__setattr__", "__delattr__", "__replace__")
ANNOTATIONS = ("__annotate__", "__annotate_func__")
PLAIN = (bool, int, float, complex, str, bytes, type(None))
IGNORED = ("ctx", "kind", "type_comment")  # fields of a syntax tree that change nothing


def version_of(method: type) -> str:
    """What a run id says about a method's code: versions of a built-in method and its parents, or a user's sha256.

    Raises SoftlabError as `code_digest` does.
    """
    return _own_versions(method) if _built_in(method.__module__) else code_digest(method)


def code_digest(method: type) -> str:
    """sha256 of all that a method does. Works for classes defined in a notebook.

    For built-in parents their versions count. What comes from a module other than the method's is not followed.
    Raises SoftlabError if a source cannot be read, or the method names a value without content to compare.
    """
    found: dict[str, str] = {}
    for base in method.__mro__[:-1]:
        if _built_in(base.__module__):
            found[base.__name__] = f"version {_own_versions(base)}"
        else:
            _follow(base.__name__, base, base.__module__, found)
    return _digest(found)


def function_digest(function: Callable) -> str:
    """The same for a function: a user's own network, as softlab.training.models.register takes it."""
    found: dict[str, str] = {}
    _follow(function.__name__, function, function.__module__, found)
    return _digest(found)


def _digest(found: dict[str, str]) -> str:
    return hashlib.sha256("\0".join(f"{name}\n{text}" for name, text in sorted(found.items())).encode()).hexdigest()


def _built_in(module: str) -> bool:
    return module.startswith(METHODS)


def _own_versions(method: type) -> str:
    """`1`, or `2.1` for version 2 of a method that is derived from version 1 of another."""
    return ".".join(str(vars(base)["version"]) for base in method.__mro__ if "version" in vars(base))


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
        if value.__module__ in (module, None):
            found[name] = _source(value)
            for used, content in _named(value):
                _follow(used, content, module, found)
    elif isinstance(value, type):
        if value.__module__ == module:
            found[name] = "class " + ", ".join(base.__name__ for base in value.__bases__)
            for member, content in _members(value):
                _follow(f"{name}.{member}", content, module, found)
    else:
        found[name] = _content(name, value)


def _members(kind: type) -> Iterator[tuple[str, object]]:
    """Functions, constants and fields of a class, by name."""
    for name, member in vars(kind).items():
        if name in ANNOTATIONS:
            continue
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
    """What a function takes from outside: the globals it loads, closure cells, defaults."""
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


def _content(name: str, value: Any) -> str:
    """A text that changes with the value."""
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
    try:
        return canonical(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):
        raise SoftlabError(
            f"the source of {function.__qualname__} cannot be read, so its runs could not be told apart: "
            f"define it in a notebook cell or a file"
        ) from None


@functools.lru_cache(maxsize=256)
def canonical(source: str) -> str:
    """Types and values of a source's syntax tree, without docstrings: only what changes results changes this text.

    None of it is Python's own wording (`ast.dump` and `ast.unparse` differ between releases).
    """
    return _walked(ast.parse(source))


def _walked(node: object) -> str:
    if isinstance(node, ast.Constant):
        return ascii(node.value)
    if isinstance(node, ast.JoinedStr):  # some Pythons put empty text behind a field
        parts = (_walked(part) for part in node.values)
        return f"JoinedStr({';'.join(part for part in parts if part != ascii(''))})"
    if isinstance(node, ast.AST):
        fields = {name: _walked(value) for name, value in ast.iter_fields(node) if name not in IGNORED}
        # What is absent is left out, so that a field that a later Python adds to its trees changes nothing.
        return f"{type(node).__name__}({','.join(f'{name}={text}' for name, text in fields.items() if text)})"
    if isinstance(node, list):
        return ";".join(_walked(entry) or "-" for entry in node if not _says_nothing(entry))
    return "" if node is None else ascii(node)


def _says_nothing(statement: object) -> bool:
    """`pass`, or text that stands alone, as a docstring does."""
    if isinstance(statement, ast.Pass):
        return True
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
