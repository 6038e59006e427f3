"""What a provider's headers say about an account's windows: seen by the admin, obeyed by selection."""

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
