"""Login and tokens are the same on both databases: SQLite is enough here."""

import pytest

from headgate.storage.engine import DatabaseTarget


@pytest.fixture
def target(sqlite_target: DatabaseTarget) -> DatabaseTarget:
    return sqlite_target
