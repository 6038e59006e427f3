"""Requests that Claude Code makes to itself and that need no model: answered here where the account says so
(spec 2.4).

Knows: what these requests say, and the shape of the answers. Refuses to know: accounts, sockets. Invariants:
only the newest message of a recognised Claude Code counts, so that nobody's conversation is ever cut off by
a word in it; the answers are the gateway's own and say so in their id.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any

import msgspec

from headgate.core.client_rules.claude_code import is_probe
from headgate.core.dialects.contract import Peek

_SUGGESTION = "[SUGGESTION MODE:"
_WARM_UP = "Warmup"
_TITLE = "Please write a 5-10 word title"
_TOPIC = "nalyze if this message indicates a new conversation topic"
INPUT_TOKENS = 10


class WarmUp(StrEnum):
    SUGGESTION = "suggestion"
    """What might the user type next? Nothing."""
    WARM_UP = "warmup"
    """A cache warm-up, or a title for the conversation."""
    PROBE = "probe"
    """Is anybody there?"""


_ANSWERS: dict[WarmUp, tuple[str, int, str]] = {
    WarmUp.SUGGESTION: ("", 1, "end_turn"),
    WarmUp.WARM_UP: ("New Conversation", 2, "end_turn"),
    WarmUp.PROBE: ("#", 1, "max_tokens"),
}
"""Text, output tokens, stop reason."""


class _Message(msgspec.Struct):
    role: str = ""
    content: Any = None


class _Body(msgspec.Struct):
    messages: list[_Message] = []
    system: Any = None


_BODY = msgspec.json.Decoder(_Body)


def warm_up_of(body: bytes, peek: Peek) -> WarmUp | None:
    """What a recognised Claude Code asks of itself; None: it is a request like any other."""
    if is_probe(peek):
        return WarmUp.PROBE
    try:
        read = _BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    asked = read.messages[-1] if read.messages else _Message()
    said = list(_texts(asked.content)) if asked.role == "user" else []
    if said and said[0].startswith(_SUGGESTION):
        return WarmUp.SUGGESTION
    if any(text == _WARM_UP or _TITLE in text for text in said):
        return WarmUp.WARM_UP
    return WarmUp.WARM_UP if any(_TOPIC in text for text in _texts(read.system)) else None


def whole_answer(kind: WarmUp, model: str) -> bytes:
    text, output, stop_reason = _ANSWERS[kind]
    content = [{"type": "text", "text": text}]
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": output}
    message = _message(kind, model) | {"content": content, "stop_reason": stop_reason, "usage": usage}
    return msgspec.json.encode(message)


def streamed_answer(kind: WarmUp, model: str) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (event["type"].encode(), msgspec.json.encode(event))
        for event in _events(kind, model)
    )


def _events(kind: WarmUp, model: str) -> Iterator[dict[str, Any]]:
    text, output, stop_reason = _ANSWERS[kind]
    usage = {"input_tokens": INPUT_TOKENS, "output_tokens": 0}
    yield {"type": "message_start", "message": _message(kind, model) | {"usage": usage}}
    yield {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
    if text:
        yield {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    yield {"type": "content_block_stop", "index": 0}
    delta = {"stop_reason": stop_reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": output}}
    yield {"type": "message_stop"}


def _message(kind: WarmUp, model: str) -> dict[str, Any]:
    return {
        "id": f"msg_mock_{kind.value}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _texts(content: Any) -> Iterable[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            if isinstance(block, dict) and isinstance(block.get("text"), str):
                yield block["text"]
