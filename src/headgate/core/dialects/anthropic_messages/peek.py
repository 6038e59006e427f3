"""Reading and editing Messages requests (`/v1/messages`, `/v1/messages/count_tokens`).

Knows: the request's field names. Refuses to know: what routing and money make of the facts.
"""

import re

import msgspec

from headgate.core.dialects.contract import CacheUse, Operation, Peek, PreparedBody, StreamFraming, Target
from headgate.core.dialects.request_body import (
    ABSENT,
    decode,
    input_tokens_estimate,
    model_fault,
    part,
    seed,
    text,
    token_limit,
)
from headgate.core.faults import Fault
from headgate.core.wire.json_edit import set_members
from headgate.core.wire.opaque_state import REDACTED_THINKING, SIGNATURE, newest_in


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    max_tokens: int | float | None = None
    messages: list[msgspec.Raw] | None = None
    system: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    metadata: msgspec.Raw = ABSENT
    service_tier: msgspec.Raw = ABSENT
    output_config: msgspec.Raw = ABSENT
    thinking: msgspec.Raw = ABSENT


class _Thinking(msgspec.Struct):
    budget_tokens: int | None = None


class _Metadata(msgspec.Struct):
    user_id: msgspec.Raw = ABSENT


class _OutputConfig(msgspec.Struct):
    effort: msgspec.Raw = ABSENT


_BODY = msgspec.json.Decoder(_Body)
_METADATA = msgspec.json.Decoder(_Metadata)
_OUTPUT_CONFIG = msgspec.json.Decoder(_OutputConfig)
_THINKING = msgspec.json.Decoder(_Thinking)
_MARK = re.compile(rb'"cache_control"[ \t\r\n]*:[ \t\r\n]*\{')
_TTL_1H = re.compile(rb'"ttl"[ \t\r\n]*:[ \t\r\n]*"1h"')


def peek(target: Target, body: bytes) -> Peek | Fault:
    read = decode(_BODY, body)
    if isinstance(read, Fault):
        return read
    if (fault := model_fault(read.model)) is not None:
        return fault
    is_stream = bool(read.stream) and target.operation is Operation.GENERATE
    metadata = part(_METADATA, read.metadata)
    output_config = part(_OUTPUT_CONFIG, read.output_config)
    thinking = part(_THINKING, read.thinking)
    cache_use = _cache_use(body)
    return Peek(
        model=read.model or "",
        framing=StreamFraming.SSE if is_stream else StreamFraming.NONE,
        max_output_tokens=token_limit(read.max_tokens),
        input_tokens_estimate=input_tokens_estimate(body),
        metadata_user_id=text(metadata.user_id) if metadata else None,
        conversation_seed=seed(read.system, *(read.messages or ())[:1]),
        cached_seed=b"" if cache_use is CacheUse.NONE else _cached_seed(read),
        service_tier=text(read.service_tier),
        reasoning_effort=text(output_config.effort) if output_config else None,
        cache_use=cache_use,
        opaque_state=newest_in(body, SIGNATURE, REDACTED_THINKING),
        min_output_tokens=(thinking.budget_tokens or 0) + 1 if thinking and thinking.budget_tokens else 0,
    )


def _cache_use(body: bytes) -> CacheUse:
    """By the words alone: a text that merely mentions them makes the reservation a little larger."""
    if body.find(b'"cache_control"') < 0:
        return CacheUse.NONE
    return CacheUse.WRITE_1H if _TTL_1H.search(body) else CacheUse.WRITE_5M


def _cached_seed(read: _Body) -> bytes:
    """What a provider caches for all conversations alike: tools, then system. Marks on messages do not count:
    clients move them along with every turn."""
    if _MARK.search(read.system):
        return seed(read.tools, read.system)
    return seed(read.tools) if _MARK.search(read.tools) else b""


def prepare(peek: Peek, body: bytes, *, upstream_model: str, output_limit: int | None = None) -> PreparedBody:
    """Edits: the mapped model, and the output limit that can be paid for."""
    changes = {}
    if upstream_model != peek.model:
        changes["model"] = msgspec.json.encode(upstream_model)
    if output_limit is not None:
        changes["max_tokens"] = b"%d" % output_limit
    if not changes:
        return PreparedBody(body=body)
    edits = tuple("max_output_tokens" if name == "max_tokens" else name for name in changes)
    return PreparedBody(body=set_members(body, changes), edits=edits)
