"""Networks and predictions that were made elsewhere, and report cards of methods: what the lenses say of them."""

from softlab.facade import lazily

HOMES = {
    "compare": "comparison",
    "examine": "examination",
    "examine_predictions": "examination",
    "report_card": "report",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
