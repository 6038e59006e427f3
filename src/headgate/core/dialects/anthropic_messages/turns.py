"""Whose turn a Messages request is: a person's own words, or the result of a tool (spec 3.7).

Knows: roles and content blocks. Refuses to know: what follows. Invariant: nothing raises; a body that cannot
be read is nobody's turn.
"""

import msgspec


class _Block(msgspec.Struct):
    type: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"")


class _Body(msgspec.Struct):
    messages: list[msgspec.Raw] = []


_BODY = msgspec.json.Decoder(_Body)
_MESSAGE = msgspec.json.Decoder(_Message)
_BLOCKS = msgspec.json.Decoder(list[_Block])


def is_user_turn(body: bytes) -> bool:
    """The last message is a user's, and no tool's result is in it."""
    try:
        messages = _BODY.decode(body).messages
        last = _MESSAGE.decode(messages[-1]) if messages else _Message()
        if last.role != "user":
            return False
        content = bytes(last.content).lstrip()
        is_text = not content.startswith(b"[")
        return is_text or all(block.type != "tool_result" for block in _BLOCKS.decode(content))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
