"""Where things that can be made again are kept."""

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """The user's folder for things that can be made again: SOFTLAB_CACHE, else the system's place for caches."""
    if os.environ.get("SOFTLAB_CACHE"):
        return Path(os.environ["SOFTLAB_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home())) / "softlab"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "softlab"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "softlab"
