"""Reading and editing Responses requests and their subpaths.

Knows: the request's field names. Refuses to know: what routing and money make of the facts.
Source: OpenAI API reference; spec 2.8.
"""

import msgspec

from headgate.core.dialects.contract import Operation, Peek, PreparedBody, StreamFraming, Target
from headgate.core.dialects.request_body import (
    ABSENT,
    decode,
    input_tokens_estimate,
    invalid,
    model_fault,
    part,
    seed,
    text,
    token_limit,
)
from headgate.core.faults import Fault
from headgate.core.wire.json_edit import set_members
from headgate.core.wire.opaque_state import ENCRYPTED_CONTENT, newest_in

_LEADING_ITEMS = 8
_STRING_PREFIX = b'"'


class _Reasoning(msgspec.Struct):
    effort: msgspec.Raw = ABSENT


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    max_output_tokens: int | float | None = None
    input: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    previous_response_id: msgspec.Raw = ABSENT
    prompt_cache_key: msgspec.Raw = ABSENT
    user: msgspec.Raw = ABSENT
    service_tier: msgspec.Raw = ABSENT
    reasoning: msgspec.Raw = ABSENT


class _Item(msgspec.Struct):
    role: msgspec.Raw = ABSENT


_BODY = msgspec.json.Decoder(_Body)
_ITEMS = msgspec.json.Decoder(list[msgspec.Raw])
_ITEM = msgspec.json.Decoder(_Item)
_REASONING = msgspec.json.Decoder(_Reasoning)


def peek(target: Target, body: bytes) -> Peek | Fault:
    if target.operation is Operation.OBJECT:  # the id in the path says whose account has the response
        return Peek(model="", previous_response_id=target.subpath.strip("/").partition("/")[0] or None)
    read = decode(_BODY, body)
    if isinstance(read, Fault):
        return read
    previous = text(read.previous_response_id)
    fault = model_fault(read.model) or _previous_fault(previous)
    if fault is not None:
        return fault
    is_stream = bool(read.stream) and target.operation is Operation.GENERATE
    reasoning = part(_REASONING, read.reasoning)
    return Peek(
        model=read.model or "",
        framing=StreamFraming.SSE if is_stream else StreamFraming.NONE,
        max_output_tokens=token_limit(read.max_output_tokens),
        input_tokens_estimate=input_tokens_estimate(body),
        prompt_cache_key=text(read.prompt_cache_key),
        previous_response_id=previous,
        end_user=text(read.user),
        conversation_seed=seed(read.instructions, *_leading(read.input)),
        opaque_state=newest_in(body, ENCRYPTED_CONTENT),
        service_tier=text(read.service_tier),
        reasoning_effort=text(reasoning.effort) if reasoning else None,
    )


def _previous_fault(previous: str | None) -> Fault | None:
    """A message id in the place of a response id is a common mistake that no account can answer (spec
    2.8)."""
    if previous is None or not previous.startswith("msg_"):
        return None
    return invalid("previous_response_id must be a response id (resp_...), not a message id (msg_...)")


def _leading(raw: msgspec.Raw) -> list[msgspec.Raw]:
    """A plain string input, or the input items up to the first of the user: later turns only add behind
    it."""
    if bytes(memoryview(raw)[:1]) == _STRING_PREFIX:
        return [raw]
    items = part(_ITEMS, raw) or []
    for index, item in enumerate(items[:_LEADING_ITEMS]):
        read = part(_ITEM, item)
        if read is not None and text(read.role) == "user":
            return items[: index + 1]
    return items[:1]


def prepare(peek: Peek, body: bytes, *, upstream_model: str, output_limit: int | None = None) -> PreparedBody:
    """Edits: the mapped model, and the output limit that can be paid for. Requests for an object name no
    model and stay untouched."""
    changes = {}
    if upstream_model != peek.model and peek.model:
        changes["model"] = msgspec.json.encode(upstream_model)
    if output_limit is not None:
        changes["max_output_tokens"] = b"%d" % output_limit
    if not changes:
        return PreparedBody(body=body)
    return PreparedBody(body=set_members(body, changes), edits=tuple(changes))
