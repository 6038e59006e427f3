"""What a provider's headers say about an account's windows: seen by the admin, obeyed by selection."""

import time

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES, RESPONSES
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator


def test_the_windows_of_an_account_are_shown_with_their_forecast(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    simulator.script(upstream_key, "window_used=0.37", times=1)
    assert MESSAGES.ask(gateway, caller.key, "hello").status == 200
    seen = gateway.api("GET", f"/admin/accounts/{account}/usage?job_minutes=1")
    five = seen["five_hour"]
    assert (seen["source"], five["utilization"], seen["seven_day"]["utilization"]) == ("passive", 37.0, 1.0)
    assert five["window_stats"]["requests"] == 1
    assert 0 < five["remaining_seconds"] <= 5 * 3600
    assert five["forecast"]["burn_percent_per_hour"] > 0
    assert seen["long_job"]["minutes"] == 1


def test_an_account_that_said_it_is_used_up_rests_until_its_window_starts_anew(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    simulator.script(upstream_key, "window_used=1", times=1)
    assert RESPONSES.ask(gateway, caller.key, "the last one").status == 200
    sick = gateway.api("GET", f"/admin/accounts/{account}/health")
    (cooldown,) = sick["cooldowns"]
    assert (cooldown["cause"], cooldown["evidence"]) == ("rate_limited", "the 5h window is used up")
    seen = gateway.api("GET", f"/admin/accounts/{account}/usage")
    assert seen["five_hour"]["forecast"]["outlook"] == "exhausted"
    assert seen["long_job"]["safe"] == "no"
    refused = RESPONSES.ask(gateway, caller.key, "one more")
    assert refused.status == 503
    gateway.api("POST", f"/admin/accounts/{account}/recover-state")
    assert RESPONSES.ask(gateway, caller.key, "again").status == 200


def test_limits_of_an_account_are_set_in_extra_kept_and_shown(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = caller.account_ids
    models = {"claude-*": {"rpm_limit": 9}}
    limits = {"base_rpm": 1, "max_sessions": 5, "window_cost_limit": 50, "model_limits": models}
    gateway.api("PUT", f"/admin/accounts/{account}", {"extra": limits})
    assert MESSAGES.ask(gateway, caller.key, "first").status == 200
    refused = MESSAGES.ask(gateway, caller.key, "second")
    if refused.status == 200:  # the minute of the clock changed in between
        refused = MESSAGES.ask(gateway, caller.key, "third")
    assert refused.status == 429
    assert b"base_rpm" in refused.body
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    shown = gateway.api("GET", f"/admin/accounts/{account}/usage")["limits"]
    assert (shown["requests_per_minute"], shown["sessions"]["limit"]) == ({"limit": 1.0, "used": 1.0}, 5)
    assert shown["window_cost"]["limit"] == 50
    assert shown["window_cost"]["used"] > 0


def test_messages_to_a_paced_account_keep_their_distance(gateway: Gateway, provision: Provision) -> None:
    caller = provision("anthropic", upstream_keys=("sim-paced",))
    (account,) = caller.account_ids
    gateway.api("PUT", f"/admin/accounts/{account}", {"extra": {"user_msg_queue_mode": "serialize"}})
    assert MESSAGES.ask(gateway, caller.key, "first").status == 200
    began = time.monotonic()
    for n in range(4):
        assert MESSAGES.ask(gateway, caller.key, f"more {n}").status == 200
    assert time.monotonic() - began >= 3 * 0.17
