"""Methods from a file that a user names on the command line. The file is run: name none that you do not trust."""

import dataclasses
import importlib.util
import sys
from pathlib import Path

from softlab.errors import SoftlabError
from softlab.profile import Profile, study_profile


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


def added(settings: Profile, study: str, path: Path) -> Profile:
    """The profile, with the methods of the user's file added to this study, with default parameters."""
    from softlab.regularizers import REGISTRY

    known = dict(REGISTRY)
    run(path)
    own = {name: {} for name in REGISTRY if REGISTRY[name] is not known.get(name)}
    methods = {**study_profile(settings, study).methods, **own}
    studies = {**settings.studies, study: {**settings.studies[study], "methods": methods}}
    return dataclasses.replace(settings, studies=studies)
