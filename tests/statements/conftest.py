"""Tables that a test puts on record: what was read before is forgotten, and so are they afterwards."""

import pytest

from softbook.statements import values
from softbook.studies import judge, records


def forget():
    for cached in (values._table, values._recorded, values._effects, judge._verdicts):
        cached.cache_clear()


@pytest.fixture
def put_on_record(monkeypatch):
    """put_on_record({study: {profile: table}}): these are all that is there."""

    def put(tables):
        monkeypatch.setattr(records, "by_profile", lambda study="core": tables.get(study, {}))
        forget()

    yield put
    forget()
