"""Files that are whole or not there: write to a temporary name, flush to disk, rename. And YAML, read strictly.

YAML 1.1 turns some of what a person types into something else. Here true and false are the only booleans (yes, no, on
and off are text), 1e5 is a number, and what would silently be another number is refused: 1:30 (90, in base 60) and 010
(8, in base 8).

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
import uuid
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import yaml

from softlab.errors import SoftlabError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST = 2**20  # bytes of a YAML file
UNPACKED = 2**30  # bytes of all arrays of an .npz
LEADING_ZERO = re.compile(r"^[-+]?0[0-9_]+$")
EXPONENT = re.compile(r"^[-+]?(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)[eE][-+]?[0-9]+$")  # 1e5, text in YAML 1.1
# PyYAML lets errors through that are not its own: bytes that are no text, dates that are none, `!!bool x`.
NOT_YAML = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


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

    Of tensors that share memory, as of a module used twice, each is written: a network that is built anew shares them
    again, and takes them one after the other.
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
    except SoftlabError:
        raise
    except NOT_YAML as error:
        raise SoftlabError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SoftlabError(f"{path} must hold a mapping of names to values")
    return content


def read_value(text: str) -> object:
    """The value that a person typed on the command line. Nothing of it is cut off, text stays as it is.

    What begins with a bracket, a brace or a quotation mark is YAML; anything else is one number, true, false, null or
    text, in which a #, a colon and dates mean nothing.  Raises SoftlabError for what is none of these, or a number that
    YAML 1.1 would take for another.
    """
    value = text.strip()
    if value.startswith(("[", "{", '"', "'")):
        return _read(value)
    loader = _CommandLine("")
    node = yaml.ScalarNode(loader.resolve(yaml.ScalarNode, value, (True, False)), value)
    if node.tag.rpartition(":")[2] not in ("null", "bool", "int", "float"):
        return text
    try:
        return loader.construct_object(node)
    except yaml.YAMLError as error:
        raise SoftlabError(str(error)) from None


def read_parameters(text: str) -> dict:
    """The mapping in a text of YAML, as a program is given it; raises SoftlabError as `read_yaml` does."""
    content = _read(text)
    if not isinstance(content, dict):
        raise SoftlabError(f"parameters map names to values ({{seeds: 3}}), not {text!r}")
    return content


def _read(text: str) -> object:
    try:
        return yaml.load(text, Loader=_CommandLine)  # a SafeLoader
    except _Refused as error:
        raise SoftlabError(str(error)) from None
    except NOT_YAML:
        raise SoftlabError(f"{text!r} is no value") from None


@functools.lru_cache(maxsize=32)
def _parsed(path: Path, changed: int) -> object:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # a SafeLoader


class _Refused(yaml.YAMLError):
    """Valid YAML that is not read."""


class _StrictLoader(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice (the second would silently win) and what may grow without limit.

    A few lines of references (*name) to references stand for billions of values, and a number can have as many digits
    as fit into the file.  It also refuses numbers that are not what they look like.
    """

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            raise _Refused(f"the reference *{event.anchor}{_line(event)}, is not read: write what it stands for")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node):
        self.refuse_another_number(node)
        number = super().construct_yaml_int(node)
        if number.bit_length() > 64:
            raise _Refused(f"a whole number of more than 64 bits{_line(node)}")
        return number

    def construct_yaml_float(self, node):
        self.refuse_another_number(node)
        return super().construct_yaml_float(node)

    def refuse_another_number(self, node):
        """1:30 and 010: people mean a time, a range, a number with leading zeros; or text."""
        base = 60 if ":" in node.value else 8 if LEADING_ZERO.fullmatch(node.value) else None
        if base:
            mend = "write the number that you mean, or put it in quotes if it is text"
            raise _Refused(f"{node.value}{_line(node)}: YAML 1.1 takes this for a number in base {base}; {mend}")

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise _Refused(f"{twice!r} is given twice{_line(node)}")
        return super().construct_mapping(node, deep)


class _CommandLine(_StrictLoader):
    """For what is no file: nobody comments there, and a # that begins a comment would cut off what a person typed."""

    def scan_to_next_token(self):
        start = self.pointer
        super().scan_to_next_token()
        if "#" in self.buffer[start : self.pointer]:
            raise _Refused("what follows # would be cut off as a comment: put text with a # in quotes")


def _line(where: yaml.Node | yaml.Event) -> str:
    """In which line of a file something stands; nothing for what is typed."""
    mark = where.start_mark
    return f", line {mark.line + 1}" if mark else ""


def _use_core_schema(loader: type[yaml.SafeLoader]) -> None:
    """Tell a loader which plain words are booleans and numbers, nearly as YAML 1.2 does."""
    tag = "tag:yaml.org,2002:"
    loader.yaml_implicit_resolvers = {
        first: [(kind, pattern) for kind, pattern in patterns if kind != f"{tag}bool"]
        for first, patterns in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    loader.add_implicit_resolver(f"{tag}bool", re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF"))
    loader.add_implicit_resolver(f"{tag}int", LEADING_ZERO, list("-+0"))
    loader.add_implicit_resolver(f"{tag}float", EXPONENT, list("-+.0123456789"))
    loader.add_constructor(f"{tag}int", loader.construct_yaml_int)
    loader.add_constructor(f"{tag}float", loader.construct_yaml_float)


_use_core_schema(_StrictLoader)
_CommandLine.yaml_implicit_resolvers = _StrictLoader.yaml_implicit_resolvers
