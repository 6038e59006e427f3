"""OpenAI Chat Completions, embeddings and images: `HANDLER` is the dialect's one door; it only delegates."""

from collections.abc import Mapping

from headgate.core.dialects import openai_errors, openai_rates
from headgate.core.dialects.contract import (
    CooldownHint,
    Peek,
    PreparedBody,
    Reading,
    ResponseStream,
    StreamFraming,
    Target,
)
from headgate.core.dialects.openai_chat import faults, reader
from headgate.core.dialects.openai_chat import peek as request
from headgate.core.faults import Fault
from headgate.core.limits.rates import Tightest
from headgate.core.wire.passthrough import MAX_EVENT_BYTES, Passthrough
from headgate.core.wire.sse import EventFramer
from headgate.core.world import Dialect, Provider


class ChatHandler:
    """`DialectHandler` of Chat Completions; `Target.operation` says whether it is an embedding or an
    image."""

    dialect = Dialect.OPENAI_CHAT
    provider = Provider.OPENAI
    request_headers = frozenset(
        {
            "accept", "accept-language", "content-type", "conversation_id", "openai-beta", "originator",
            "session_id", "user-agent", "x-codex-turn-metadata", "x-codex-turn-state",
        }
    )  # fmt: skip
    ping: bytes | None = b": keepalive\n\n"

    def peek(self, target: Target, body: bytes) -> Peek | Fault:
        return request.peek(target, body)

    def prepare(
        self,
        target: Target,
        peek: Peek,
        body: bytes,
        *,
        upstream_model: str,
        output_limit: int | None = None,
    ) -> PreparedBody:
        return request.prepare(peek, body, upstream_model=upstream_model, output_limit=output_limit)

    def open_stream(
        self,
        target: Target,
        peek: Peek,
        *,
        client_model: str,
        upstream_model: str,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> ResponseStream:
        listener = reader.ChatReader(peek, client_model=client_model, upstream_model=upstream_model)
        return Passthrough(listener, EventFramer(max_event_bytes), max_held_bytes=max_event_bytes)

    def read_answer(
        self, target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
    ) -> tuple[bytes, Reading] | Fault:
        return reader.read_answer(
            target, peek, body, client_model=client_model, upstream_model=upstream_model
        )

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return openai_errors.classify(status, headers, body)

    def cooldown(
        self, fault: Fault, headers: Mapping[str, str], body: bytes, *, now_ms: int
    ) -> CooldownHint | None:
        return openai_errors.cooldown(fault, headers, body, now_ms=now_ms)

    def render_fault(self, fault: Fault, *, request_id: str) -> bytes:
        return openai_errors.render_fault(fault)

    def render_fault_event(self, fault: Fault, *, request_id: str, framing: StreamFraming) -> bytes:
        return faults.render_fault_event(fault)

    def rate_headers(self, limits: Tightest, *, now_ms: int) -> list[tuple[bytes, bytes]]:
        return openai_rates.rate_headers(limits)


HANDLER = ChatHandler()
