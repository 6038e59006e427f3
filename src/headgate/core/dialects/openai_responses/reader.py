"""Listening to Responses streams and reading whole answers.

Knows: the events that carry a response object, `error`, `[DONE]`. Refuses to know: framing, the commit point.
Invariant: usage counts on whichever event carries it (PAINS 2: `response.incomplete` is billed like any other
end).
Sources: OpenAI API reference, "Streaming events"; spec 2.8.
"""

from collections.abc import Sequence

import msgspec

from headgate.core.dialects.contract import Operation, Peek, Reading, Target
from headgate.core.dialects.metering import judge, streamed_output_tokens, whole_output_tokens
from headgate.core.dialects.openai_errors import ErrorObject, fault_of_error
from headgate.core.dialects.openai_responses.ending import end_response
from headgate.core.dialects.openai_responses.usage import OutputItem, ToolUsage, UsageReport, to_usage
from headgate.core.dialects.upstream_answers import decode_answer, decode_event, malformed
from headgate.core.faults import Fault
from headgate.core.usage import TokenUsage
from headgate.core.wire.json_edit import NotAnObject, members, set_members
from headgate.core.wire.opaque_state import ENCRYPTED_CONTENT, minted_in, newest_of
from headgate.core.wire.passthrough import Opening
from headgate.core.wire.sse import ServerSentEvent, replace_data

_DELTA_ENVELOPE_BYTES = 250
_ANSWER_ENVELOPE_BYTES = 1500
_DONE = b"[DONE]"
_MAX_ITEMS = 10_000
_TERMINAL = frozenset({"response.completed", "response.done", "response.incomplete", "response.failed",
                       "response.cancelled"})  # fmt: skip


class _Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    service_tier: str | None = None
    usage: UsageReport | None = None
    tool_usage: ToolUsage | None = None
    output: list[OutputItem] | None = None
    error: ErrorObject | str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    response: _Response | None = None
    item: OutputItem | None = None
    error: ErrorObject | str | None = None
    code: str | int | None = None


_EVENT = msgspec.json.Decoder(_Event)
_RESPONSE = msgspec.json.Decoder(_Response)


class ResponsesReader:
    """`EventReader` of one Responses stream."""

    __slots__ = (
        "_client_model", "_done", "_input_estimate", "_known", "_minted", "edit_markers", "fault", "finished",
        "output_reports",
    )  # fmt: skip

    unit = b'.delta"'
    markers: tuple[bytes, ...] = (
        b'"response"', b'"error"', b"[DONE]", b'"web_search_call"', b'"image_generation_call"',
        b'"encrypted_content"',
    )  # fmt: skip
    envelope_bytes = _DELTA_ENVELOPE_BYTES

    def __init__(self, peek: Peek, *, client_model: str, upstream_model: str) -> None:
        self._client_model = client_model
        self._input_estimate = peek.input_tokens_estimate
        self._known = _Response()
        self._minted: tuple[str, ...] = ()
        self._done: list[OutputItem] = []
        """Hosted tools' items, should the answer break off before it lists them all."""
        self.edit_markers: tuple[bytes, ...] = (b'"response"',) if client_model != upstream_model else ()
        self.finished = False
        self.fault: Fault | None = None
        self.output_reports = 0

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        if event.data.strip() == _DONE:
            return "content"
        read = _read(event)
        if read is None:
            return malformed()
        return _fault(read, event) or ("noise" if read.type in {"ping", "keepalive"} else "content")

    def on_event(self, event: ServerSentEvent) -> None:
        if event.data.strip() == _DONE:
            self.finished = True
            return
        read = _read(event)
        if read is None:
            return
        self._minted = newest_of(self._minted, minted_in(event.data, ENCRYPTED_CONTENT))
        if read.response is not None:
            self._learn(read.response)
        if read.item is not None and read.type == "response.output_item.done":
            self._note(read.item)
        self.finished = self.finished or read.type in _TERMINAL
        self.fault = self.fault or _fault(read, event)

    def _learn(self, response: _Response) -> None:
        known = self._known
        known.id = response.id or known.id
        known.model = response.model or known.model
        known.service_tier = response.service_tier or known.service_tier
        known.usage = response.usage or known.usage
        self.output_reports += response.usage is not None and not response.usage.lacks_output
        known.tool_usage = response.tool_usage or known.tool_usage
        known.output = response.output or known.output

    def _note(self, item: OutputItem) -> None:
        if (item.is_search or item.is_picture) and len(self._done) < _MAX_ITEMS:
            self._done.append(item)

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """Give the response object inside this event the client's model name."""
        try:
            response = bytes(members(event.data)["response"])
            if "model" not in members(response):
                return raw
            renamed = set_members(response, {"model": msgspec.json.encode(self._client_model)})
            return replace_data(raw, event, set_members(event.data, {"response": renamed}))
        except (NotAnObject, KeyError):
            return raw

    def is_complete_at_end(self) -> bool:
        return False

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        return end_response(passed, usage, response_id=self._known.id, model=self._client_model)

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading:
        output = streamed_output_tokens(units_seen, bytes_seen, envelope_bytes=_DELTA_ENVELOPE_BYTES)
        known, is_failed = self._known, self.fault is not None
        usage, source = judge(
            to_usage(known.usage, known.output or self._done, known.tool_usage)
            if known.usage is not None
            else None,
            is_complete=is_complete and not (is_failed and known.usage is None),
            output_tokens=output,
            input_tokens=self._input_estimate,
            lacks_input=known.usage is not None and known.usage.lacks_input,
            lacks_output=known.usage is not None and known.usage.lacks_output,
        )
        return Reading(
            usage=usage,
            source=source,
            served_model=known.model,
            response_id=known.id,
            service_tier=known.service_tier,
            minted=self._minted,
            output_estimate=output,
        )


def read_answer(
    target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
) -> tuple[bytes, Reading] | Fault:
    """A whole answer. Objects and their lists pass unread; a count consumes nothing."""
    if target.operation is Operation.OBJECT:
        return body, Reading()
    answer = decode_answer(_RESPONSE, body)
    if isinstance(answer, Fault):
        return answer
    if answer.error is not None and answer.usage is None:
        return fault_of_error(answer.error, envelope=body)
    if target.operation is Operation.COUNT:
        return body, Reading()
    report = answer.usage
    estimate = whole_output_tokens(body, envelope_bytes=_ANSWER_ENVELOPE_BYTES)
    usage, source = judge(
        to_usage(report, answer.output or (), answer.tool_usage) if report is not None else None,
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
        service_tier=answer.service_tier,
        minted=minted_in(body, ENCRYPTED_CONTENT),
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


def _fault(read: _Event, event: ServerSentEvent) -> Fault | None:
    """An `error` event (flat, or with an error object), or a failed response."""
    if read.error is not None:
        return fault_of_error(read.error, envelope=event.data)
    if read.type == "error":
        return fault_of_error(ErrorObject(code=read.code), envelope=_wrapped(event.data))
    if read.type != "response.failed":
        return None
    error = (read.response.error if read.response is not None else None) or ErrorObject()
    return fault_of_error(error, envelope=_wrapped_response_error(event.data))


def _wrapped(data: bytes) -> bytes:
    """A flat error as the envelope that non-streamed errors have."""
    return b'{"error":' + data + b"}"


def _wrapped_response_error(data: bytes) -> bytes:
    try:
        return _wrapped(bytes(members(bytes(members(data)["response"]))["error"]))
    except (NotAnObject, KeyError):
        return b""
