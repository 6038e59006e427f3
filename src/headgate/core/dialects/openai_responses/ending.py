"""Ending a Responses stream in the middle, as OpenAI ends one at `max_output_tokens`: `response.incomplete`.

The response object in it has no output items: the client has them already, piece by piece.
Source: OpenAI API reference, "Streaming events", "response.incomplete".
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from headgate.core.usage import TokenUsage
from headgate.core.wire.sse import ServerSentEvent, frame


class _Numbered(msgspec.Struct):
    sequence_number: int = 0


_NUMBERED = msgspec.json.Decoder(_Numbered)


def end_response(
    passed: Sequence[ServerSentEvent], usage: TokenUsage, *, response_id: str | None, model: str
) -> bytes:
    """`passed`: the last events that went out, the newest last."""
    prompt = usage.total - usage.output - usage.audio_output
    output = usage.output + usage.audio_output
    response: dict[str, Any] = {
        "id": response_id or "",
        "object": "response",
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "error": None,
        "model": model,
        "output": [],
        "usage": {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": usage.cache_read},
            "output_tokens": output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": prompt + output,
        },
    }
    event = {
        "type": "response.incomplete", "response": response, "sequence_number": _last_number(passed) + 1,
    }  # fmt: skip
    return frame(msgspec.json.encode(event), event="response.incomplete")


def _last_number(passed: Sequence[ServerSentEvent]) -> int:
    for event in reversed(passed):
        try:
            return _NUMBERED.decode(event.data).sequence_number
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
    return 0
