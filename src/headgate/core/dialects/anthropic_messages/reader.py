"""Listening to Messages streams and reading whole answers.

Knows: `message_start`, `message_delta`, `message_stop`, `ping`, `error`. Refuses to know: framing, the commit
point.
Source: Anthropic API reference, "Streaming messages"; spec 2.4.
"""

from collections.abc import Sequence

import msgspec

from headgate.core.dialects.anthropic_messages.ending import end_message
from headgate.core.dialects.anthropic_messages.faults import fault_of_type
from headgate.core.dialects.anthropic_messages.usage import UsageReport, merge, to_usage
from headgate.core.dialects.contract import Operation, Peek, Reading, Target
from headgate.core.dialects.metering import judge, streamed_output_tokens, whole_output_tokens
from headgate.core.dialects.upstream_answers import decode_answer, decode_event, event_fault, malformed
from headgate.core.faults import Fault
from headgate.core.usage import TokenUsage
from headgate.core.wire.json_edit import NotAnObject, members, set_members
from headgate.core.wire.opaque_state import REDACTED_THINKING, SIGNATURE, minted_in, newest_of
from headgate.core.wire.passthrough import Opening
from headgate.core.wire.sse import ServerSentEvent, replace_data

_DELTA_ENVELOPE_BYTES = 120
_MESSAGE_ENVELOPE_BYTES = 400


class _Error(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: UsageReport | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    usage: UsageReport | None = None
    error: _Error | None = None


class _Answer(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    usage: UsageReport | None = None
    error: _Error | None = None


_MINTING = frozenset({"content_block_start", "content_block_delta"})
_EVENT = msgspec.json.Decoder(_Event)
_ANSWER = msgspec.json.Decoder(_Answer)


class MessagesReader:
    """`EventReader` of one Messages stream."""

    __slots__ = (
        "_client_model",
        "_has_final_output",
        "_input_estimate",
        "_message",
        "_minted",
        "_report",
        "_told",
        "edit_markers",
        "fault",
        "finished",
        "output_reports",
    )

    unit = b'"content_block_delta"'
    envelope_bytes = _DELTA_ENVELOPE_BYTES
    markers: tuple[bytes, ...] = (
        b'"message_start"',
        b'"message_delta"',
        b'"message_stop"',
        b'"error"',
        b'"signature',
        b'"redacted_thinking"',
    )

    def __init__(self, peek: Peek, *, client_model: str, upstream_model: str) -> None:
        self._client_model = client_model
        self._input_estimate = peek.input_tokens_estimate
        self._message = _Message()
        self._report: UsageReport | None = None
        self._told: TokenUsage | None = None
        """`_report` in buckets: a running stream is asked what it has cost many times a report."""
        self._has_final_output = False
        self._minted: tuple[str, ...] = ()
        self.edit_markers: tuple[bytes, ...] = (b'"message_start"',) if client_model != upstream_model else ()
        self.finished = False
        self.fault: Fault | None = None
        self.output_reports = 0

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        read = _read(event)
        if read is None:
            return malformed()
        if read.error is not None:
            return _fault(read.error, event)
        return "noise" if read.type == "ping" else "content"

    def on_event(self, event: ServerSentEvent) -> None:
        read = _read(event)
        if read is None:
            return
        if read.type == "message_start" and read.message is not None:
            self._message = read.message
        if read.type in _MINTING:
            self._minted = newest_of(self._minted, minted_in(event.data, SIGNATURE, REDACTED_THINKING))
            return
        if read.error is not None:
            self.fault = self.fault or _fault(read.error, event)
        for report in (read.message.usage if read.message else None, read.usage):
            if report is not None:
                self._report = merge(self._report, report)
                self._told = to_usage(self._report)
                self.output_reports += not report.lacks_output
        if read.usage is not None and not read.usage.lacks_output:  # message_start tells a few tokens only
            self._has_final_output = True
        self.finished = self.finished or read.type == "message_stop"

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """Give `message_start` the client's model name; nothing after it names a model."""
        try:
            top = members(event.data)
            message = set_members(bytes(top["message"]), {"model": msgspec.json.encode(self._client_model)})
            data = set_members(event.data, {"message": message})
        except (NotAnObject, KeyError):
            return raw
        self.edit_markers = ()
        return replace_data(raw, event, data)

    def is_complete_at_end(self) -> bool:
        return False

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        return end_message(passed, usage)

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading:
        estimate = streamed_output_tokens(units_seen, bytes_seen, envelope_bytes=_DELTA_ENVELOPE_BYTES)
        report = self._report
        usage, source = judge(
            self._told,
            is_complete=is_complete,
            output_tokens=estimate,
            input_tokens=self._input_estimate,
            lacks_input=report is not None and report.lacks_input,
            lacks_output=not self._has_final_output,
        )
        return Reading(
            usage=usage,
            source=source,
            served_model=self._message.model,
            response_id=self._message.id,
            service_tier=report.served_tier if report is not None else None,
            minted=self._minted,
            output_estimate=estimate,
        )


def read_answer(
    target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
) -> tuple[bytes, Reading] | Fault:
    """A whole Messages answer, or a token count (which consumes nothing)."""
    answer = decode_answer(_ANSWER, body)
    if isinstance(answer, Fault):
        return answer
    if answer.error is not None:
        return event_fault(fault_of_type(answer.error.type), envelope=body)
    if target.operation is Operation.COUNT:
        return body, Reading()
    report = answer.usage
    estimate = whole_output_tokens(body, envelope_bytes=_MESSAGE_ENVELOPE_BYTES)
    usage, source = judge(
        to_usage(report) if report is not None else None,
        is_complete=True,
        output_tokens=estimate,
        input_tokens=peek.input_tokens_estimate,
        lacks_input=report is not None and report.lacks_input,
        lacks_output=report is not None and report.lacks_output,
    )
    reading = Reading(
        usage=usage,
        source=source,
        served_model=answer.model,
        response_id=answer.id,
        service_tier=report.served_tier if report is not None else None,
        minted=minted_in(body, SIGNATURE, REDACTED_THINKING),
        output_estimate=estimate,
    )
    if client_model != upstream_model and answer.model is not None:
        body = set_members(body, {"model": msgspec.json.encode(client_model)})
    return body, reading


def _read(event: ServerSentEvent) -> _Event | None:
    """None: not an event of this dialect. The type may stand in the `event:` line alone."""
    read = decode_event(_EVENT, event.data)
    if read is not None:
        read.type = read.type or event.event
    return read


def _fault(error: _Error, event: ServerSentEvent) -> Fault:
    return event_fault(fault_of_type(error.type), envelope=event.data)
