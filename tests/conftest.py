"""What every test shares: a clock that moves only when told, and one Hypothesis profile for all machines.

Deadlines are off because a shared CI core is slow at random; the number of examples is what bounds the time.
PostgreSQL, Redis and process fixtures live beside the tests that need them.
"""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from headgate.kit.clock import FakeClock

settings.register_profile("ci", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


@pytest.fixture
def clock() -> FakeClock:
    """Stands still at 2025-06-15T15:06:40Z until `advance` is called."""
    return FakeClock()


_HERE = Path(__file__).parent
_SLOW = (
    "cli", "control", "crash", "relay/test_choke_point.py", "relay/test_reservation_properties.py",
    "storage/test_journal_crash.py", "storage/test_ledger_verify.py", "test_prices.py",
)  # fmt: skip
"""Whole use cases over a real database, a tenth of a second each: `make test` runs them, `make check` does
not."""

_LONGEST = (
    "e2e/test_web_app.py",
    "e2e/test_canary.py",
    "scenarios",
    "e2e/test_web_user_pages.py",
    "e2e/test_money.py",
)
"""Files of minutes. A file stays with one worker (`--dist loadfile`), so these begin first."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = tuple(str(_HERE / name) for name in _SLOW)
    longest = tuple(str(_HERE / name) for name in _LONGEST)
    for item in items:
        if str(item.path).startswith(slow):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: not str(item.path).startswith(longest))
