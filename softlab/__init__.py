"""softlab: what training with soft labels does to the space of features.

The package carries the book's notebooks. The way of the data is

    Experiment -> Run -> Numbers -> table -> Effect -> page

Importing it loads no torch: names below are fetched from their modules on first use.
"""

import importlib

__version__ = "0.1.0"

_HOME = {
    "Experiment": "experiment",
    "Profile": "profile",
    "load_profile": "profile",
    "SoftlabError": "errors",
    "Run": "runs",
    "dataset_of": "runs",
    "fit": "networks",
    "fit_or_load": "runs",
    "study": "networks",
    "specimens": "networks",
    "study_table": "records",
    "headline": "scales",
    "extract": "representation",
    "head_of": "representation",
    "tap": "representation",
    "report_card": "report",
    "begin": "notebook",
    "examine": "examination",
}
__all__ = [*_HOME, "__version__"]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module 'softlab' has no attribute {name!r}")
    return getattr(importlib.import_module(f"softlab.{_HOME[name]}"), name)


def __dir__():
    return sorted([*globals(), *_HOME])
