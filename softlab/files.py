"""Files that are whole or not there: write to a temporary name, flush to disk, rename. Imports no torch."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from softlab.errors import SoftlabError

if TYPE_CHECKING:
    from torch import Tensor


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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Tensors as safetensors: a format that cannot hold code."""
    from safetensors.torch import save

    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, metadata)
    write_whole(path, lambda file: file.write(content))


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to disk, where the system can."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _explained(error: OSError, path: Path) -> SoftlabError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        free = shutil.disk_usage(path.parent).free // 2**20
        return SoftlabError(f"the disk is full ({free} MiB free): {path} was not written; finished runs are untouched")
    return SoftlabError(f"cannot write {path}: {error.strerror or error}")
