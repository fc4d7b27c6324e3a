"""What a page shows: a chapter's settings and sentences, tables, explorable figures, and its results file."""

from softlab.facade import lazily

HOMES = {
    "answering": "chapter",
    "begin": "chapter",
    "prepare": "chapter",
    "say": "chapter",
    "show_declared": "chapter",
    "show_law": "chapter",
    "table": "chapter",
    "table_of_words": "chapter",
    "tell": "chapter",
    "test_part": "chapter",
    "explorable": "widgets",
    "explore": "widgets",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
