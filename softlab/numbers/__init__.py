"""The numbers of a trained network: which there are, what they are measured on, and where they are kept."""

from softlab.facade import lazily

HOMES = {
    "LENSES": "quantities",
    "QUANTITIES": "quantities",
    "look_at": "stored",
    "of": "stored",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
