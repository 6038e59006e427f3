"""Listening to Gemini streams (SSE or JSON array) and reading whole answers.

Knows: `usageMetadata`, `finishReason`, `promptFeedback`, in-band errors. Refuses to know: framing, the commit
point.
Invariant: Gemini has no terminal event; an answer is complete when it ends after a finish reason or a block
reason.
Source: Gemini API reference, "GenerateContentResponse".
"""

import re
from collections.abc import Sequence

import msgspec

from headgate.core.dialects.contract import Operation, Peek, Reading, Target
from headgate.core.dialects.gemini.ending import end_content
from headgate.core.dialects.gemini.faults import ErrorObject, fault_of_error, read_error
from headgate.core.dialects.gemini.usage import UsageReport, merge, to_usage
from headgate.core.dialects.metering import judge, streamed_output_tokens, whole_output_tokens
from headgate.core.dialects.upstream_answers import decode_answer, decode_event, malformed
from headgate.core.faults import Fault
from headgate.core.usage import TokenUsage
from headgate.core.wire.json_edit import NotAnObject, set_members
from headgate.core.wire.opaque_state import THOUGHT_SIGNATURE, minted_in, newest_of
from headgate.core.wire.passthrough import Opening
from headgate.core.wire.sse import ServerSentEvent, replace_data

