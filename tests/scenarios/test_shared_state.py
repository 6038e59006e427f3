"""Every scenario of two processes, as a test: what was observed is what was expected, word by word."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.scenarios.pair import Pair, running_pair
from tests.scenarios.registry import Scenario
from tests.scenarios.shared_state import SHARED
from tests.support.databases import *  # noqa: F403 - fixtures
from tests.support.postgres import PostgresServer

pytestmark = [
    pytest.mark.e2e, pytest.mark.pg, pytest.mark.redis, pytest.mark.exhaustive,
]  # fmt: skip


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, postgres_server: PostgresServer) -> Iterator[Pair]:
    url = asyncio.run(postgres_server.create_database("scenarios"))
    with running_pair(tmp_path_factory.mktemp("pair"), url) as running:
        yield running


@pytest.mark.parametrize("scenario", SHARED, ids=lambda known: known.name)
def test_scenario(scenario: Scenario, pair: Pair, record_property: Callable[[str, object], None]) -> None:
    record_property("scenario", scenario.name)
    record_property("expected", scenario.expected)
    observed = scenario.run(pair)
    record_property("observed", observed)
    assert observed == scenario.expected
