"""Every scenario, as a test: what was observed is what was expected, word by word."""

from collections.abc import Callable, Iterator

import pytest

from tests.scenarios import account_trouble, limits, load, requests_at_fault
from tests.scenarios.registry import SCENARIOS, Scenario
from tests.scenarios.world import World, running_world

MODULES = (account_trouble, limits, load, requests_at_fault)
pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("scenarios")) as running:
        yield running


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda known: known.name)
def test_scenario(scenario: Scenario, world: World, record_property: Callable[[str, object], None]) -> None:
    record_property("scenario", scenario.name)
    record_property("expected", scenario.expected)
    observed = scenario.run(world)
    record_property("observed", observed)
    assert observed == scenario.expected
