"""softlab: what training with soft labels does to the space of features.

The way of the data is

    Experiment -> Run -> Numbers -> table -> Effect

and each step has a package of its own: training, lenses and numbers, comparison. Networks and predictions that were
made elsewhere come in through the inspector; softlab.own carries the methods into anybody's training. Importing softlab
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
    "fit": "fitting",
    "refit_head": "training.heads",
    "criterion": "own.losses",
    "mixture": "own.mixtures",
    "Watch": "own.monitor",
    "compare": "comparison.side_by_side",
    "examine": "inspector.examination",
    "examine_predictions": "inspector.examination",
    "report_card": "inspector.report",
}
__all__ = [*HOMES, "__version__"]
__getattr__, __dir__ = lazily(__name__, HOMES)
