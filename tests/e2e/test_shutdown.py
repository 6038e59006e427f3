"""SIGTERM: what runs is finished and booked, what is new is refused, and nobody waits for ever."""

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from headgate.core.world import Dialect
from tests.core.dialects.wire_fixtures import upstream as recorded
from tests.core.dialects.wire_fixtures import usage as recorded_usage
from tests.e2e import wire
from tests.e2e.speakers import CHAT_SSE, GEMINI_ARRAY, GEMINI_SSE, MESSAGES_SSE, RESPONSES_SSE, Speaker
from tests.support.gateway import Gateway, running_gateway
from tests.support.scripted_upstream import Pause, Reply, ScriptedUpstream, Step

FINITE = {
    "messages-sse": (Dialect.ANTHROPIC_MESSAGES, "thinking-tools-cache"),
    "chat-sse": (Dialect.OPENAI_CHAT, "reasoning-cache"),
}
ALL = (MESSAGES_SSE, CHAT_SSE, RESPONSES_SSE, GEMINI_SSE, GEMINI_ARRAY)
SSE = (("content-type", "text/event-stream"),)
JSON = (("content-type", "application/json"),)
EXIT_S = 10.0


@dataclass
class Seen:
    """What the clients saw, and what the books say afterwards."""

    bodies: dict[str, bytes] = field(default_factory=dict)
    """By speaker; only of answers that ended properly."""
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_refused: bool = False
    """A new connection was refused while answers ran."""
    idle_answer: bytes = b""
    """What came back for a request on a connection that had been idle."""
    upstream_calls: int = 0
    exit_code: int | None = None


class Client:
    """One raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def begin(self, gateway: Gateway, speaker: Speaker, key: str) -> None:
        """Ask for a stream; returns when its head is here."""
        body = json.dumps(speaker.body(speaker.model, "hi")).encode()
        headers = [("content-type", "application/json"), *speaker.headers(key).items()]
        path = speaker.path.format(model=speaker.model)
        self.writer.write(wire.request_bytes(gateway.url, "POST", path, headers, body))
        head = await self.reader.readuntil(b"\r\n\r\n")
        assert b" 200 " in head.splitlines()[0]

    async def body(self) -> bytes | None:
        """The rest of a chunked answer; None when it breaks off."""
        parts = []
        try:
            async with asyncio.timeout(EXIT_S):
                while size := int(await self.reader.readline() or b"-1", 16):
                    if size < 0:
                        return None
                    parts.append(await self.reader.readexactly(size))
                    await self.reader.readexactly(2)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        return b"".join(parts)

    async def rest(self) -> bytes:
        try:
            async with asyncio.timeout(EXIT_S):
                return await self.reader.read()
        except ConnectionError:
            return b""


async def connect(stack: AsyncExitStack, gateway: Gateway) -> Client:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    stack.callback(writer.transport.abort)
    return Client(reader, writer)


async def stream(
    stack: AsyncExitStack, gateway: Gateway, speaker: Speaker, chunks: Sequence[Step]
) -> tuple[Client, ScriptedUpstream]:
    """A client in the middle of an answer, with a provider of its own."""
    provider = await stack.enter_async_context(ScriptedUpstream())
    provider.answer(Reply(headers=JSON if speaker is GEMINI_ARRAY else SSE, chunks=chunks))
    caller = await asyncio.to_thread(gateway.provision, speaker.platform, provider.url, name=speaker.name)
    client = await connect(stack, gateway)
    await client.begin(gateway, speaker, caller.key)
    return client, provider


def records(gateway: Gateway) -> dict[str, dict[str, Any]]:
    """The books of a gateway that is no longer there, by the user's speaker."""
    connection = sqlite3.connect(gateway.data_dir / "headgate.db")
    try:
        connection.row_factory = sqlite3.Row
        query = "SELECT k.name AS speaker, r.* FROM usage_records r JOIN api_keys k ON k.id = r.key_id"
        return {row["speaker"]: dict(row) for row in connection.execute(query)}
    finally:
        connection.close()


def in_time(dialect: Dialect, case: str) -> list[Step]:
    events = [event + b"\n\n" for event in recorded(dialect, case).split(b"\n\n") if event]
    return [step for event in events for step in (event, Pause(0.1))]


def endless(speaker: Speaker) -> list[Step]:
    """The first event of an answer, and then text without an end."""
    beginnings: dict[str, tuple[bytes, bytes]] = {
        "messages-sse": (
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
            b'"role":"assistant","model":"m","content":[],"usage":{"input_tokens":7,"output_tokens":1}}}\n\n',
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
            b'"delta":{"type":"text_delta","text":"word "}}\n\n',
        ),
        "chat-sse": (
            b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n',
            b'data: {"id":"c","model":"m","choices":[{"index":0,"delta":{"content":"word "}}]}\n\n',
        ),
        "responses-sse": (
            b"event: response.created\n"
            b'data: {"type":"response.created","response":{"id":"r","model":"m"}}\n\n',
            b"event: response.output_text.delta\n"
            b'data: {"type":"response.output_text.delta","delta":"word "}\n\n',
        ),
        "gemini-sse": (b"", b'data: {"candidates":[{"content":{"parts":[{"text":"word "}]}}]}\r\n\r\n'),
        "gemini-array": (b"[", b'{"candidates":[{"content":{"parts":[{"text":"word "}]}}]},\n'),
    }
    first, again = beginnings[speaker.name]
    return [first + again, *[step for _ in range(2000) for step in (Pause(0.05), again)]]


