"""Methods from a file that a user names on the command line. The file is run: name none that you do not trust."""

import importlib.util
import sys
from pathlib import Path

from softlab.errors import SoftlabError


def run(path: Path) -> None:
    """Execute the user's own file, so that its methods are registered."""
    if not path.is_file() or path.suffix != ".py":
        raise SoftlabError(f"--methods-file {path}: there is no such Python file")
    spec = importlib.util.spec_from_file_location("softlab_user_methods", path)
    assert spec is not None
    assert spec.loader is not None  # as the suffix is .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SoftlabError:
        raise
    except Exception as error:
        raise SoftlabError(f"--methods-file {path} failed: {type(error).__name__}: {error}") from error
