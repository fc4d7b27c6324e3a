"""From the numbers of many networks to what can be said of a method: recorded tables, paired differences, laws."""

from softlab.facade import lazily

HOMES = {
    "fit": "networks",
    "specimens": "networks",
    "study": "networks",
    "study_table": "records",
    "headline": "across_settings",
}
__getattr__, __dir__ = lazily(__name__, HOMES)
