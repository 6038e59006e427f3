"""Rules about clients, seen from outside: who is served where, and what the trace says about it."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.error import HTTPError

import pytest

from tests.e2e.conftest import Provision
from tests.e2e.speakers import MESSAGES, MESSAGES_SSE, Speaker
from tests.support.gateway import Gateway, Provisioned
from tests.support.scripted_upstream import Reply, ScriptedUpstream
from tests.support.simulator import RunningSimulator

CLAUDE_CODE = {
    "user-agent": "claude-cli/2.1.330 (external, sdk-cli)",
    "x-app": "cli",
    "anthropic-beta": "claude-code-20250219",
}
METADATA = {
    "user_id": '{"device_id":"d","account_uuid":"","session_id":"8518548d-54c6-47ce-ad8d-b8a786df473a"}'
}


@pytest.fixture
def caller(provision: Provision, upstream_key: str) -> Provisioned:
    return provision("anthropic", upstream_keys=(upstream_key,))


@pytest.fixture
def versions(gateway: Gateway) -> Iterator[None]:
    gateway.api("PUT", "/admin/settings", {"min_claude_code_version": "2.2.0"})
    yield
    gateway.api("PUT", "/admin/settings", {"min_claude_code_version": ""})


def ask_as_claude_code(gateway: Gateway, key: str, **more: Any) -> Any:
    return MESSAGES.ask(gateway, key, headers=CLAUDE_CODE, metadata=METADATA, **more)


def test_a_group_for_claude_code_alone_refuses_others_until_it_has_a_fallback(
    gateway: Gateway, provision: Provision, caller: Provisioned, upstream_key: str
) -> None:
    group = f"/admin/groups/{caller.group_id}"
    gateway.api("PUT", group, {"claude_code_only": True})
    refused = MESSAGES.ask(gateway, caller.key)
    assert refused.status == 503
    assert refused.json["error"]["message"] == "This group only allows Claude Code clients"
    assert ask_as_claude_code(gateway, caller.key).status == 200
    other = provision("anthropic", upstream_keys=(f"{upstream_key}-other",))
    gateway.api("PUT", group, {"fallback_group_id": other.group_id})
    answer = MESSAGES.ask(gateway, caller.key)
    assert (answer.status, answer.headers.get("x-headgate-group-fallback")) == (200, "claude_code_only")
    first, second = gateway.usage(user_id=caller.user_id)
    assert (first["group_id"], second["group_id"]) == (caller.group_id, other.group_id)
    assert (second["account_id"], second["actual_cost"] > 0) == (other.account_ids[0], True)
    gateway.api("PUT", f"/admin/groups/{other.group_id}", {"subscription_type": "subscription"})
    assert MESSAGES.ask(gateway, caller.key).status == 403  # what is sold is not given away


@pytest.mark.usefixtures("versions")
def test_an_old_claude_code_is_told_to_upgrade_and_others_are_not_asked(
    gateway: Gateway, caller: Provisioned
) -> None:
    refused = ask_as_claude_code(gateway, caller.key)
    assert (refused.status, refused.json["error"]["type"]) == (400, "invalid_request_error")
    assert "2.1.330 is older than 2.2.0" in refused.json["error"]["message"]
    assert MESSAGES.ask(gateway, caller.key).status == 200


ANSWER = Reply(
    chunks=[
        b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-6",'
        b'"content":[{"type":"text","text":"yes"}],"usage":{"input_tokens":3,"output_tokens":1}}'
    ]
)
INVALID_SIGNATURE = Reply(
    status=400,
    chunks=[b'{"type":"error","error":{"type":"invalid_request_error",'
            b'"message":"messages.1.content.0: Invalid `signature` in `thinking` block"}}'],
)  # fmt: skip
SIGNED = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm", "signature": "s"}]},
    {"role": "user", "content": "and?"},
]


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


def provider_of(gateway: Gateway, caller: Provisioned, upstream: ScriptedUpstream, **more: Any) -> None:
    """The caller's account goes to this upstream from now on."""
    credentials = {"api_key": "sim-rules", "base_url": upstream.url}
    gateway.api("PUT", f"/admin/accounts/{caller.account_ids[0]}", {"credentials": credentials, **more})


def explained(gateway: Gateway, exchange_id: str) -> Any:
    """The trace of what no provider answered is written after the answer."""
    for _ in range(100):
        try:
            return gateway.api("GET", f"/admin/requests/{exchange_id}/explain")
        except HTTPError as missing:
            missing.close()
            time.sleep(0.05)
    raise AssertionError("no trace was written")


def edits_of(gateway: Gateway, answer: Any) -> list[list[str]]:
    told = gateway.api("GET", f"/admin/requests/{answer.headers['x-headgate-exchange-id']}/explain")
    return [attempt["edits"] for attempt in told["attempts"]]


async def test_thinking_that_another_account_signed_is_sent_again_as_text(
    gateway: Gateway, caller: Provisioned, upstream: ScriptedUpstream
) -> None:
    await asyncio.to_thread(provider_of, gateway, caller, upstream)
    upstream.answer(INVALID_SIGNATURE, ANSWER)
    answer = await asyncio.to_thread(MESSAGES.ask, gateway, caller.key, messages=SIGNED)
    assert (answer.status, answer.headers["x-headgate-edits"]) == (200, "thinking_as_text")
    first, second = (json.loads(request.body)["messages"] for request in upstream.requests)
    assert first == SIGNED
    assert second[1]["content"] == [{"type": "text", "text": "hm"}]
    assert await asyncio.to_thread(edits_of, gateway, answer) == [[], ["thinking_as_text"]]
    charged = await asyncio.to_thread(gateway.usage, user_id=caller.user_id)
    assert [row["actual_cost"] > 0 for row in charged] == [False, True]


