"""Whose fault it was: the account bears what another account disproves, and no more. Prompts that are too
long go where they fit. Every fallback is seen."""

from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned
from tests.support.simulator import RunningSimulator


@pytest.fixture
def keys(upstream_key: str) -> tuple[str, str]:
    return upstream_key, f"{upstream_key}-b"


@pytest.fixture
def caller(gateway: Gateway, provision: Provision, keys: tuple[str, str]) -> Provisioned:
    """Two accounts; the first one is tried first."""
    made = provision("anthropic", upstream_keys=keys)
    gateway.api("PUT", f"/admin/accounts/{made.account_ids[0]}", {"priority": 1})
    return made


def states(gateway: Gateway, caller: Provisioned) -> list[str]:
    paths = [f"/admin/accounts/{number}/health" for number in caller.account_ids]
    return [gateway.api("GET", path)["state"] for path in paths]


def script(simulator: RunningSimulator, keys: tuple[str, ...], fault: Any, times: int = 1) -> None:
    for key in keys:
        simulator.script(key, fault, times=times)


def test_what_another_account_disproves_is_held_against_the_account(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, keys: tuple[str, str]
) -> None:
    script(simulator, keys[:1], "status=403")
    answer = MESSAGES.ask(gateway, caller.key, "first")
    assert (answer.status, answer.headers.get("x-headgate-failovers")) == (200, "1")
    assert states(gateway, caller) == ["down", "healthy"]
    assert b'headgate_failovers_total{event="switch"}' in gateway.get("/metrics")[1]


@pytest.mark.parametrize("status", [403, 500])
def test_one_bad_request_cools_nobody(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, keys: tuple[str, str], status: int
) -> None:
    script(simulator, keys, f"status={status}", times=4)
    for _ in range(4):  # the first time at both, then it is known and tried once
        assert MESSAGES.ask(gateway, caller.key, f"poison {status}").status == 502
    assert states(gateway, caller) == ["healthy", "healthy"]
    seen = [row["account_id"] for row in gateway.usage(user_id=caller.user_id)]
    assert sorted(seen[:2]) == sorted(caller.account_ids)
    assert len(seen) == 5, "tried everywhere once, then in one place"
    for key in keys:
        simulator.script(key, {})
    assert MESSAGES.ask(gateway, caller.key, "something else").status == 200


def test_a_model_that_an_account_lacks_is_served_by_another_and_not_asked_there_again(
    gateway: Gateway, simulator: RunningSimulator, caller: Provisioned, keys: tuple[str, str]
) -> None:
    script(simulator, keys[:1], {"status": 404, "message": "model: claude-x"})
    assert MESSAGES.ask(gateway, caller.key, "first").status == 200
    health = gateway.api("GET", f"/admin/accounts/{caller.account_ids[0]}/health")
    (cooldown,) = health["cooldowns"]
    assert cooldown["cause"] == "model_unavailable"
    assert cooldown["model"]


def test_a_prompt_too_long_is_taken_over_by_the_group_that_is_named_for_it(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    small = provision("anthropic", upstream_keys=(upstream_key,))
    large = provision("anthropic", upstream_keys=(f"{upstream_key}-large",))
    named = {"fallback_group_id_on_invalid_request": large.group_id}
    gateway.api("PUT", f"/admin/groups/{small.group_id}", named)
    too_long = {"status": 400, "message": "prompt is too long: 213000 tokens > 200000 maximum"}
    simulator.script(upstream_key, too_long, times=1)
    answer = MESSAGES.ask(gateway, small.key, "a long story")
    assert answer.status == 200
    assert answer.headers.get("x-headgate-group-fallback") == "prompt_too_long"
    failed, answered = gateway.usage(user_id=small.user_id)
    assert (failed["group_id"], answered["group_id"]) == (small.group_id, large.group_id)
    assert answered["actual_cost"] > 0
    short = MESSAGES.ask(gateway, small.key, "a short one")
    assert "x-headgate-group-fallback" not in short.headers
