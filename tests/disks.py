"""File systems of their own for tests: small ones that get full, and ones that nobody can write to."""

import subprocess
from contextlib import contextmanager

import pytest


def mounted(place, options):
    """Is an empty file system in memory now at place? Not for users that may not mount one."""
    place.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "none", place]
    try:
        return not subprocess.run(command, capture_output=True).returncode
    except OSError:
        return False


def unmount(place):
    subprocess.run(["umount", "--lazy", place], check=True)


@contextmanager
def small(place, size):
    """A file system of this size ("36k"), for a with statement; skips the test where it cannot be had."""
    if not mounted(place, f"size={size}"):
        pytest.skip("mounting a small file system needs root")
    yield place
    unmount(place)


def grow(place):
    subprocess.run(["mount", "-o", "remount,size=64m", place], check=True)
