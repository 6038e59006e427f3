"""Listening to Chat Completions streams and reading whole answers of chat, embeddings and images.

Knows: chunks, the usage chunk, `[DONE]`, in-band errors. Refuses to know: framing, the commit point.
Sources: OpenAI API reference, "Chat completion chunk"; spec 2.8, 2.12 E.
"""

import re
from collections.abc import Sequence

import msgspec

from headgate.core.dialects.contract import Operation, Peek, Reading, Target
from headgate.core.dialects.metering import judge, streamed_output_tokens, whole_output_tokens
from headgate.core.dialects.openai_chat.ending import end_chat
from headgate.core.dialects.openai_chat.usage import UsageReport, latest, to_usage
from headgate.core.dialects.openai_errors import ErrorObject, fault_of_error
from headgate.core.dialects.upstream_answers import decode_answer, decode_event, malformed
from headgate.core.faults import Fault
from headgate.core.usage import TokenUsage, UsageSource, image_size
from headgate.core.wire.json_edit import NotAnObject, members, set_members
from headgate.core.wire.passthrough import Opening
from headgate.core.wire.sse import ServerSentEvent, replace_data

_CHUNK_ENVELOPE_BYTES = 220
_ANSWER_ENVELOPE_BYTES = 500
_DONE = b"[DONE]"
_CITATION = b'"url_citation"'
"""The search models of this dialect search once per answer, and tell it by what they quote."""


class _Choice(msgspec.Struct):
    finish_reason: str | None = None
    usage: UsageReport | None = None


