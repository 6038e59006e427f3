"""What an operator allows failover: other accounts for certain 400s, and money for attempts that fail."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import new_caller
from tests.e2e.speakers import MESSAGES, MESSAGES_SSE
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.simulator import RunningSimulator

MOST_USD = 0.05
BOUNDS = {
    "HEADGATE_GATEWAY__FAILOVER_ON_400": "true",
    "HEADGATE_GATEWAY__MAX_FAILED_COST_USD": str(MOST_USD),
}
LONG, SHORT = "word " * 40_000, "hi"
"""About 50,000 tokens of input, 0.15 USD; next to nothing."""


@pytest.fixture(scope="module")
def bounded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(Path(tmp_path_factory.mktemp("bounded")), **BOUNDS) as running:
        yield running


def of_three(bounded: Gateway, simulator: RunningSimulator, name: str) -> tuple[Provisioned, list[str]]:
    keys = [f"sim-{name}-{number}" for number in range(3)]
    return new_caller(bounded, simulator, "anthropic", upstream_keys=tuple(keys)), keys


def calls(simulator: RunningSimulator, keys: list[str]) -> int:
    return sum(call["count"] for call in simulator.bill()["calls"] if call["key"] in keys)


def test_a_400_that_an_account_may_cause_is_tried_on_one_other(
    bounded: Gateway, simulator: RunningSimulator
) -> None:
    caller, keys = of_three(bounded, simulator, "on400")
    for key in keys:
        simulator.script(
            key, {"status": 400, "message": "thinking is not supported for this account"}, times=1
        )
    answer = MESSAGES.ask(bounded, caller.key)
    assert (answer.status, calls(simulator, keys)) == (400, 2), "one other, not all of them"
    states = [bounded.api("GET", f"/admin/accounts/{one}/health")["state"] for one in caller.account_ids]
    assert states == ["healthy"] * 3, "the request is at fault, not the accounts"


def test_a_400_that_is_the_requests_own_is_tried_nowhere_else(
    bounded: Gateway, simulator: RunningSimulator
) -> None:
    caller, keys = of_three(bounded, simulator, "own400")
    for key in keys:
        simulator.script(key, {"status": 400, "message": "max_tokens: must be positive"}, times=1)
    assert (MESSAGES.ask(bounded, caller.key).status, calls(simulator, keys)) == (400, 1)


@pytest.mark.parametrize(("prompt", "is_dear"), [(LONG, True), (SHORT, False)])
def test_attempts_that_fail_are_bounded_in_dollars(
    bounded: Gateway, simulator: RunningSimulator, prompt: str, is_dear: bool
) -> None:
    """A provider that accepts and then breaks off bills the input: three such attempts would be paid for."""
    caller, keys = of_three(bounded, simulator, f"dollars{is_dear}")
    for key in keys:
        simulator.script(key, "cut_after=0")
    answer = MESSAGES_SSE.ask(bounded, caller.key, prompt)
    assert answer.status == 502
    made = calls(simulator, keys)
    assert made == 1 if is_dear else made > 3
    story = bounded.api("GET", f"/admin/requests/{answer.headers['x-headgate-exchange-id']}/explain")
    assert (story["failover"][-1].get("because") == "out_of_money") == is_dear
