"""Files that are whole or not there: write to a temporary name, flush to disk, rename. And YAML, read strictly.

Plain words mean what they mean in YAML 1.2: true and false are the only booleans (yes, no, on and off are text), 1e5 is
a number, 010 is ten, 1:30 and dates are text.

This module imports no torch.
"""

from __future__ import annotations

import copy
import errno
import functools
import hashlib
import json
import os
import re
import shutil
import stat
import textwrap
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

import yaml

from softlab.errors import SoftlabError

if TYPE_CHECKING:
    from torch import Tensor

_SafeLoader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is eight times as fast
LARGEST = 2**20  # bytes of a YAML file
UNPACKED = 2**30  # bytes of all arrays of an .npz
DEEPEST = 50  # lists and mappings inside one another, in YAML
# Numbers here, but text in YAML 1.1: whoever writes for both puts text that looks so in quotes.
LEADING_ZERO = re.compile(r"^[-+]?0[0-9_]+$")
EXPONENT = re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$")
# Words that are no text without quotes. A whole number of more than 18 digits is text, which no number may be.
PLAIN = {
    "null": re.compile(r"^(?:|~|null|Null|NULL)$"),
    "bool": re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"^[-+]?[0-9]{1,18}$"),
    "float": re.compile(rf"{EXPONENT.pattern}|^[-+]?(?:[0-9]+\.[0-9]*|\.inf)$|^(?:\.[0-9]+|\.nan)$"),
}


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write(file)` fill `path`: a reader sees the old file or the new one, even after a crash.

    Raises SoftlabError where the folder cannot be written or the disk is full; nothing half-written stays.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            with temporary.open("xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise _explained(error, path) from error


def write_json(path: Path, content: object) -> None:
    """`content` as JSON with sorted keys, so that equal content gives equal bytes."""
    write_whole(path, lambda file: file.write(json.dumps(content, indent=1, sort_keys=True).encode()))


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str] | None = None) -> None:
    """Tensors as safetensors: a format that cannot hold code.

    Tensors that share memory (a module used twice) are each written: a network that is built anew shares them again and
    loads them one after the other.
    """
    from safetensors.torch import save

    apart: dict[str, Tensor] = {}
    memories = set()
    for name, tensor in tensors.items():
        held = tensor.detach().cpu().contiguous()
        memory = held.untyped_storage().data_ptr()
        apart[name] = held.clone() if memory in memories else held
        memories.add(memory)
    content = save(apart, metadata)
    write_whole(path, lambda file: file.write(content))


def check_tensors(tensors: Mapping[str, object], what: str) -> None:
    """Raise SoftlabError, with the first name, for what `write_tensors` could not write."""
    import torch
    from safetensors.torch import save

    for name, tensor in tensors.items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided:
            kind = tensor.layout if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise SoftlabError(f"{what} has {name!r}, which cannot be saved: a dense tensor is needed, not {kind}")
        try:
            save({name: torch.empty(0, dtype=tensor.dtype)})
        except Exception as error:  # KeyError or safetensors' own, by version
            raise SoftlabError(f"{what} has {name!r}, which cannot be saved: {tensor.dtype} ({error})") from None


def read_arrays(path: Path) -> dict[str, Any]:
    """The arrays of an .npz by name, in memory; nothing of it is unpickled.

    Raises SoftlabError where there is none, or it is damaged, or larger than UNPACKED.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > UNPACKED:
            raise ValueError(f"{size // 2**20} MiB unpacked, at most {UNPACKED // 2**20} are read")
        with np.load(path, allow_pickle=False) as file:
            return dict(file)
    except Exception as error:  # zip, zlib, struct, numpy: each has errors of its own
        raise SoftlabError(f"cannot read {path}: {' '.join(f'{type(error).__name__}: {error}'.split())}") from None


def short_digest(content: object) -> str:
    """A short name for plain values, equal for equal ones."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def free_space(path: Path) -> tuple[Path, int]:
    """The nearest folder above a path that is there, and the bytes that are free on its disk."""
    folder = next(folder for folder in path.absolute().parents if folder.exists())
    return folder, shutil.disk_usage(folder).free


def _explained(error: OSError, path: Path) -> SoftlabError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = free_space(path)[1] // 2**20
        return SoftlabError(f"the disk is full ({free} MiB free): {path} was not written; finished runs are untouched")
    return SoftlabError(f"cannot write {path}: {error.strerror or error}")


def read_yaml(path: Path) -> dict:
    """The mapping in a YAML file, read safely; duplicate keys and everything that is no mapping are errors."""
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
            raise SoftlabError(f"{path} is no file of at most {LARGEST // 2**10} KiB")
        content = copy.deepcopy(_parsed(path, found.st_mtime_ns))
    except OSError as error:
        raise SoftlabError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeError as error:
        raise SoftlabError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SoftlabError(f"{path} must hold a mapping of names to values")
    return content


def read_value(text: str) -> object:
    """The value that a person typed on the command line. Nothing of it is cut off, text stays as it is.

    What begins with a bracket, a brace or a quotation mark is YAML; anything else is one number, true, false, null or
    text, in which a #, a colon and dates mean nothing.  Raises SoftlabError for brackets that do not close.
    """
    value = text.strip()
    plain = any(pattern.match(value) for pattern in PLAIN.values())
    return _read(value, repr(text)) if plain or value.startswith(("[", "{", '"', "'")) else text


def read_parameters(text: str) -> dict:
    """The mapping in a text of YAML, as a program is given it; raises SoftlabError as `read_yaml` does."""
    content = _read(text, repr(text))
    if not isinstance(content, dict):
        raise SoftlabError(f"parameters map names to values ({{seeds: 3}}), not {text!r}")
    return content


@functools.lru_cache(maxsize=32)
def _parsed(path: Path, changed: int) -> object:
    return _read(path.read_text(encoding="utf-8"), str(path))


def _read(text: str, name: str) -> object:
    """The plain values in a text of YAML, whose name begins the one line of an error."""
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)  # a SafeLoader
    except (yaml.YAMLError, ValueError, LookupError, AttributeError) as error:  # `!!bool x` is a KeyError
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark and "\n" in text else ""
        problem = textwrap.shorten(str(getattr(error, "problem", error)), 200, placeholder=" …")
        raise SoftlabError(f"{name} is not valid YAML{line}: {problem}") from None


def _check_events(text: str) -> None:
    """Refuse references (*name), a few lines of which can stand for billions of values, and bottomless nesting."""
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        problem = ""
        if isinstance(event, yaml.AliasEvent):
            problem = f"the reference *{event.anchor} is not read: write what it stands for"
        elif depth > DEEPEST:
            problem = f"lists and mappings inside one another more than {DEEPEST} times"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


class _Loader(_SafeLoader):
    """Reads plain words as YAML 1.2 does, and refuses a key given twice, where the second would silently win."""

    yaml_implicit_resolvers: ClassVar = {
        None: [(f"tag:yaml.org,2002:{kind}", pattern) for kind, pattern in PLAIN.items()]
    }

    def construct_mapping(self, node, deep=False):
        mapping = super().construct_mapping(node, deep)
        if len(mapping) < len(node.value):
            name = Counter(key.value for key, _ in node.value).most_common(1)[0][0]
            raise yaml.MarkedYAMLError(problem=f"{name!r} is given twice", problem_mark=node.start_mark)
        return mapping


_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))
