"""Anthropic Messages: `HANDLER` is the dialect's one door (`contract.DialectHandler`); it only delegates."""

from collections.abc import Mapping

from headgate.core.dialects.anthropic_messages import faults, rates, reader
from headgate.core.dialects.anthropic_messages import peek as request
from headgate.core.dialects.contract import (
    CooldownHint,
    Peek,
    PreparedBody,
    Reading,
    ResponseStream,
    StreamFraming,
    Target,
)
from headgate.core.faults import Fault
from headgate.core.limits.rates import Tightest
from headgate.core.wire.passthrough import MAX_EVENT_BYTES, Passthrough
from headgate.core.wire.sse import EventFramer
from headgate.core.world import Dialect, Provider


class MessagesHandler:
    """`DialectHandler` of Anthropic Messages."""

    dialect = Dialect.ANTHROPIC_MESSAGES
    provider = Provider.ANTHROPIC
    request_headers = frozenset(
        {
            "accept", "accept-language", "anthropic-beta", "anthropic-dangerous-direct-browser-access",
            "anthropic-version", "content-type", "sec-fetch-mode", "user-agent", "x-app",
            "x-stainless-arch", "x-stainless-helper-method", "x-stainless-lang", "x-stainless-os",
            "x-stainless-package-version", "x-stainless-retry-count", "x-stainless-runtime",
            "x-stainless-runtime-version", "x-stainless-timeout",
        }
    )  # fmt: skip
    ping: bytes | None = b'event: ping\ndata: {"type": "ping"}\n\n'

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
        listener = reader.MessagesReader(peek, client_model=client_model, upstream_model=upstream_model)
        return Passthrough(listener, EventFramer(max_event_bytes), max_held_bytes=max_event_bytes)

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
        return faults.cooldown(fault, headers, now_ms=now_ms)

    def render_fault(self, fault: Fault, *, request_id: str) -> bytes:
        return faults.render_fault(fault, request_id=request_id)

    def render_fault_event(self, fault: Fault, *, request_id: str, framing: StreamFraming) -> bytes:
        return faults.render_fault_event(fault, request_id=request_id)

    def rate_headers(self, limits: Tightest, *, now_ms: int) -> list[tuple[bytes, bytes]]:
        return rates.rate_headers(limits, now_ms=now_ms)


HANDLER = MessagesHandler()
