"""Gemini: `HANDLER` is the dialect's one door (`contract.DialectHandler`); it only delegates."""

from collections.abc import Mapping

from headgate.core.dialects.contract import (
    CooldownHint,
    Peek,
    PreparedBody,
    Reading,
    ResponseStream,
    StreamFraming,
    Target,
)
from headgate.core.dialects.gemini import faults, reader
from headgate.core.dialects.gemini import peek as request
from headgate.core.faults import Fault
from headgate.core.limits.rates import Tightest
from headgate.core.wire.json_array import ArrayFramer
from headgate.core.wire.passthrough import MAX_EVENT_BYTES, Framer, Passthrough
from headgate.core.wire.sse import EventFramer
from headgate.core.world import Dialect, Provider


class GeminiHandler:
    """`DialectHandler` of Gemini."""

    dialect = Dialect.GEMINI
    provider = Provider.GEMINI
    request_headers = frozenset(
        {"accept", "accept-language", "content-type", "user-agent", "x-goog-api-client"}
    )
    ping: bytes | None = None
    """Comments break python google-genai and Gemini CLI (clients/README 3)."""

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
        return request.prepare(body, output_limit=output_limit)

    def open_stream(
        self,
        target: Target,
        peek: Peek,
        *,
        client_model: str,
        upstream_model: str,
        max_event_bytes: int = MAX_EVENT_BYTES,
    ) -> ResponseStream:
        listener = reader.GeminiReader(peek, client_model=client_model, upstream_model=upstream_model)
        is_array = peek.framing is StreamFraming.JSON_ARRAY
        framer: Framer = ArrayFramer(max_event_bytes) if is_array else EventFramer(max_event_bytes)
        return Passthrough(listener, framer, max_held_bytes=max_event_bytes)

    def read_answer(
        self, target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
    ) -> tuple[bytes, Reading] | Fault:
        return reader.read_answer(
            target, peek, body, client_model=client_model, upstream_model=upstream_model
        )

    def classify(self, status: int, headers: Mapping[str, str], body: bytes) -> Fault:
        return faults.classify(status, headers, body)

    def cooldown(
        self, fault: Fault, headers: Mapping[str, str], body: bytes, *, now_ms: int
    ) -> CooldownHint | None:
        return faults.cooldown(fault, headers, body, now_ms=now_ms)

    def render_fault(self, fault: Fault, *, request_id: str) -> bytes:
        return faults.render_fault(fault)

    def render_fault_event(self, fault: Fault, *, request_id: str, framing: StreamFraming) -> bytes:
        return faults.render_fault_event(fault, framing=framing)

    def rate_headers(self, limits: Tightest, *, now_ms: int) -> list[tuple[bytes, bytes]]:
        return []  # Google announces none; how long to wait stands in the error


HANDLER = GeminiHandler()
