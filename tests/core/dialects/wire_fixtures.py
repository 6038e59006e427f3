"""Reads `tests/wire/<dialect>/<case>/` and replays a stream in chunks."""

import json
from collections.abc import Sequence
from pathlib import Path

from headgate.core.dialects import anthropic_messages, gemini, openai_chat, openai_responses
from headgate.core.dialects.contract import (
    DialectHandler,
    Operation,
    Peek,
    ResponseStream,
    StreamFraming,
    Target,
)
from headgate.core.usage import TokenUsage
from headgate.core.world import Dialect

WIRE = Path(__file__).parents[2] / "wire"
HANDLERS: dict[Dialect, DialectHandler] = {
    Dialect.ANTHROPIC_MESSAGES: anthropic_messages.HANDLER,
    Dialect.OPENAI_CHAT: openai_chat.HANDLER,
    Dialect.OPENAI_RESPONSES: openai_responses.HANDLER,
    Dialect.GEMINI: gemini.HANDLER,
}
STREAMS = [
    (Dialect.ANTHROPIC_MESSAGES, "thinking-tools-cache", StreamFraming.SSE),
    (Dialect.OPENAI_CHAT, "reasoning-cache", StreamFraming.SSE),
    (Dialect.OPENAI_RESPONSES, "completed", StreamFraming.SSE),
    (Dialect.OPENAI_RESPONSES, "incomplete", StreamFraming.SSE),
    (Dialect.GEMINI, "sse", StreamFraming.SSE),
    (Dialect.GEMINI, "json-array", StreamFraming.JSON_ARRAY),
]


def client_body(dialect: Dialect, case: str) -> bytes:
    return (WIRE / dialect.value / case / "client.json").read_bytes()


def upstream(dialect: Dialect, case: str) -> bytes:
    [path] = (WIRE / dialect.value / case).glob("upstream.*")
    return path.read_bytes()


def usage(dialect: Dialect, case: str) -> TokenUsage:
    return TokenUsage(**json.loads((WIRE / dialect.value / case / "usage.json").read_text()))


def target(
    dialect: Dialect,
    operation: Operation = Operation.GENERATE,
    *,
    path_model: str | None = None,
    framing: StreamFraming = StreamFraming.NONE,
) -> Target:
    return Target(dialect=dialect, operation=operation, path_model=path_model, framing=framing)


def open_stream(
    dialect: Dialect,
    *,
    framing: StreamFraming = StreamFraming.SSE,
    upstream_model: str = "m",
    wants_usage_chunk: bool = True,
    input_tokens_estimate: int = 100,
) -> ResponseStream:
    """For the client model `m`; renamed when the upstream model is another."""
    peek = Peek(
        model="m",
        framing=framing,
        wants_usage_chunk=wants_usage_chunk,
        input_tokens_estimate=input_tokens_estimate,
    )
    return HANDLERS[dialect].open_stream(
        target(dialect, framing=framing), peek, client_model="m", upstream_model=upstream_model
    )


def replay(stream: ResponseStream, chunks: Sequence[bytes]) -> bytes:
    return b"".join(stream.feed(chunk) for chunk in chunks) + stream.close()
