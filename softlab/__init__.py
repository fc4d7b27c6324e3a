"""softlab: what training with soft labels does to the space of features.

The package carries the book's notebooks. The way of the data is

    Experiment -> Run -> Numbers -> table -> Effect -> page

and each step has a package of its own: training, lenses and numbers, studies, figures, notebook. Importing softlab
loads no torch: the names below are fetched from their modules on first use.
"""

from softlab.facade import lazily

__version__ = "0.1.0"

HOMES = {
    "SoftlabError": "errors",
    "extract": "representation",
    "head_of": "representation",
    "tap": "representation",
    "Experiment": "training.experiment",
    "Run": "training.runs",
    "dataset_of": "training.runs",
    "fit_or_load": "training.runs",
    "Profile": "profile",
    "load_profile": "profile",
    "attacks": "lenses.attacks",
    "calibration": "lenses.calibration",
    "geometry": "lenses.geometry",
    "fit": "studies.networks",
    "study": "studies.networks",
    "specimens": "studies.networks",
    "study_table": "studies.records",
    "headline": "studies.across_settings",
    "begin": "notebook.chapter",
    "examine": "notebook.examination",
    "examine_predictions": "notebook.examination",
    "report_card": "notebook.report",
}
__all__ = [*HOMES, "__version__"]
__getattr__, __dir__ = lazily(__name__, HOMES)