_CHUNK_ENVELOPE_BYTES = 300
_INLINE, _SEARCHED = b'"inlineData"', b'"webSearchQueries"'
_PICTURE = re.compile(rb'"mimeType"\s*:\s*"image/')
"""Text cannot look like this member: inside a JSON string its quotes are escaped."""
_MAX_QUERIES = 1_000
_NULL = msgspec.Raw(b"null")


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Chunk(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: UsageReport | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: msgspec.Raw = _NULL

    @property
    def has_error(self) -> bool:
        return self.error is not _NULL and bytes(self.error) != b"null"


_CHUNK = msgspec.json.Decoder(_Chunk)


class GeminiReader:
    """`EventReader` of one Gemini stream."""

    __slots__ = (
        "_client_model",
        "_image_size",
        "_framing",
        "_input_estimate",
        "_is_ended",
        "_minted",
        "_pictures",
        "_queries",
        "_report",
        "_response_id",
        "_served_model",
        "edit_markers",
        "fault",
        "finished",
        "output_reports",
    )

    unit = b'"candidates"'
    markers: tuple[bytes, ...] = (
        b'"usageMetadata"', b'"finishReason"', b'"blockReason"', b'"error"', _INLINE, _SEARCHED,
        b'"thoughtSignature"',
    )  # fmt: skip
    envelope_bytes = _CHUNK_ENVELOPE_BYTES

    def __init__(self, peek: Peek, *, client_model: str, upstream_model: str) -> None:
        self._client_model = client_model
        self._framing = peek.framing
        self._input_estimate = peek.input_tokens_estimate
        self._image_size = peek.image_size
        self._pictures = 0
        self._queries: set[str] = set()
        self._report: UsageReport | None = None
        self._served_model: str | None = None
        self._response_id: str | None = None
        self._is_ended = False
        self._minted: tuple[str, ...] = ()
        self.edit_markers: tuple[bytes, ...] = (b'"modelVersion"',) if client_model != upstream_model else ()
        self.finished = False
        self.fault: Fault | None = None
        self.output_reports = 0

    def opening(self, event: ServerSentEvent) -> Opening | Fault:
        chunk = _read(event)
        if chunk is None:
            return malformed()
        return _fault(chunk, event) or "content"

    def on_event(self, event: ServerSentEvent) -> None:
        chunk = _read(event)
        if chunk is None:
            return
        self.fault = self.fault or _fault(chunk, event)
        self._served_model = chunk.model_version or self._served_model
        self._response_id = chunk.response_id or self._response_id
        if chunk.usage_metadata is not None:
            self._report = merge(self._report, chunk.usage_metadata)
            self.output_reports += not chunk.usage_metadata.lacks_output
        self._pictures += _pictures(event.data)
        self._minted = newest_of(self._minted, minted_in(event.data, THOUGHT_SIGNATURE))
        if event.data.find(_SEARCHED) >= 0 and len(self._queries) < _MAX_QUERIES:
            self._queries.update(_queries(chunk))
        self._is_ended = self._is_ended or _is_last(chunk)

    def edit(self, raw: bytes, event: ServerSentEvent) -> bytes:
        """Give the chunk the client's model name."""
        try:
            data = set_members(event.data, {"modelVersion": msgspec.json.encode(self._client_model)})
        except NotAnObject:
            return raw
        return replace_data(raw, event, data)

    def is_complete_at_end(self) -> bool:
        return self._is_ended

    def ending(self, passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
        return end_content(usage, model=self._client_model, framing=self._framing)

    def reading(self, *, is_complete: bool, units_seen: int, bytes_seen: int) -> Reading:
        estimate = streamed_output_tokens(units_seen, bytes_seen, envelope_bytes=_CHUNK_ENVELOPE_BYTES)
        report = self._report
        usage, source = judge(
            self._usage() if report is not None else None,
            is_complete=is_complete,
            output_tokens=estimate,
            input_tokens=self._input_estimate,
            lacks_input=report is not None and report.lacks_input,
            lacks_output=report is not None and report.lacks_output and units_seen > 0,
        )
        return Reading(
            usage=usage,
            source=source,
            served_model=self._served_model,
            response_id=self._response_id,
            service_tier=report.served_tier if report is not None else None,
            minted=self._minted,
            output_estimate=estimate,
        )

    def _usage(self) -> TokenUsage:
        assert self._report is not None
        return to_usage(
            self._report,
            images=self._pictures,
            image_size=self._image_size if self._pictures else None,
            web_search_calls=len(self._queries),
        )


def read_answer(
    target: Target, peek: Peek, body: bytes, *, client_model: str, upstream_model: str
) -> tuple[bytes, Reading] | Fault:
    """A whole answer. Counting consumes nothing; embeddings have no output."""
    answer = decode_answer(_CHUNK, body)
    if isinstance(answer, Fault):
        return answer
    if answer.has_error:
        return fault_of_error(read_error(body) or ErrorObject(), envelope=body)
    if target.operation is Operation.COUNT:
        return body, Reading()
    is_embedding = target.operation is Operation.EMBED
    report = answer.usage_metadata
    estimate = 0 if is_embedding else whole_output_tokens(body, envelope_bytes=_CHUNK_ENVELOPE_BYTES)
    usage, source = judge(
        _whole_usage(report, peek, body, answer) if report is not None else None,
        is_complete=True,
        output_tokens=estimate,
        input_tokens=peek.input_tokens_estimate,
        lacks_input=report is not None and report.lacks_input,
        lacks_output=report is not None and report.lacks_output and bool(answer.candidates),
    )
    reading = Reading(
        usage=usage,
        source=source,
        served_model=answer.model_version,
        response_id=answer.response_id,
        service_tier=report.served_tier if report is not None else None,
        minted=minted_in(body, THOUGHT_SIGNATURE),
        output_estimate=estimate,
    )
    if client_model != upstream_model and answer.model_version is not None:
        body = set_members(body, {"modelVersion": msgspec.json.encode(client_model)})
    return body, reading


def _whole_usage(report: UsageReport, peek: Peek, body: bytes, answer: _Chunk) -> TokenUsage:
    pictures = _pictures(body)
    return to_usage(
        report,
        images=pictures,
        image_size=peek.image_size if pictures else None,
        web_search_calls=len(_queries(answer)),
    )


def _pictures(data: bytes) -> int:
    """Generated pictures in an event or a whole answer."""
    return len(_PICTURE.findall(data)) if data.find(_INLINE) >= 0 else 0


def _queries(chunk: _Chunk) -> set[str]:
    """Web searches that the answer rests on."""
    grounds = [candidate.grounding_metadata for candidate in chunk.candidates or ()]
    return {query for ground in grounds if ground is not None for query in ground.web_search_queries or ()}


def _read(event: ServerSentEvent) -> _Chunk | None:
    return decode_event(_CHUNK, event.data)


def _fault(chunk: _Chunk, event: ServerSentEvent) -> Fault | None:
    if not chunk.has_error:
        return None
    return fault_of_error(read_error(event.data) or ErrorObject(), envelope=event.data)


def _is_last(chunk: _Chunk) -> bool:
    if chunk.prompt_feedback is not None and chunk.prompt_feedback.block_reason is not None:
        return True
    return any(candidate.finish_reason is not None for candidate in chunk.candidates or ())
