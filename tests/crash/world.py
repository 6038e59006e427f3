"""Who pays and who serves in a crash run: four groups, twelve users, keys with limits, a provider that
fails now and then."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.crash.tariff import RATES
from tests.e2e.money_load import DIALECTS, PLATFORMS, START_BALANCE, Payer, provide
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator

COST_MULTIPLIER = 370
"""Thousandths; `money_load.provide` gives 0.37 to every account."""
POOR_USD = 0.08
PLENTY_USD = 500
SUBSCRIBED = ("messages", "chat")
PLAN_MULTIPLIER = 2200
LIMITS_USD = 800.0
_TROUBLES = (
    "status=500", "status=529 retry_after=1", "status=429 retry_after=1", "status=503", "cut_after=0",
    "cut_after=3", "error_after=2", "status=400",
)  # fmt: skip
_NAME = "crash"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Per dialect three payers: one rich (in two dialects a subscriber), one whose key has a quota and
    windows, one nearly broke."""

    payers: dict[str, list[Payer]]
    key_of_account: Mapping[int, str]
    """Account id -> its secret at the provider, which names it on the bill."""
    multiplier_of_user: Mapping[int, int]
    """User id -> charge multiplier of the group that it pays for, thousandths."""

    @property
    def poor(self) -> list[Payer]:
        return [payers[2] for payers in self.payers.values()]

    @property
    def everybody(self) -> list[Payer]:
        return [payer for payers in self.payers.values() for payer in payers]


NOBODY = World(payers={}, key_of_account={}, multiplier_of_user={})
"""Before anybody has settled down."""


def settle_down(gateway: Gateway, simulator: RunningSimulator) -> World:
    """Make the world, in a gateway that nobody kills yet."""
    for model, rates in RATES.items():
        gateway.api("POST", "/admin/prices", rates.as_price(model))
    payers = provide(gateway, simulator, _NAME, with_broken=False)
    for dialect, (rich, limited, poor) in payers.items():
        for payer in (rich, limited):
            body = {"balance": PLENTY_USD, "operation": "add"}
            gateway.api("POST", f"/admin/users/{payer.user_id}/balance", body)
        payers[dialect][1] = _with_limits(gateway, dialect, limited)
        _make_poor(gateway, poor)
    for dialect in SUBSCRIBED:
        payers[dialect][0] = _subscriber(gateway, dialect, payers[dialect][0])
    _limit_accounts(gateway)
    return World(
        payers=payers,
        key_of_account=_accounts(gateway),
        multiplier_of_user={
            payer.user_id: (
                PLAN_MULTIPLIER
                if dialect in SUBSCRIBED and payer is payers[dialect][0]
                else 1000 + 250 * number
            )
            for number, dialect in enumerate(DIALECTS)
            for payer in payers[dialect]
        },
    )


def _with_limits(gateway: Gateway, dialect: str, payer: Payer) -> Payer:
    """The same user with another key: a quota and all three windows, wide enough for a run."""
    token = gateway.login(f"{_NAME}-{dialect}-1@headgate.test", "user-password")
    (first,) = gateway.api("GET", "/keys", token=token)["items"]
    limits = {
        "quota": LIMITS_USD, "rate_limit_5h": LIMITS_USD, "rate_limit_1d": LIMITS_USD,
        "rate_limit_7d": LIMITS_USD,
    }  # fmt: skip
    body = {"name": "limited", "group_id": first["group_id"], **limits}
    return Payer(payer.user_id, gateway.api("POST", "/keys", body, token=token)["key"])


def _subscriber(gateway: Gateway, dialect: str, payer: Payer) -> Payer:
    """The same user with a key of a subscription group that the dialect's accounts serve as well."""
    limits = {f"{window}_limit_usd": LIMITS_USD for window in ("daily", "weekly", "monthly")}
    body = {
        "name": f"{_NAME}-{dialect}-plan", "platform": PLATFORMS[dialect],
        "subscription_type": "subscription", "rate_multiplier": PLAN_MULTIPLIER / 1000, **limits,
    }  # fmt: skip
    group_id = gateway.api("POST", "/admin/groups", body)["id"]
    for account in _account_rows(gateway):
        if account["name"].split("-")[1] == dialect:
            ids = [*account["group_ids"], group_id]
            gateway.api("PUT", f"/admin/accounts/{account['id']}", {"group_ids": ids})
    gateway.api("POST", "/admin/subscriptions/assign", {"user_id": payer.user_id, "group_id": group_id})
    token = gateway.login(f"{_NAME}-{dialect}-{PLATFORMS[dialect]}@headgate.test", "user-password")
    made = gateway.api("POST", "/keys", {"name": "plan", "group_id": group_id}, token=token)
    return Payer(payer.user_id, made["key"])


def _limit_accounts(gateway: Gateway) -> None:
    """Every account has a quota, wide enough for a run: what it costs is counted."""
    quota = {f"quota_{part}limit": LIMITS_USD * 10 for part in ("", "daily_", "weekly_")}
    for account in _account_rows(gateway):
        gateway.api("PUT", f"/admin/accounts/{account['id']}", {"extra": quota})


def _make_poor(gateway: Gateway, payer: Payer) -> None:
    body = {"balance": START_BALANCE - POOR_USD, "operation": "subtract"}
    gateway.api("POST", f"/admin/users/{payer.user_id}/balance", body)


def _accounts(gateway: Gateway) -> dict[int, str]:
    """Accounts are named after their group and their place in it; so are their secrets."""
    found = {}
    for account in _account_rows(gateway):
        dialect, number = account["name"].split("-")[1], int(account["name"].rsplit("-", 1)[1])
        found[account["id"]] = f"sim-{_NAME}-{dialect}-{'abc'[number]}"
    return found


def _account_rows(gateway: Gateway) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = gateway.api("GET", "/admin/accounts?page_size=100")["items"]
    return rows


def trouble(simulator: RunningSimulator, dice: random.Random) -> None:
    """Let one or two of each group's three accounts fail a few times."""
    for dialect in DIALECTS:
        for letter in dice.sample("abc", dice.randint(0, 2)):
            secret = f"sim-{_NAME}-{dialect}-{letter}"
            simulator.script(secret, dice.choice(_TROUBLES), times=dice.randint(1, 3))
