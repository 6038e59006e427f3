"""Opaque state: thinking signatures and encrypted reasoning, which clients send back and which only the
account that minted them is sure to understand.

Knows: under which member a dialect carries it; names it by a digest. Refuses to know: what it says, whose it
is. Invariants: pure; bounded; the state itself never leaves this module; a text that merely talks about such
a member is not taken for one, because inside a JSON string its quotes are escaped.
Sources: Anthropic "Extended thinking" (`signature`, `redacted_thinking`), OpenAI "Reasoning"
(`encrypted_content`), Gemini "Thought signatures".
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

SHORTEST = 16
"""Characters; what is shorter is a placeholder."""
_TAIL = 64
"""Of the state that are digested: it may be streamed in pieces, of which the last one is enough."""
MOST = 2
"""Newest states of an answer that are remembered: the next request ends with the last one, or with the one
before where a client drops what came after it."""
_LOOKS = 8
"""Members that are looked at from the end before a request counts as one without state."""


class OpaqueMember(NamedTuple):
    needle: bytes
    read: Callable[[bytes, int], bytes | None]
    """The state that belongs to a needle, or its end (at least `_TAIL` of it); None: it is none."""


def _member(needle: bytes, name: bytes) -> OpaqueMember:
    value = rb'"((?:[^"\\]|\\.){%d,})"' % SHORTEST
    pattern = re.compile(rb'"' + name + rb'"[ \t\r\n]*:[ \t\r\n]*' + value)

    def read(data: bytes, at: int) -> bytes | None:
        found = pattern.search(data, max(0, at - _NEEDLE_START))
        return found[1] if found is not None and found.start() <= at else None

    return OpaqueMember(needle, read)


_NEEDLE_START = len('"thought_s')
"""How far before its needle the member of `THOUGHT_SIGNATURE` may begin."""
_REDACTED = b'"redacted_thinking"'
_REACH = 256
"""How much of a block is looked at before its type."""
_DATA_AFTER = re.compile(rb'"redacted_thinking"[ \t\r\n]*,[ \t\r\n]*"data"[ \t\r\n]*:[ \t\r\n]*"([^"]{16,})"')
_DATA_BEFORE = re.compile(
    rb'([A-Za-z0-9+/=_\\\-]{16,%d})"[ \t\r\n]*,[ \t\r\n]*"type"[ \t\r\n]*:[ \t\r\n]*\Z' % (2 * _TAIL)
)


def _redacted(data: bytes, at: int) -> bytes | None:
    """Anthropic sends the type first, its Python SDK writes the data first."""
    found = _DATA_AFTER.match(data, at) or _DATA_BEFORE.search(data[max(0, at - _REACH) : at])
    return None if found is None else found[1]


SIGNATURE = _member(b'"signature"', b"signature")
REDACTED_THINKING = OpaqueMember(_REDACTED, _redacted)
"""Thinking that Anthropic shows nobody (`redacted_thinking`): all of it is state."""
ENCRYPTED_CONTENT = _member(b'"encrypted_content"', b"encrypted_content")
THOUGHT_SIGNATURE = _member(b'ignature"', b"thought_?[sS]ignature")


def newest_in(body: bytes, *kinds: OpaqueMember) -> str | None:
    """Name of the last state in a request: the one that the newest answer minted; None: it carries none."""
    found = max((last for kind in kinds if (last := next(_from_end(body, kind), None))), default=None)
    return None if found is None else _name(found[1])


def minted_in(answer: bytes, *kinds: OpaqueMember) -> tuple[str, ...]:
    """Names of the newest states in an answer, or in one event of it."""
    found = [
        state
        for kind in kinds
        if answer.find(kind.needle) >= 0
        for state in islice(_from_end(answer, kind), MOST)
    ]
    return tuple(_name(state) for _, state in sorted(found)[-MOST:])


def _from_end(data: bytes, kind: OpaqueMember) -> Iterator[tuple[int, bytes]]:
    """Where states are, the last one first."""
    end = len(data)
    for _ in range(_LOOKS):
        at = data.rfind(kind.needle, 0, end)
        if at < 0:
            return
        state = kind.read(data, at)
        if state is not None:
            yield at, state
        end = at


def newest_of(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """What is remembered of an answer when another event minted more."""
    return tuple(dict.fromkeys((*known, *more)))[-MOST:] if more else known


def _name(state: bytes) -> str:
    """Escaped slashes are the same slashes."""
    plain = state.replace(b"\\", b"")
    return hashlib.blake2b(plain[-_TAIL:], digest_size=16).hexdigest()
