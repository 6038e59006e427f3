"""Ending a Chat Completions stream in the middle, as OpenAI ends one at its output limit: a chunk with
`finish_reason` `length`, the usage chunk for who asked for it, `[DONE]`.

Source: OpenAI API reference, "The chat completion chunk object".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.core.usage import TokenUsage
from headgate.core.wire.sse import ServerSentEvent, frame


class _Chunk(msgspec.Struct):
    id: str = ""
    created: int = 0
    model: str = ""
    choices: list[Any] | None = None


_CHUNK = msgspec.json.Decoder(_Chunk)


def end_chat(passed: Sequence[ServerSentEvent], usage: TokenUsage, *, wants_usage: bool) -> bytes:
    """`passed`: the last events that went out, the newest last."""
    last = _last_chunk(passed)
    chunk: dict[str, Any] = {
        "id": last.id, "object": "chat.completion.chunk", "created": last.created, "model": last.model,
    }  # fmt: skip
    choice = {"index": 0, "delta": {}, "finish_reason": "length"}
    out = [_data({**chunk, "choices": [choice]})]
    if wants_usage:
        prompt = usage.total - usage.output - usage.audio_output
        completion = usage.output + usage.audio_output
        counts = {
            "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion,
        }  # fmt: skip
        out.append(_data({**chunk, "choices": [], "usage": counts}))
    return b"".join([*out, frame(b"[DONE]")])


def _last_chunk(passed: Sequence[ServerSentEvent]) -> _Chunk:
    for event in reversed(passed):
        try:
            return _CHUNK.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return _Chunk()


def _data(chunk: dict[str, Any]) -> bytes:
    return frame(msgspec.json.encode(chunk))
