"""Who pays and who serves in a crash run: four groups, twelve users, keys with limits, a provider that
fails now and then."""

import random
from collections.abc import Mapping
from dataclasses import dataclass

from tests.crash.tariff import RATES
from tests.e2e.money_load import DIALECTS, START_BALANCE, Payer, provide
from tests.support.gateway import Gateway
from tests.support.simulator import RunningSimulator

COST_MULTIPLIER = 370
"""Thousandths; `money_load.provide` gives 0.37 to every account."""
POOR_USD = 0.03
PLENTY_USD = 500
LIMITS_USD = 400.0
_TROUBLES = (
    "status=500", "status=529 retry_after=1", "status=429 retry_after=1", "status=503", "cut_after=0",
    "cut_after=3", "error_after=2", "status=400",
)  # fmt: skip
_NAME = "crash"


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Per dialect three payers: one rich, one whose key has a quota and windows, one nearly broke."""

    payers: dict[str, list[Payer]]
    key_of_account: Mapping[int, str]
    """Account id -> its secret at the provider, which names it on the bill."""
    multiplier_of_user: Mapping[int, int]
    """User id -> charge multiplier of its group, thousandths."""

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
    return World(
        payers=payers,
        key_of_account=_accounts(gateway),
        multiplier_of_user={
            payer.user_id: 1000 + 250 * number
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


def _make_poor(gateway: Gateway, payer: Payer) -> None:
    body = {"balance": START_BALANCE - POOR_USD, "operation": "subtract"}
    gateway.api("POST", f"/admin/users/{payer.user_id}/balance", body)


def _accounts(gateway: Gateway) -> dict[int, str]:
    """Accounts are named after their group and their place in it; so are their secrets."""
    found = {}
    for account in gateway.api("GET", "/admin/accounts?page_size=100")["items"]:
        dialect, number = account["name"].split("-")[1], int(account["name"].rsplit("-", 1)[1])
        found[account["id"]] = f"sim-{_NAME}-{dialect}-{'abc'[number]}"
    return found


def trouble(simulator: RunningSimulator, dice: random.Random) -> None:
    """Let one or two of each group's three accounts fail a few times."""
    for dialect in DIALECTS:
        for letter in dice.sample("abc", dice.randint(0, 2)):
            secret = f"sim-{_NAME}-{dialect}-{letter}"
            simulator.script(secret, dice.choice(_TROUBLES), times=dice.randint(1, 3))
