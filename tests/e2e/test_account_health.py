"""An account that fails, cools, is tried again and recovers, seen from outside."""

from typing import Any

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator


def health(gateway: Gateway, account_id: int) -> dict[str, Any]:
    return dict(gateway.api("GET", f"/admin/accounts/{account_id}/health"))


def test_an_overloaded_account_is_degraded_until_its_next_answer(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    simulator.script(upstream_key, "status=529 retry_after=-1", times=1)
    assert MESSAGES.ask(gateway, caller.key, "first").status == 503
    sick = health(gateway, account)
    (cooldown,) = sick["cooldowns"]
    assert (sick["state"], cooldown["cause"], cooldown["evidence"]) == ("degraded", "overloaded", "default")
    assert MESSAGES.ask(gateway, caller.key, "second").status == 200
    well = health(gateway, account)
    assert (well["state"], well["cooldowns"]) == ("healthy", [])
    assert [(e["state"], e["cause"]) for e in well["timeline"]] == [
        ("healthy", "answered"),
        ("degraded", "overloaded"),
    ]
    assert all(event["request_id"] for event in well["timeline"])
    assert gateway.api("GET", f"/admin/accounts/{account}")["overload_until"] is None


def test_a_rate_limited_account_serves_again_after_one_click(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    simulator.script(upstream_key, "status=429 retry_after=600", times=1)
    assert MESSAGES.ask(gateway, caller.key, "first").status == 429
    assert health(gateway, account)["state"] == "cooling"
    refused = MESSAGES.ask(gateway, caller.key, "too early")
    assert refused.status == 503
    gateway.api("POST", f"/admin/accounts/{account}/recover-state")
    assert MESSAGES.ask(gateway, caller.key, "second").status == 200
    assert health(gateway, account)["state"] == "healthy"


def test_an_accounts_own_rule_takes_it_out_for_a_while_and_says_why(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    keys = (upstream_key, f"{upstream_key}-b")
    caller = provision("anthropic", upstream_keys=keys)
    account = caller.account_ids[0]
    rule = {"error_code": 500, "keywords": ["MAINTENANCE"], "duration_minutes": 30}
    options = {"temp_unschedulable_enabled": True, "temp_unschedulable_rules": [rule]}
    before = gateway.api("GET", f"/admin/accounts/{account}")["credentials"]
    gateway.api("PUT", f"/admin/accounts/{account}", {"priority": 1, "credentials": {**before, **options}})
    simulator.script(upstream_key, {"status": 500, "message": "down for maintenance"}, times=1)
    assert MESSAGES.ask(gateway, caller.key, "first").status == 200, "the other account answers"
    shown = gateway.api("GET", f"/admin/accounts/{account}/temp-unschedulable")
    assert shown["active"] is True
    assert (shown["state"]["status_code"], shown["state"]["matched_keyword"]) == (500, "maintenance")
    assert "maintenance" in shown["state"]["error_message"]
    (cooldown,) = health(gateway, account)["cooldowns"]
    assert cooldown["cause"] == "temp_unschedulable"
    gateway.api("DELETE", f"/admin/accounts/{account}/temp-unschedulable")
    assert MESSAGES.ask(gateway, caller.key, "second").status == 200
    assert health(gateway, account)["state"] == "healthy"


def test_an_account_that_is_a_pool_is_tried_again_and_bears_nothing(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    before = gateway.api("GET", f"/admin/accounts/{account}")["credentials"]
    gateway.api("PUT", f"/admin/accounts/{account}", {"credentials": {**before, "pool_mode": True}})
    simulator.script(upstream_key, "status=401", times=1)
    assert MESSAGES.ask(gateway, caller.key, "first").status == 200
    assert health(gateway, account)["timeline"] == []
