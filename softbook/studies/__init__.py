"""What the book asks of many networks: recorded tables, declarations and verdicts, and each question's analysis."""

from softlab.facade import lazily

HOMES = {"specimens": "networks", "headline": "across_settings"}
__getattr__, __dir__ = lazily(__name__, HOMES)
