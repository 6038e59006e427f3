"""One real gateway with one real simulator behind it for the whole session; every test has keys of its own.

Gateways with special settings are started by the module that needs them.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.simulator import RunningSimulator, running_simulator

ROOM_FOR_MANY_TESTS = {"HEADGATE_AUTH__LOGIN_LIMIT_PER_MINUTE": "10000"}
_FOLDER = Path(__file__).parent
_numbers = count(1)

Provision = Callable[..., Provisioned]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here is end to end."""
    for item in items:
        if _FOLDER in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def simulator() -> Iterator[RunningSimulator]:
    with running_simulator(seed=11, keep_lines=20_000) as running:
        yield running


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("gateway"), **ROOM_FOR_MANY_TESTS) as running:
        yield running


def new_caller(gateway: Gateway, simulator: RunningSimulator, platform: str, **more: Any) -> Provisioned:
    """A caller like no other: name, user, group and account are new."""
    return gateway.provision(platform, simulator.url, **{"name": f"n{next(_numbers)}", **more})


@pytest.fixture(scope="session")
def provision(gateway: Gateway, simulator: RunningSimulator) -> Provision:
    """`provision("openai", upstream_keys=("sim-a", "sim-b"))`: a new caller and its accounts."""
    return partial(new_caller, gateway, simulator)


@pytest.fixture
def upstream_key() -> str:
    """A simulator key that no other test uses: its bill and its scripts are this test's alone."""
    return f"sim-e2e-{next(_numbers)}"


@pytest.fixture(scope="session")
def caller_anthropic(provision: Provision) -> Provisioned:
    return provision("anthropic", upstream_keys=("sim-shared-anthropic",))


@pytest.fixture(scope="session")
def caller_openai(provision: Provision) -> Provisioned:
    return provision("openai", upstream_keys=("sim-shared-openai",))


@pytest.fixture(scope="session")
def caller_gemini(provision: Provision) -> Provisioned:
    return provision("gemini", upstream_keys=("sim-shared-gemini",))
