"""What every test shares: a clock that moves only when told, and one Hypothesis profile for all machines.

Deadlines are off because a shared CI core is slow at random; the number of examples is what bounds the time.
PostgreSQL, Redis and process fixtures live beside the tests that need them.
"""

import pytest
from hypothesis import HealthCheck, settings

from headgate.kit.clock import FakeClock

settings.register_profile("ci", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("ci")


@pytest.fixture
def clock() -> FakeClock:
    """Stands still at 2025-06-15T15:06:40Z until `advance` is called."""
    return FakeClock()
