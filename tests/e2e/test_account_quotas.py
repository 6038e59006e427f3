"""What an account may cost its owner: a used-up account is left to others until its quota begins anew (spec
1.4)."""

import time
from typing import Any

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import CHAT
from tests.support.gateway import Gateway, Provisioned

FULL = {"quota_limit": 1e-9}
"""A nano-USD: no request fits into it."""
NO_ACCOUNT = 503


def account(gateway: Gateway, account_id: int) -> dict[str, Any]:
    return dict(gateway.api("GET", f"/admin/accounts/{account_id}"))


def limit(gateway: Gateway, account_id: int, **extra: Any) -> None:
    gateway.api("PUT", f"/admin/accounts/{account_id}", {"extra": extra})


def status(gateway: Gateway, caller: Provisioned) -> int:
    return CHAT.ask(gateway, caller.key).status


def wait_for(gateway: Gateway, caller: Provisioned, wanted: int) -> None:
    """A refused account is looked at again every few seconds."""
    deadline = time.monotonic() + 15
    while (got := status(gateway, caller)) != wanted:
        assert time.monotonic() < deadline, f"still {got}"
        time.sleep(0.5)


def test_a_used_up_account_is_left_to_the_others(
    gateway: Gateway, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(f"{upstream_key}-a", f"{upstream_key}-b"))
    first, second = caller.account_ids
    gateway.api("PUT", f"/admin/accounts/{first}", {"priority": 1, "extra": FULL})
    for _ in range(3):
        assert status(gateway, caller) == 200
    assert {record["account_id"] for record in gateway.usage(api_key_id=caller.key_id)} == {second}


def test_what_requests_cost_uses_the_quota_up_and_a_reset_brings_the_account_back(
    gateway: Gateway, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,), account={"rate_multiplier": 0.5})
    (account_id,) = caller.account_ids
    limit(gateway, account_id, quota_daily_limit=1000)
    assert status(gateway, caller) == 200
    (record,) = gateway.usage(api_key_id=caller.key_id)
    assert account(gateway, account_id)["quota_daily_used"] == pytest.approx(record["account_cost"], abs=1e-9)
    limit(gateway, account_id, quota_daily_limit=record["account_cost"])
    assert status(gateway, caller) == NO_ACCOUNT
    shown = account(gateway, account_id)
    assert (shown["quota_daily_used"], shown["quota_daily_limit"]) == (record["account_cost"],) * 2
    limit(gateway, account_id, quota_daily_limit=1000)
    wait_for(gateway, caller, 200)
    gateway.api("POST", f"/admin/accounts/{account_id}/reset-quota")
    assert account(gateway, account_id)["quota_daily_used"] == 0


def test_free_requests_use_the_accounts_quota_up_as_well(
    gateway: Gateway, provision: Provision, upstream_key: str
) -> None:
    caller = provision("openai", upstream_keys=(upstream_key,), group={"rate_multiplier": 0})
    (account_id,) = caller.account_ids
    limit(gateway, account_id, quota_limit=1000)
    assert status(gateway, caller) == 200
    assert account(gateway, account_id)["quota_used"] > 0
    limit(gateway, account_id, **FULL)
    assert status(gateway, caller) == NO_ACCOUNT
