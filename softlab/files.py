"""Files that are whole or not there: write to a temporary name, flush to disk, rename. And YAML, read strictly.

This module imports no torch.
"""

from __future__ import annotations

import copy
import errno
import functools
import hashlib
import json
import os
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
    """Tensors as safetensors: a format that cannot hold code."""
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    write_whole(path, lambda file: file.write(content))


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
    # PyYAML lets errors through that are not its own: bytes that are no text, dates that are none, `!!bool x`
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError) as error:
        raise SoftlabError(f"{path} is not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(content, dict):
        raise SoftlabError(f"{path} must hold a mapping of names to values")
    return content


@functools.lru_cache(maxsize=32)
def _parsed(path: Path, changed: int) -> object:
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_StrictLoader)  # a SafeLoader


class _StrictLoader(yaml.SafeLoader):
    """yaml.SafeLoader that refuses a key given twice (the second would silently win) and what may grow without limit.

    A few lines of references (*name) to references stand for billions of values, and a number can have as many digits
    as fit into the file.
    """

    def compose_node(self, parent, index):
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()
            line = event.start_mark.line + 1
            raise yaml.YAMLError(f"the reference *{event.anchor}, line {line}, is not read: write what it stands for")
        return super().compose_node(parent, index)

    def construct_yaml_int(self, node):
        number = super().construct_yaml_int(node)
        if number.bit_length() > 64:
            raise yaml.YAMLError(f"a whole number of more than 64 bits, line {node.start_mark.line + 1}")
        return number

    def construct_mapping(self, node, deep=False):
        keys = [key.value for key, _ in node.value if isinstance(key.value, str)]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice!r} is given twice, line {node.start_mark.line + 1}")
        return super().construct_mapping(node, deep)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _StrictLoader.construct_yaml_int)