async def test_a_refusal_that_the_edit_does_not_mend_is_shown_as_it_is(
    gateway: Gateway, caller: Provisioned, upstream: ScriptedUpstream
) -> None:
    await asyncio.to_thread(provider_of, gateway, caller, upstream)
    upstream.answer(INVALID_SIGNATURE)
    answer = await asyncio.to_thread(MESSAGES.ask, gateway, caller.key, messages=SIGNED)
    assert (answer.status, len(upstream.requests)) == (400, 2)
    assert answer.body == INVALID_SIGNATURE.chunks[0]
    await asyncio.to_thread(MESSAGES.ask, gateway, caller.key, "no thinking here")
    assert len(upstream.requests) == 3


async def test_costly_features_and_marks_too_many_stay_here(
    gateway: Gateway, caller: Provisioned, upstream: ScriptedUpstream
) -> None:
    await asyncio.to_thread(provider_of, gateway, caller, upstream)
    upstream.answer(ANSWER)
    marked = [{"type": "text", "text": str(n), "cache_control": {"type": "ephemeral"}} for n in range(5)]
    betas = {"anthropic-beta": "a-1,fast-mode-2026-02-01"}
    asked = [{"role": "user", "content": marked}]
    answer = await asyncio.to_thread(MESSAGES.ask, gateway, caller.key, messages=asked, headers=betas)
    (sent,) = upstream.requests
    assert (sent.header("anthropic-beta"), sent.body.count(b"cache_control")) == ("a-1", 4)
    assert await asyncio.to_thread(edits_of, gateway, answer) == [
        ["cache_marks", "beta-fast-mode-2026-02-01"]
    ]


async def test_an_account_that_passes_through_gets_what_the_client_sent(
    gateway: Gateway, caller: Provisioned, upstream: ScriptedUpstream
) -> None:
    await asyncio.to_thread(provider_of, gateway, caller, upstream, extra={"anthropic_passthrough": True})
    upstream.answer(INVALID_SIGNATURE)
    betas = {"anthropic-beta": "fast-mode-2026-02-01"}
    await asyncio.to_thread(MESSAGES.ask, gateway, caller.key, messages=SIGNED, headers=betas)
    (sent,) = upstream.requests
    assert sent.header("anthropic-beta") == betas["anthropic-beta"]


def test_a_feature_can_be_forbidden_with_a_reason(gateway: Gateway, caller: Provisioned) -> None:
    policy = "/admin/settings/beta-policy"
    before = gateway.api("GET", policy)
    forbidden = {"beta_token": "b-9", "action": "block", "error_message": "b-9 is not for you"}
    gateway.api("PUT", policy, {"rules": [*before["rules"], forbidden]})
    refused = MESSAGES.ask(gateway, caller.key, headers={"anthropic-beta": "a-1, b-9"})
    gateway.api("PUT", policy, before)
    assert (refused.status, refused.json["error"]["message"]) == (400, "b-9 is not for you")
    assert gateway.usage(user_id=caller.user_id) == []
    assert MESSAGES.ask(gateway, caller.key, headers={"anthropic-beta": "a-1, b-9"}).status == 200


@pytest.mark.parametrize("speaker", [MESSAGES, MESSAGES_SSE])
def test_what_claude_code_asks_of_itself_is_answered_here_and_costs_nothing(
    gateway: Gateway, provision: Provision, simulator: RunningSimulator, upstream_key: str, speaker: Speaker
) -> None:
    made = provision("anthropic", upstream_keys=(upstream_key,))
    (account,) = made.account_ids
    before = gateway.api("GET", f"/admin/users/{made.user_id}")["balance"]
    credentials = {"api_key": upstream_key, "base_url": simulator.url}
    change = {"credentials": {**credentials, "intercept_warmup_requests": True}}
    gateway.api("PUT", f"/admin/accounts/{account}", change)
    answer = speaker.ask(gateway, made.key, "Warmup", headers=CLAUDE_CODE, metadata=METADATA)
    assert (answer.status, answer.headers.get("x-headgate-answered-here")) == (200, "warmup")
    assert b"New Conversation" in answer.body
    told = explained(gateway, answer.headers["x-headgate-exchange-id"])
    assert (told["outcome"], told["attempts"], told["ledger"]) == ("answered_here", [], [])
    assert told["summary"][-1].startswith("The gateway answered it by itself (warmup)")
    assert gateway.usage(user_id=made.user_id) == []
    assert simulator.bill(key=upstream_key)["lines"] == []
    assert gateway.api("GET", f"/admin/users/{made.user_id}")["balance"] == before
    assert speaker.ask(gateway, made.key, "Warmup").headers.get("x-headgate-answered-here") is None
    assert len(gateway.usage(user_id=made.user_id)) == 1
    assert b'headgate_client_rules_total{event="warm_up_answered"}' in gateway.get("/metrics")[1]
