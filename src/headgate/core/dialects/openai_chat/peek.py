"""Reading and editing Chat Completions, embeddings and image requests.

Knows: the requests' field names. Refuses to know: what routing and money make of the facts.
"""

import msgspec

from headgate.core.dialects.contract import Operation, Peek, PreparedBody, StreamFraming, Target
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
from headgate.core.usage import image_size
from headgate.core.wire.json_edit import members, set_members

_LEADING_MESSAGES = 8
"""How far the first user message is looked for; system and developer messages stand before it."""
MAX_IMAGES = 1_000


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Body(msgspec.Struct):
    model: str | None = None
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_tokens: int | float | None = None
    max_completion_tokens: int | float | None = None
    messages: list[msgspec.Raw] | None = None
    user: msgspec.Raw = ABSENT
    prompt_cache_key: msgspec.Raw = ABSENT
    service_tier: msgspec.Raw = ABSENT
    reasoning_effort: msgspec.Raw = ABSENT
    n: int | float | None = None
    size: msgspec.Raw = ABSENT


class _Message(msgspec.Struct):
    role: msgspec.Raw = ABSENT


_BODY = msgspec.json.Decoder(_Body)
_MESSAGE = msgspec.json.Decoder(_Message)


def peek(target: Target, body: bytes) -> Peek | Fault:
    read = decode(_BODY, body)
    if isinstance(read, Fault):
        return read
    if (fault := model_fault(read.model)) is not None:
        return fault
    is_chat = target.operation is Operation.GENERATE
    is_stream = bool(read.stream) and is_chat
    options = read.stream_options
    limit = token_limit(read.max_completion_tokens)
    return Peek(
        model=read.model or "",
        framing=StreamFraming.SSE if is_stream else StreamFraming.NONE,
        max_output_tokens=limit if limit is not None else token_limit(read.max_tokens),
        input_tokens_estimate=input_tokens_estimate(body),
        wants_usage_chunk=not is_stream or (options is not None and options.include_usage is True),
        prompt_cache_key=text(read.prompt_cache_key),
        end_user=text(read.user),
        conversation_seed=seed(*_leading(read.messages or [])),
        service_tier=text(read.service_tier),
        reasoning_effort=text(read.reasoning_effort),
        image_count=_images(read.n) if target.operation is Operation.IMAGE else 0,
        image_size=image_size(text(read.size)) if target.operation is Operation.IMAGE else None,
        choices=_images(read.n) if is_chat else 1,
    )


def _images(n: int | float | None) -> int:
    return 1 if n is None or n < 1 else int(min(n, MAX_IMAGES))


def _leading(messages: list[msgspec.Raw]) -> list[msgspec.Raw]:
    """The messages up to the first of the user: later turns only add behind it."""
    for index, raw in enumerate(messages[:_LEADING_MESSAGES]):
        message = part(_MESSAGE, raw)
        if message is not None and text(message.role) == "user":
            return messages[: index + 1]
    return messages[:1]


def prepare(peek: Peek, body: bytes, *, upstream_model: str, output_limit: int | None = None) -> PreparedBody:
    """Edits: the mapped model; the output limit that can be paid for; a stream is asked for its usage chunk
    (which the reader hides again)."""
    changes = {}
    edits = []
    if upstream_model != peek.model:
        changes["model"] = msgspec.json.encode(upstream_model)
        edits.append("model")
    if output_limit is not None:
        changes[_limit_member(body)] = b"%d" % output_limit
        edits.append("max_output_tokens")
    if peek.is_stream and not peek.wants_usage_chunk:
        changes["stream_options"] = _with_usage(body)
        edits.append("include_usage")
    return PreparedBody(body=set_members(body, changes) if changes else body, edits=tuple(edits))


def _limit_member(body: bytes) -> str:
    """The older name where the client uses it alone: compatible providers may know no other."""
    named = members(body)
    return (
        "max_tokens"
        if "max_tokens" in named and "max_completion_tokens" not in named
        else "max_completion_tokens"
    )


def _with_usage(body: bytes) -> bytes:
    options = members(body).get("stream_options")
    if options is None or bytes(options) == b"null":
        return b'{"include_usage":true}'
    return set_members(bytes(options), {"include_usage": b"true"})
