"""A plan from sale to its end: assigned, spent to its daily limit, reset, spent again, revoked (spec 4.8)."""

import asyncio
import json
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import ROOM_FOR_MANY_TESTS, Provision, new_caller
from tests.e2e.speakers import CHAT, CHAT_SSE, GEMINI, MESSAGES, MESSAGES_SSE, RESPONSES, WHOLE, Speaker
from tests.e2e.wire import Answer
from tests.support.databases import *  # noqa: F403 -- fixtures
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.postgres import PostgresServer
from tests.support.simulator import RunningSimulator

LIMIT_USD = 0.02
TRIES = 200
"""Far more requests than the limit pays for."""


def subscriber(
    provision: Provision, gateway: Gateway, speaker: Speaker, **group: Any
) -> tuple[Provisioned, int]:
    """A caller whose key is bound to a plan, and the subscription that pays for it."""
    dear = 20 if speaker.platform == "gemini" else 1  # its flash model is cheap
    plan = {
        "subscription_type": "subscription",
        "daily_limit_usd": LIMIT_USD,
        "rate_multiplier": dear,
        **group,
    }
    caller = provision(speaker.platform, group=plan, key={"group_id": None})
    body = {"user_id": caller.user_id, "group_id": caller.group_id, "validity_days": 30}
    subscription = gateway.api("POST", "/admin/subscriptions/assign", body)["id"]
    change = {"group_id": caller.group_id}
    gateway.api("PUT", f"/keys/{caller.key_id}", change, token=caller.user_token)
    return caller, subscription


def spend(gateway: Gateway, caller: Provisioned, speaker: Speaker) -> tuple[int, Answer]:
    """Ask until somebody says no: how many were answered, and the refusal."""
    for served in range(TRIES):
        answer = speaker.ask(gateway, caller.key, f"question {served}")
        if answer.status != 200:
            return served, answer
    raise AssertionError(f"{TRIES} requests were served for {LIMIT_USD} USD")


def daily(gateway: Gateway, subscription: int) -> dict[str, Any]:
    shown: dict[str, Any] = gateway.api("GET", f"/admin/subscriptions/{subscription}/progress")["daily"]
    return shown


def reset(gateway: Gateway, subscription: int) -> None:
    gateway.api("POST", f"/admin/subscriptions/{subscription}/reset-quota", {"daily": True})


def balance(gateway: Gateway, caller: Provisioned) -> float:
    amount: float = gateway.api("GET", f"/admin/users/{caller.user_id}")["balance"]
    return amount


def says_daily_limit(answer: Answer, speaker: Speaker) -> None:
    """429 in the dialect's own envelope, with the limit, what is used, and when it begins anew."""
    assert answer.status == 429, answer.body
    assert 0 < int(answer.headers["retry-after"]) <= 24 * 3600
    error = answer.json["error"]
    assert "daily limit" in error["message"]
    assert "resets in" in error["message"]
    match speaker.platform:
        case "anthropic":
            assert answer.json["type"] == "error"
            assert error["type"] == "rate_limit_error"
        case "openai":
            assert {"type", "code", "param"} <= set(error)
        case _:
            assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")


def remaining(gateway: Gateway, caller: Provisioned) -> float:
    """What a status line shows to the client (GET /v1/usage)."""
    status, body = gateway.get("/v1/usage", {"authorization": f"Bearer {caller.key}"})
    assert status == 200
    left: float = json.loads(body)["remaining"]
    return left


@pytest.mark.parametrize("speaker", [*WHOLE, MESSAGES_SSE, CHAT_SSE], ids=lambda speaker: speaker.name)
def test_a_plan_is_spent_reset_and_spent_again(
    provision: Provision, gateway: Gateway, speaker: Speaker
) -> None:
    caller, subscription = subscriber(provision, gateway, speaker)
    before = balance(gateway, caller)
    served, refusal = spend(gateway, caller, speaker)
    says_daily_limit(refusal, speaker)
    assert served > 0
    used = daily(gateway, subscription)
    assert 0 < used["used_usd"] <= LIMIT_USD
    assert remaining(gateway, caller) == pytest.approx(used["remaining_usd"])

    reset(gateway, subscription)
    assert daily(gateway, subscription)["used_usd"] == 0
    assert remaining(gateway, caller) == LIMIT_USD
    again, refusal = spend(gateway, caller, speaker)
    says_daily_limit(refusal, speaker)
    assert again > 0
    assert balance(gateway, caller) == before
    records = gateway.usage(user_id=caller.user_id)
    paid = [record for record in records if record["actual_cost"] > 0]
    assert {record["subscription_id"] for record in paid} == {subscription}
    (summary,) = gateway.api("GET", "/subscriptions", token=caller.user_token)
    assert summary["daily_usage_usd"] <= LIMIT_USD


def test_what_is_used_in_all_outlives_resets(provision: Provision, gateway: Gateway) -> None:
    caller, subscription = subscriber(provision, gateway, MESSAGES)
    for _ in range(2):
        assert MESSAGES.ask(gateway, caller.key).status == 200
        reset(gateway, subscription)
    records = gateway.usage(user_id=caller.user_id)
    total = gateway.api("GET", "/subscriptions/summary", token=caller.user_token)["total_used_usd"]
    assert total == pytest.approx(sum(record["actual_cost"] for record in records), abs=1e-9)
    assert len(records) == 2


@pytest.mark.parametrize("speaker", [MESSAGES, CHAT, RESPONSES, GEMINI], ids=lambda speaker: speaker.name)
def test_whose_plan_ends_is_refused_at_once_and_comes_back_with_the_next(
    provision: Provision, gateway: Gateway, speaker: Speaker
) -> None:
    caller, subscription = subscriber(provision, gateway, speaker)
    assert speaker.ask(gateway, caller.key).status == 200
    gateway.api("DELETE", f"/admin/subscriptions/{subscription}")
    assert speaker.ask(gateway, caller.key).status == 403
    body = {"user_id": caller.user_id, "group_id": caller.group_id}
    gateway.api("POST", "/admin/subscriptions/assign", body)
    assert speaker.ask(gateway, caller.key).status == 200


def test_without_a_plan_no_key_is_bound(provision: Provision, gateway: Gateway) -> None:
    plan = {"subscription_type": "subscription"}
    caller = provision("anthropic", group=plan, key={"group_id": None})
    change = {"group_id": caller.group_id}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        gateway.api("PUT", f"/keys/{caller.key_id}", change, token=caller.user_token)


@pytest.fixture(scope="module")
def postgres_gateway(
    postgres_server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    url = asyncio.run(postgres_server.create_database("subscription_e2e"))
    folder: Path = tmp_path_factory.mktemp("postgres-gateway")
    with running_gateway(folder, HEADGATE_DATABASE_URL=url, **ROOM_FOR_MANY_TESTS) as running:
        yield running


@pytest.mark.pg
def test_the_same_on_postgresql(postgres_gateway: Gateway, simulator: RunningSimulator) -> None:
    def provision(platform: str, **more: Any) -> Provisioned:
        return new_caller(postgres_gateway, simulator, platform, **more)

    test_a_plan_is_spent_reset_and_spent_again(provision, postgres_gateway, MESSAGES)