async def _let_finish(gateway: Gateway, seen: Seen) -> None:
    """SIGTERM while two streams run and one connection is idle."""
    async with AsyncExitStack() as stack:
        idle = await connect(stack, gateway)
        idle.writer.write(wire.request_bytes(gateway.url, "GET", "/health", []))
        await idle.reader.readuntil(b"\r\n\r\n")
        running = [
            (speaker, *await stream(stack, gateway, speaker, in_time(*FINITE[speaker.name])))
            for speaker in (MESSAGES_SSE, CHAT_SSE)
        ]
        gateway.process.terminate()
        await asyncio.sleep(0.2)
        try:
            await connect(stack, gateway)
        except ConnectionRefusedError:
            seen.is_refused = True
        idle.writer.write(wire.request_bytes(gateway.url, "POST", "/v1/messages", [], b"{}"))
        seen.idle_answer = await idle.rest()
        for speaker, client, provider in running:
            seen.bodies[speaker.name] = await client.body() or b""
            seen.upstream_calls += len(provider.requests)
        seen.exit_code = await asyncio.to_thread(gateway.process.wait, EXIT_S)


async def _run_out_of_time(gateway: Gateway, seen: Seen) -> None:
    """SIGTERM while streams run that would never end."""
    async with AsyncExitStack() as stack:
        running = [(speaker, *await stream(stack, gateway, speaker, endless(speaker))) for speaker in ALL]
        gateway.process.terminate()
        for speaker, client, _ in running:
            body = await client.body()
            if body is not None:
                seen.bodies[speaker.name] = body
        seen.exit_code = await asyncio.to_thread(gateway.process.wait, EXIT_S)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A shutdown with enough time for what runs."""
    seen, grace = Seen(), {"HEADGATE_SERVER__SHUTDOWN_GRACE_S": "15"}
    with running_gateway(tmp_path_factory.mktemp("patient"), **grace) as gateway:
        asyncio.run(_let_finish(gateway, seen))
        seen.records = records(gateway)
    return seen


@pytest.fixture(scope="module")
def cut_short(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """A shutdown that has half a second for streams without an end."""
    seen, grace = Seen(), {"HEADGATE_SERVER__SHUTDOWN_GRACE_S": "0.5"}
    with running_gateway(tmp_path_factory.mktemp("hasty"), **grace) as gateway:
        asyncio.run(_run_out_of_time(gateway, seen))
        seen.records = records(gateway)
    return seen


@pytest.mark.parametrize("name", FINITE)
def test_a_running_stream_reaches_its_terminal_event(finished: Seen, name: str) -> None:
    assert finished.bodies[name] == recorded(*FINITE[name])


@pytest.mark.parametrize("name", FINITE)
def test_a_stream_that_was_let_finish_is_booked_in_full(finished: Seen, name: str) -> None:
    record = finished.records[name]
    assert (record["outcome"], record["usage_source"]) == ("completed", "reported")
    assert record["output_tokens"] == recorded_usage(*FINITE[name]).output


def test_a_new_connection_is_refused_while_answers_run(finished: Seen) -> None:
    assert finished.is_refused


def test_a_request_on_an_idle_connection_is_turned_away(finished: Seen) -> None:
    assert b"HTTP/1.1 503 " in finished.idle_answer or finished.idle_answer.count(b"HTTP/1.1") == 0
    assert finished.upstream_calls == len(FINITE)


def test_a_shutdown_in_time_is_a_success(finished: Seen) -> None:
    assert finished.exit_code == 0


def test_a_shutdown_that_ends_streams_is_a_success(cut_short: Seen) -> None:
    assert cut_short.exit_code == 0


def test_no_call_is_left_without_a_record(cut_short: Seen) -> None:
    assert cut_short.records.keys() == {speaker.name for speaker in ALL}


@pytest.mark.parametrize("speaker", ALL, ids=lambda speaker: speaker.name)
def test_an_endless_stream_is_ended_in_its_dialect(cut_short: Seen, speaker: Speaker) -> None:
    assert b"error" in cut_short.bodies[speaker.name][-400:]


@pytest.mark.parametrize("speaker", ALL, ids=lambda speaker: speaker.name)
def test_an_endless_stream_is_booked_as_partial(cut_short: Seen, speaker: Speaker) -> None:
    record = cut_short.records[speaker.name]
    assert (record["outcome"], record["charge_nano"] > 0) == ("partial", True)