class _Chunk(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    choices: list[_Choice] | None = None
    usage: UsageReport | None = None
    error: ErrorObject | str | None = None


class _Answer(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    usage: UsageReport | None = None
    error: ErrorObject | str | None = None
    data: list[msgspec.Raw] | None = None
    size: str | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)
_ANSWER = msgspec.json.Decoder(_Answer)


class ChatReader:
    """`EventReader` of one Chat Completions stream."""

    __slots__ = (
        "_client_member",
        "_client_model",
        "_has_finish_reason",
        "_has_searched",
        "_hides_usage",
        "_input_estimate",
        "_report",
        "_served",
        "_served_member",
        "edit_markers",
        "fault",
        "finished",
        "output_reports",
    )

    unit = b'"delta"'
    envelope_bytes = _CHUNK_ENVELOPE_BYTES
    markers: tuple[bytes, ...] = (
        b'"prompt_tokens"', b'"finish_reason":"', b'"finish_reason": "', b"[DONE]", b'"error"',
        _CITATION,
    )  # fmt: skip

    def __init__(self, peek: Peek, *, client_model: str, upstream_model: str) -> None:
        self._client_model = client_model if client_model != upstream_model else None
        self._client_member = b""
        self._served_member: bytes | None = None
        self._hides_usage = not peek.wants_usage_chunk
        self._input_estimate = peek.input_tokens_estimate
        self._report: UsageReport | None = None
        self._served = _Chunk()
        self._has_finish_reason = False
        self._has_searched = False
        self.edit_markers: tuple[bytes, ...] = ()
        if self._client_model is not None:
            self.edit_markers = (b'"model"', b'"prompt_tokens"')
        elif self._hides_usage:
            self.edit_markers = (b'"prompt_tokens"',)
        self.finished = False
        self.fault: Fault | None = None
        self.output_reports = 0

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        if event.data.strip() == _DONE:
            return "content"
        chunk = _read(event)
        if chunk is None:
            return malformed()
        if chunk.error is not None:
            return fault_of_error(chunk.error, envelope=event.data)
        self._served = chunk
        return "content"

    def on_event(self, event: ServerSentEvent) -> None:
        if event.data.strip() == _DONE:
            self.finished = True
            return
        chunk = _read(event)
        if chunk is None:
            return
        if chunk.error is not None:
            self.fault = self.fault or fault_of_error(chunk.error, envelope=event.data)
        self._learn(chunk.usage)
        self._has_searched = self._has_searched or event.data.find(_CITATION) >= 0
        self._served.service_tier = chunk.service_tier or self._served.service_tier
        for choice in chunk.choices or ():
            self._learn(choice.usage)
            self._has_finish_reason = self._has_finish_reason or choice.finish_reason is not None

    def _learn(self, report: UsageReport | None) -> None:
        self._report = latest(self._report, report)
        if report is not None and self._report is report:
            self.output_reports += not report.lacks_output

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """Take out the usage chunk that the client did not ask for; give every other chunk the client's model
        name."""
        if self._hides_usage and _is_usage_chunk(event):
            return b""
        if self._client_model is None:
            return raw
        if self._served_member is not None and raw.count(self._served_member) == 1:
            return raw.replace(self._served_member, self._client_member)
        return self._rename(raw, event)

    def _rename(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """The careful way, which also learns how this provider writes the member, so that the next chunks are
        quick. (Text cannot look like the member: inside a JSON string its quotes are escaped.)"""
        try:
            served = members(event.data).get("model")
            if served is None:
                return raw
            renamed = set_members(event.data, {"model": msgspec.json.encode(self._client_model)})
        except NotAnObject:
            return raw
        written = re.search(rb'("model"[ \t]*:[ \t]*)' + re.escape(bytes(served)), raw)
        if written is not None:
            self._served_member = written[0]
            self._client_member = written[1] + msgspec.json.encode(self._client_model)
        return replace_data(raw, event, renamed)

    def is_complete_at_end(self) -> bool:
        """Some compatible providers end without `[DONE]`: an answer that gave its finish reason is
        complete."""
        return self._has_finish_reason

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        return end_chat(passed, usage, wants_usage=not self._hides_usage)

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading:
        estimate = streamed_output_tokens(units_seen, bytes_seen, envelope_bytes=_CHUNK_ENVELOPE_BYTES)
        report = self._report
        usage, source = judge(
            to_usage(report, web_search_calls=int(self._has_searched)) if report is not None else None,
            is_complete=is_complete,
            output_tokens=estimate,
            input_tokens=self._input_estimate,
            lacks_input=report is not None and report.lacks_input,
            lacks_output=report is not None and report.lacks_output,
        )
        served = self._served
        return Reading(
            usage=usage, source=source, served_model=served.model, response_id=served.id,
            service_tier=served.service_tier,
            output_estimate=estimate,
        )  # fmt: skip


def _read(event: ServerSentEvent) -> _Chunk | None:
    return decode_event(_CHUNK, event.data)


def _is_usage_chunk(event: ServerSentEvent) -> bool:
    if b'"prompt_tokens"' not in event.data:
        return False
    chunk = _read(event)
    return chunk is not None and chunk.usage is not None and chunk.choices == []


def read_answer(
    target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
) -> tuple[bytes, Reading] | Fault:
    """A whole answer of any operation of this dialect."""
    answer = decode_answer(_ANSWER, body)
    if isinstance(answer, Fault):
        return answer
    if answer.error is not None:
        return fault_of_error(answer.error, envelope=body)
    usage, source = _measure(target.operation, peek, body, answer)
    reading = Reading(
        usage=usage,
        source=source,
        served_model=answer.model,
        response_id=answer.id,
        service_tier=answer.service_tier,
        output_estimate=_output_estimate(body) if target.operation is Operation.GENERATE else 0,
    )
    if client_model != upstream_model and answer.model is not None:
        body = set_members(body, {"model": msgspec.json.encode(client_model)})
    return body, reading


def _measure(
    operation: Operation, peek: Peek, body: bytes, answer: _Answer
) -> tuple[TokenUsage, UsageSource]:
    """Images are counted, tokens or not (older image models report none, and are priced per picture)."""
    report = answer.usage
    if operation is Operation.IMAGE:
        images, size = len(answer.data or ()), image_size(answer.size) or peek.image_size
        usage = TokenUsage(images=images, image_size=size)
        if report is not None:
            usage = to_usage(report, images=images, image_size=size)
        return usage, UsageSource.REPORTED
    is_chat = operation is not Operation.EMBED
    searches = int(is_chat and body.find(_CITATION) >= 0)
    return judge(
        to_usage(report, web_search_calls=searches) if report is not None else None,
        is_complete=True,
        output_tokens=_output_estimate(body) if is_chat else 0,
        input_tokens=peek.input_tokens_estimate,
        lacks_input=report is not None and report.lacks_input,
        lacks_output=is_chat and report is not None and report.lacks_output,
    )


def _output_estimate(body: bytes) -> int:
    return whole_output_tokens(body, envelope_bytes=_ANSWER_ENVELOPE_BYTES)
