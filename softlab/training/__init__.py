"""From an experiment to a trained network: images, architectures, the loop, the store."""

from softlab.facade import lazily

HOMES = {
    "Experiment": "experiment",
    "Dataset": "data",
    "build_model": "loop",
    "choose_device": "loop",
    "epochs": "loop",
    "step": "loop",
    "training_set": "loop",
    "Run": "runs",
    "dataset_of": "runs",
    "fit_or_load": "runs",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
