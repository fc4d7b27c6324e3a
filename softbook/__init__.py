"""softbook: the book's own code, its numbers on record, and its small trained networks. It imports softlab.

Notebooks and the engine use it; what anybody can use with networks of their own is in softlab. Importing softbook loads
no torch: the names below are fetched from their modules on first use.
"""

from softlab.facade import lazily

__version__ = "0.1.0"

HOMES = {
    "begin": "page.chapter",
    "headline": "studies.across_settings",
    "specimens": "studies.networks",
}
__all__ = [*HOMES, "__version__"]
__getattr__, __dir__ = lazily(__name__, HOMES)
