"""Whatever way an exchange ends, its slots come back (invariant 3); whoever is tried next gets the same bytes
(invariant 5)."""

import asyncio
import http.client
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from itertools import count
from typing import Any

import pytest

from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import upstream as recorded
from tests.e2e import wire
from tests.e2e.conftest import ROOM_FOR_MANY_TESTS
from tests.e2e.speakers import CHAT_SSE_NO_USAGE, MESSAGES, MESSAGES_SSE, Speaker
from tests.support.gateway import Gateway, Provisioned, running_gateway
from tests.support.scripted_upstream import CUT, HANG, Pause, Reply, ScriptedUpstream, Step

SSE = (("content-type", "text/event-stream"),)
STREAM = recorded(Dialect.ANTHROPIC_MESSAGES, "thinking-tools-cache")
EVENTS = [event + b"\n\n" for event in STREAM.split(b"\n\n") if event]
GOOD = Reply(headers=SSE, chunks=[STREAM])
GOOD_CHAT = Reply(headers=SSE, chunks=[recorded(Dialect.OPENAI_CHAT, "reasoning-cache")])
ERROR_EVENT = b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"boom"}}\n\n'
ERROR_BODY = b'{"type":"error","error":{"type":"api_error","message":"boom"}}'
QUICK = {
    "HEADGATE_GATEWAY__STREAM_IDLE_TIMEOUT_S": "0.4",
    "HEADGATE_GATEWAY__RESPONSE_HEADER_TIMEOUT_S": "0.6",
    "HEADGATE_GATEWAY__OVERLOAD_COOLDOWN_S": "0",
    "HEADGATE_GATEWAY__UNREACHABLE_COOLDOWN_S": "0",
    "HEADGATE_GATEWAY__RATE_LIMIT_DEFAULT_COOLDOWN_S": "1",
    "HEADGATE_GATEWAY__MAX_SAME_ACCOUNT_RETRIES": "0",
}
AT_ONCE_S = 2.0
"""Far less than anybody would wait for a slot (30 s)."""
PATIENCE_S = 5.0
_numbers = count(1)


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that loses patience with providers soon."""
    with running_gateway(tmp_path_factory.mktemp("quick"), **ROOM_FOR_MANY_TESTS, **QUICK) as running:
        yield running


@pytest.fixture
async def provider() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as running:
        yield running


async def caller_of(gateway: Gateway, provider: ScriptedUpstream, **more: Any) -> Provisioned:
    """A user with a single slot, on accounts with a single slot each."""
    options: dict[str, Any] = {"account": {"concurrency": 1}, "concurrency": 1, **more}
    platform = options.pop("platform", "anthropic")
    return await asyncio.to_thread(
        gateway.provision, platform, provider.url, name=f"inv{next(_numbers)}", **options
    )


def slots_held(gateway: Gateway) -> float:
    _, text = gateway.get("/metrics")
    (line,) = [line for line in text.decode().splitlines() if line.startswith("headgate_slots_held ")]
    return float(line.rsplit(" ", 1)[1])


def eventually(check: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not check():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def ask(gateway: Gateway, speaker: Speaker, key: str) -> int:
    """The status, also of an answer that breaks off."""
    try:
        return speaker.ask(gateway, key).status
    except http.client.IncompleteRead:
        return 200


async def the_slot_is_free(gateway: Gateway, caller: Provisioned) -> None:
    await asyncio.to_thread(eventually, lambda: slots_held(gateway) == 0, "slots stay held")
    began = time.monotonic()
    answer = await asyncio.to_thread(MESSAGES_SSE.ask, gateway, caller.key)
    assert (answer.status, answer.body) == (200, STREAM)
    assert time.monotonic() - began < AT_ONCE_S


ENDS: dict[str, Reply] = {
    "complete": GOOD,
    "refused": Reply(status=400, chunks=[ERROR_BODY]),
    "failed": Reply(status=500, chunks=[ERROR_BODY]),
    "no HTTP at all": Reply(raw=b"garbage\r\n\r\n"),
    "cut before the first event": Reply(headers=SSE, chunks=[CUT]),
    "cut midway": Reply(headers=SSE, chunks=[*EVENTS[:2], CUT]),
    "error as first event": Reply(headers=SSE, chunks=[ERROR_EVENT]),
    "error midway": Reply(headers=SSE, chunks=[*EVENTS[:2], Pause(0.05), ERROR_EVENT]),
    "never a head": Reply(before_head=3600),
    "silent midway": Reply(headers=SSE, chunks=[*EVENTS[:2], HANG]),
}


@pytest.mark.parametrize("end", ENDS)
async def test_after_every_end_of_a_stream_the_only_slot_is_free(
    quick: Gateway, provider: ScriptedUpstream, end: str
) -> None:
    caller = await caller_of(quick, provider)
    provider.answer(ENDS[end], GOOD)
    await asyncio.to_thread(ask, quick, MESSAGES_SSE, caller.key)
    await the_slot_is_free(quick, caller)
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    "first",
    [
        Reply(chunks=[b'{"type":"message","usage":{}}']),
        Reply(chunks=[b"no json"]),
        Reply(chunks=[b"{", CUT]),
        Reply(status=429, chunks=[ERROR_BODY], headers=[("retry-after", "0")]),
    ],
    ids=["complete", "malformed", "cut", "rate limited"],
)
async def test_after_every_end_of_a_whole_answer_no_slot_is_held(
    quick: Gateway, provider: ScriptedUpstream, first: Reply
) -> None:
    caller = await caller_of(quick, provider)
    provider.answer(first, GOOD)
    await asyncio.to_thread(ask, quick, MESSAGES, caller.key)
    await asyncio.to_thread(eventually, lambda: slots_held(quick) == 0, "slots stay held")


def request_of(gateway: Gateway, speaker: Speaker, key: str) -> bytes:
    body = json.dumps(speaker.body(speaker.model, "hi")).encode()
    headers = [("content-type", "application/json"), *speaker.headers(key).items()]
    return wire.request_bytes(gateway.url, "POST", speaker.path, headers, body)


async def connect(gateway: Gateway, key: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(request_of(gateway, MESSAGES_SSE, key))
    return reader, writer


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not check():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("policy", ["drain", "cancel"])
async def test_after_a_client_left_midway_the_only_slot_is_free(
    quick: Gateway, provider: ScriptedUpstream, policy: str
) -> None:
    caller = await caller_of(quick, provider, group={"disconnect_policy": policy})
    slowly: list[Step] = [step for event in EVENTS for step in (event, Pause(0.1))]
    provider.answer(Reply(headers=SSE, chunks=slowly), GOOD)
    reader, writer = await connect(quick, caller.key)
    await reader.readuntil(b"message_start")
    writer.transport.abort()
    await the_slot_is_free(quick, caller)


@pytest.mark.parametrize("policy", ["drain", "cancel"])
async def test_after_a_client_left_before_the_answer_began_the_only_slot_is_free(
    quick: Gateway, provider: ScriptedUpstream, policy: str
) -> None:
    caller = await caller_of(quick, provider, group={"disconnect_policy": policy})
    provider.answer(Reply(headers=SSE, chunks=[Pause(0.2), STREAM]), GOOD)
    _, writer = await connect(quick, caller.key)
    await until(lambda: len(provider.requests) == 1)
    writer.transport.abort()
    await the_slot_is_free(quick, caller)


async def test_a_cancelling_group_hangs_up_on_a_provider_that_has_not_begun(
    quick: Gateway, provider: ScriptedUpstream
) -> None:
    caller = await caller_of(quick, provider, group={"disconnect_policy": "cancel"})
    provider.answer(Reply(headers=SSE, before_head=0.5, chunks=[STREAM]), GOOD)
    _, writer = await connect(quick, caller.key)
    await until(lambda: len(provider.requests) == 1)
    left = time.monotonic()
    writer.transport.abort()
    await asyncio.to_thread(eventually, lambda: slots_held(quick) == 0, "slots stay held")
    assert time.monotonic() - left < 0.4


@pytest.mark.parametrize("policy", ["drain", "cancel"])
async def test_no_other_account_is_tried_for_a_client_that_left(
    quick: Gateway, provider: ScriptedUpstream, policy: str
) -> None:
    accounts = ("key-one", "key-two")
    caller = await caller_of(quick, provider, upstream_keys=accounts, group={"disconnect_policy": policy})
    provider.answer(Reply(status=500, before_head=0.2, chunks=[ERROR_BODY]), GOOD)
    _, writer = await connect(quick, caller.key)
    await until(lambda: len(provider.requests) == 1)
    writer.transport.abort()
    await asyncio.to_thread(eventually, lambda: slots_held(quick) == 0, "slots stay held")
    charged = await asyncio.to_thread(quick.usage, user_id=caller.user_id)
    assert [record["actual_cost"] for record in charged] == [0.0]
    assert len(provider.requests) == 1


async def test_a_client_that_left_the_queue_takes_no_slot_later(
    quick: Gateway, provider: ScriptedUpstream
) -> None:
    caller = await caller_of(quick, provider)
    steadily: list[Step] = [step for _ in range(12) for step in (b": hold\n\n", Pause(0.1))]
    provider.answer(Reply(headers=SSE, chunks=[EVENTS[0], *steadily, *EVENTS[1:]]), GOOD)
    first_reader, first = await connect(quick, caller.key)
    await first_reader.readuntil(b"message_start")
    _, second = await connect(quick, caller.key)
    await asyncio.to_thread(eventually, lambda: waiting(quick) == 1, "nobody waits")
    second.transport.abort()
    await asyncio.to_thread(eventually, lambda: waiting(quick) == 0, "the leaver waits on")
    await first_reader.readuntil(b"message_stop")
    await the_slot_is_free(quick, caller)
    first.transport.abort()
    assert len(provider.requests) == 2


def waiting(gateway: Gateway) -> float:
    _, text = gateway.get("/metrics")
    (line,) = [line for line in text.decode().splitlines() if line.startswith("headgate_queue_waiting ")]
    return float(line.rsplit(" ", 1)[1])


FAILURES: dict[str, Reply] = {
    "failed": ENDS["failed"],
    "overloaded": Reply(status=529, chunks=[ERROR_BODY]),
    "rate limited": Reply(status=429, chunks=[ERROR_BODY]),
    "key refused": Reply(status=401, chunks=[ERROR_BODY]),
    "cut": ENDS["cut before the first event"],
    "error as first event": ENDS["error as first event"],
    "no HTTP at all": ENDS["no HTTP at all"],
}


@pytest.mark.parametrize("failure", FAILURES)
async def test_the_next_account_gets_the_very_bytes_that_the_client_sent(
    quick: Gateway, provider: ScriptedUpstream, failure: str
) -> None:
    caller = await caller_of(quick, provider, upstream_keys=("key-one", "key-two"))
    provider.answer(FAILURES[failure], GOOD)
    sent = b'{ "model":"claude-sonnet-4-6",\n  "stream" : true, "x": 1.0e2, "messages":[{"role":"user","content":"\\u00e9 \xc3\xa9"}], "max_tokens":5 }'  # noqa: E501
    lines = [("content-type", "application/json"), *MESSAGES_SSE.headers(caller.key).items()]
    answer = await asyncio.to_thread(wire.send, quick.url, "POST", "/v1/messages", lines, sent)
    assert (answer.status, answer.body) == (200, STREAM)
    assert [request.body for request in provider.requests] == [sent, sent]
    assert {request.header("x-api-key") for request in provider.requests} == {"key-one", "key-two"}


@pytest.mark.parametrize(
    ("speaker", "good", "mapping"),
    [
        (CHAT_SSE_NO_USAGE, GOOD_CHAT, {}),
        (CHAT_SSE_NO_USAGE, GOOD_CHAT, {"gpt-5": "their-gpt"}),
        (MESSAGES_SSE, GOOD, {"claude-sonnet-4-6": "their-claude"}),
    ],
    ids=["usage asked for", "usage and model", "model"],
)
async def test_an_edited_request_is_edited_alike_for_every_account(
    quick: Gateway, provider: ScriptedUpstream, speaker: Speaker, good: Reply, mapping: dict[str, str]
) -> None:
    credentials: Sequence[tuple[str, str]] = (("one", "key-one"), ("two", "key-two"))
    caller = await caller_of(quick, provider, platform=speaker.platform, upstream_keys=())
    for name, secret in credentials:
        await asyncio.to_thread(
            quick.api, "POST", "/admin/accounts",
            {"name": f"{name}-{caller.key_id}", "platform": speaker.platform, "type": "apikey",
             "group_ids": [caller.group_id],
             "credentials": {"api_key": secret, "base_url": provider.url, "model_mapping": mapping}},
        )  # fmt: skip
    provider.answer(FAILURES["failed"], good)
    answer = await asyncio.to_thread(speaker.ask, quick, caller.key)
    assert answer.status == 200
    first, second = (request.body for request in provider.requests)
    assert first == second
    assert json.loads(first)["model"] == mapping.get(speaker.model, speaker.model)
