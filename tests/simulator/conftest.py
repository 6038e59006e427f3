"""One simulator process for the whole folder; every test uses keys of its own, so that bills do not mix."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.support.simulator import RunningSimulator, running_simulator

_numbers = count(1)


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(seed=7) as running:
        yield running


@pytest.fixture
def new_key() -> Callable[[], str]:
    """A key that no other test uses."""
    return lambda: f"sim-test-{next(_numbers)}"


@pytest.fixture
def key(new_key: Callable[[], str]) -> str:
    return new_key()
