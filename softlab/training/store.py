"""The store's files: finished runs with their manifests, checkpoints, locks, marks. For what a run means, see runs.py.

A run is a folder of the store, named by its id: weights and snapshots as safetensors, everything else as JSON, and a
manifest with the digest of each file. It is written under `.partial/` and renamed when complete.
"""

import contextlib
import json
import re
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import safetensors
from filelock import FileLock, Timeout
from torch import Tensor

from softlab.errors import SoftlabError
from softlab.files import file_digest, sync_folder, write_json, write_tensors
from softlab.provenance import store_folder

ID = re.compile(r"[a-z][a-z0-9_]*-seed[0-9]+-[0-9a-f]{12}")
CHECKPOINT = "checkpoint.safetensors"


class DamagedRun(Exception):
    """A run's files are not what its manifest says."""


def read(folder: Path) -> list[dict] | None:
    """Experiment, history and provenance of a run, all its files verified; None if there is none.

    Raises DamagedRun if it is not intact.
    """
    if not folder.is_dir():
        return None
    try:
        manifest = json.loads((folder / "manifest.json").read_bytes())
        for name, digest in manifest.items():
            if file_digest(folder / name) != digest:
                raise DamagedRun(f"{name} does not have the digest on record")
        return [json.loads((folder / f"{part}.json").read_bytes()) for part in ("experiment", "history", "provenance")]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise DamagedRun(str(error)) from error


def finish(partial: Path, folder: Path) -> None:
    """Turn everything in `partial` except its checkpoint into the finished run `folder`."""
    for torn in partial.glob(".*"):  # what a kill left in the middle of writing
        torn.unlink()
    whole = [path for path in partial.iterdir() if path.name not in (CHECKPOINT, "manifest.json")]
    write_json(partial / "manifest.json", {path.name: file_digest(path) for path in whole})
    sync_folder(partial)
    partial.replace(folder)
    sync_folder(folder.parent)
    (folder / CHECKPOINT).unlink(missing_ok=True)


def set_aside(folder: Path) -> None:
    """Move a damaged run out of the way, into `.damaged/`."""
    (folder.parent / ".damaged").mkdir(exist_ok=True)
    folder.rename(folder.parent / ".damaged" / f"{folder.name}-{time.time_ns()}")


def keep_checkpoint(partial: Path, epoch: int, history: dict, **parts: dict[str, Tensor]) -> None:
    """Keep tensors, by part and name, in one file, so that they can never come from different epochs."""
    tensors = {f"{part}/{name}": tensor for part, named in parts.items() for name, tensor in named.items()}
    write_tensors(partial / CHECKPOINT, tensors, {"epoch": str(epoch), "history": json.dumps(history)})


def read_checkpoint(partial: Path, *parts: str) -> tuple[int, dict, list[dict[str, Tensor]]] | None:
    """Epoch, history and the tensors of each part that a killed process left; None if there is nothing to read."""
    try:
        with safetensors.safe_open(partial / CHECKPOINT, "pt") as file:
            metadata = file.metadata()
            found = {part: {} for part in parts}
            for name in file.keys():  # noqa: SIM118 (no mapping)
                part, _, tensor = name.partition("/")
                found[part][tensor] = file.get_tensor(name)
    except FileNotFoundError:
        return None
    except safetensors.SafetensorError:
        (partial / CHECKPOINT).unlink()
        return None
    return int(metadata["epoch"]), json.loads(metadata["history"]), [found[part] for part in parts]


def run_folders(store: Path) -> list[Path]:
    """Folders whose names are run ids."""
    return [path for path in store.glob("*-seed*") if ID.fullmatch(path.name)]


def prune(names: list[str], store: str | Path | None = None) -> int:
    """Delete these runs and everything unfinished or damaged; returns how many runs were deleted."""
    root = store_folder(store)
    names = list(dict.fromkeys(names))
    for name in names:
        if not ID.fullmatch(name) or not (root / name).is_dir():
            raise SoftlabError(f"{name!r} is no run of {root}")
    for name in names:
        shutil.rmtree(root / name)
    for folder in run_folders(root):
        try:
            read(folder)
        except DamagedRun:
            shutil.rmtree(folder)
    for partial in (root / ".partial").glob("*"):
        try:
            with contextlib.suppress(Timeout), FileLock(lock_file(root, partial.name), timeout=0):  # else being trained
                shutil.rmtree(partial)
        except NotImplementedError:
            raise SoftlabError(_no_locks(root)) from None
    shutil.rmtree(root / ".damaged", ignore_errors=True)
    return len(names)


@contextlib.contextmanager
def alone(store: Path, name: str, does: str = "trains") -> Iterator[None]:
    """Hold the lock of one run; say so if that means waiting. The system releases it if the process dies.

    does: what the holder does, if the lock is a table's rather than a run's.
    """
    path = lock_file(store, name)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting for another process that {does} {name}", file=sys.stderr, flush=True)
            lock.acquire()
    except NotImplementedError:  # of filelock, on some network file systems
        raise SoftlabError(_no_locks(store)) from None
    except OSError as error:
        raise SoftlabError(f"cannot write to the store {store}: {error.strerror}") from None
    try:
        yield
    finally:
        lock.release()


def _no_locks(store: Path) -> str:
    advice = "name a folder on another disk, by SOFTLAB_STORE or --store"
    return f"the file system of the store {store} has no locks (flock), so processes could not share it: {advice}"


def lock_file(store: Path, name: str) -> Path:
    return store / ".locks" / f"{name}.lock"
