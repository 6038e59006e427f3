"""Ending a Messages stream in the middle, as Anthropic ends one at `max_tokens`: the open block is closed,
then `message_delta` with the stop reason, then `message_stop`.

Source: Anthropic API reference, "Streaming messages", "Handling stop reasons".
"""

from collections.abc import Sequence

import msgspec

from headgate.core.usage import TokenUsage
from headgate.core.wire.sse import ServerSentEvent, frame


class _Block(msgspec.Struct):
    type: str = ""
    index: int = 0


_BLOCK = msgspec.json.Decoder(_Block)


def end_message(passed: Sequence[ServerSentEvent], usage: TokenUsage) -> bytes:
    """`passed`: the last events that went out, the newest last."""
    out = []
    index = _open_block(passed)
    if index is not None:
        out.append(_event({"type": "content_block_stop", "index": index}))
    delta = {"stop_reason": "max_tokens", "stop_sequence": None}
    out.append(_event({"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage.output}}))
    out.append(_event({"type": "message_stop"}))
    return b"".join(out)


def _open_block(passed: Sequence[ServerSentEvent]) -> int | None:
    for event in reversed(passed):
        try:
            block = _BLOCK.decode(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            continue
        if block.type in ("content_block_start", "content_block_delta"):
            return block.index
        if block.type == "content_block_stop":
            return None
    return None


def _event(data: dict[str, object]) -> bytes:
    return frame(msgspec.json.encode(data), event=str(data["type"]))
