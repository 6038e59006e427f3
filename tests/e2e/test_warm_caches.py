"""Conversations stay where their prompt is cached; what that saves, and what moving loses, is seen in money.

The simulator caches prompts per account key, as providers do, and its bill is the witness."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from tests.e2e import wire
from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES
from tests.support.gateway import Gateway, Provisioned
from tests.support.load import Outcome, Shot, volley
from tests.support.simulator import RunningSimulator

ACCOUNTS, SESSIONS, DYING = 20, 200, 5
SYSTEM = "You are a careful clerk who counts every token twice. " * 40


def turn(caller: Provisioned, session: int, number: int) -> Shot:
    """The whole conversation so far; the last two questions are marked for caching, as clients do."""
    mark = {"cache_control": {"type": "ephemeral"}}
    system = [{"type": "text", "text": f"Session {session}. {SYSTEM}", **mark}]
    messages: list[dict[str, Any]] = []
    for at in range(number + 1):
        question = {"type": "text", "text": f"question {at} " * 20, **(mark if at >= number - 1 else {})}
        messages.append({"role": "user", "content": [question]})
        messages.append({"role": "assistant", "content": f"answer {at} " * 20})
    body = {"model": MESSAGES.model, "max_tokens": 20, "system": system, "messages": messages[:-1]}
    headers = {**MESSAGES.headers(caller.key), "x-claude-code-session-id": f"warm-{caller.key_id}-{session}"}
    return Shot(path=MESSAGES.path, body=json.dumps(body).encode(), headers=headers)


def ask(
    gateway: Gateway, caller: Provisioned, number: int, sessions: Sequence[int] = range(SESSIONS)
) -> list[Outcome]:
    return asyncio.run(volley(gateway.url, [turn(caller, one, number) for one in sessions]))


def cached_of(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Tokens read from caches, and tokens that are in a cache now."""
    usages = [json.loads(outcome.body)["usage"] for outcome in outcomes]
    read = sum(usage["cache_read_input_tokens"] for usage in usages)
    return read, read + sum(usage["cache_creation_input_tokens"] for usage in usages)


def test_twenty_accounts_keep_two_hundred_conversations_warm_and_lose_none_when_five_die(
    gateway: Gateway, simulator: RunningSimulator, provision: Provision, upstream_key: str
) -> None:
    keys = tuple(f"{upstream_key}-{n}" for n in range(ACCOUNTS))
    caller = provision("anthropic", upstream_keys=keys, account={"concurrency": 10})
    cacheable = 0
    for number in range(3):
        outcomes = ask(gateway, caller, number)
        assert [outcome.status for outcome in outcomes] == [200] * SESSIONS
        read, cached = cached_of(outcomes)
        assert read >= 0.95 * cacheable
        cacheable = cached
    assert len({row["account_id"] for row in gateway.usage(api_key_id=caller.key_id)}) == ACCOUNTS

    for key in keys[:DYING]:
        simulator.script(key, "status=503")
    outcomes = ask(gateway, caller, 3)
    assert [outcome.status for outcome in outcomes] == [200] * SESSIONS, "no request is lost"
    assert [outcome for outcome in outcomes if outcome.header("x-headgate-failovers")]
    read, cached = cached_of(outcomes)
    assert read < 0.95 * cacheable, "some caches died with their accounts"
    read, _ = cached_of(ask(gateway, caller, 4))
    assert read >= 0.95 * cached, "those who moved are warm again"


def test_thinking_goes_back_to_the_account_that_signed_it_or_is_seen_to_go_elsewhere(
    gateway: Gateway, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=tuple(f"{upstream_key}-{n}" for n in "abc"))
    budget = {"type": "enabled", "budget_tokens": 1024}

    def send(session: str, content: Sequence[Any] = ()) -> wire.Answer:
        earlier = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": list(content)}]
        messages = [*(earlier if content else ()), {"role": "user", "content": session}]
        headers = {"x-session-id": f"{upstream_key}-{session}"}
        return MESSAGES.ask(gateway, caller.key, messages=messages, headers=headers, thinking=budget)

    def served_by() -> int:
        return int(gateway.usage(api_key_id=caller.key_id)[-1]["account_id"])

    minted = {}
    for session in "abc":
        content = send(session).json["content"]
        assert content[0]["signature"]
        minted[served_by()] = content
    assert len(minted) == 3
    for account_id, content in minted.items():
        answer = send(f"fork-{account_id}", content)
        assert (served_by(), answer.headers.get("x-headgate-degraded")) == (account_id, None)
    account_id, content = next(iter(minted.items()))
    gateway.api("POST", f"/admin/accounts/{account_id}/schedulable", {"schedulable": False})
    answer = send("elsewhere", content)
    assert (answer.status, answer.headers.get("x-headgate-degraded")) == (200, "opaque_state")
    assert b"headgate_degraded_conversations 1.0" in gateway.get("/metrics")[1]
    assert "x-headgate-degraded" not in send("elsewhere", answer.json["content"]).headers
    assert b"headgate_degraded_conversations 0.0" in gateway.get("/metrics")[1]


def test_what_a_warm_cache_saves_and_what_moving_away_loses_is_shown_in_money(
    gateway: Gateway, provision: Provision, upstream_key: str
) -> None:
    caller = provision("anthropic", upstream_keys=(f"{upstream_key}-a", f"{upstream_key}-b"))
    first, second = caller.account_ids
    gateway.api("PUT", f"/admin/accounts/{second}", {"priority": 99})
    for number in range(2):
        ask(gateway, caller, number, [1])
    report = gateway.api("GET", f"/admin/dashboard/cache?api_key_id={caller.key_id}")
    saved = report["total"]["saved"]
    assert saved > 0
    assert (report["total"]["lost"], report["causes"]) == (0, [])
    gateway.api("POST", f"/admin/accounts/{first}/schedulable", {"schedulable": False})
    (outcome,) = ask(gateway, caller, 2, [1])
    report = gateway.api("GET", f"/admin/dashboard/cache?api_key_id={caller.key_id}")
    assert [(one["cause"], one["moved_requests"]) for one in report["causes"]] == [("disabled", 1)]
    assert report["total"]["lost"] == report["causes"][0]["lost"] > 0
    assert {one["account_id"]: one["lost"] > 0 for one in report["accounts"]} == {first: False, second: True}
    assert report["total"]["saved"] == saved
    metrics = gateway.get("/metrics")[1]
    assert b'headgate_cache_lost_usd_total{cause="disabled"}' in metrics
    assert b'headgate_cache_saved_usd_total{model="claude-sonnet-4-6"}' in metrics
    assert outcome.status == 200
