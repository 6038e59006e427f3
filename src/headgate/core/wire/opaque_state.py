"""Opaque state: thinking signatures and encrypted reasoning, which clients send back and which only the
account that minted them is sure to understand.

Knows: under which member a dialect carries it; names it by a digest. Refuses to know: what it says, whose it
is. Invariants: pure; bounded; the state itself never leaves this module; a text that merely talks about such
a member is not taken for one, because inside a JSON string its quotes are escaped.
Sources: Anthropic "Extended thinking" (`signature`), OpenAI "Reasoning" (`encrypted_content`), Gemini
"Thought signatures".
"""

import hashlib
import re
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
    pattern: re.Pattern[bytes]


def _member(needle: bytes, name: bytes) -> OpaqueMember:
    value = rb'"((?:[^"\\]|\\.){%d,})"' % SHORTEST
    return OpaqueMember(needle, re.compile(rb'"' + name + rb'"[ \t\r\n]*:[ \t\r\n]*' + value))


SIGNATURE = _member(b'"signature"', b"signature")
ENCRYPTED_CONTENT = _member(b'"encrypted_content"', b"encrypted_content")
THOUGHT_SIGNATURE = _member(b'ignature"', b"thought_?[sS]ignature")
_NEEDLE_START = len('"thought_s')
"""How far before its needle the member of `THOUGHT_SIGNATURE` may begin."""


def newest_in(body: bytes, member: OpaqueMember) -> str | None:
    """Name of the last state in a request: the one that the newest answer minted; None: it carries none."""
    end = len(body)
    for _ in range(_LOOKS):
        at = body.rfind(member.needle, 0, end)
        if at < 0:
            return None
        found = member.pattern.search(body, max(0, at - _NEEDLE_START))
        if found is not None and found.start() <= at:
            return _name(found[1])
        end = at
    return None


def minted_in(answer: bytes, member: OpaqueMember) -> tuple[str, ...]:
    """Names of the newest states in an answer, or in one event of it."""
    if answer.find(member.needle) < 0:
        return ()
    return tuple(_name(found[1]) for found in member.pattern.finditer(answer))[-MOST:]


def newest_of(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    """What is remembered of an answer when another event minted more."""
    return tuple(dict.fromkeys((*known, *more)))[-MOST:] if more else known


def _name(state: bytes) -> str:
    """Escaped slashes are the same slashes."""
    plain = state.replace(b"\\", b"")
    return hashlib.blake2b(plain[-_TAIL:], digest_size=16).hexdigest()
