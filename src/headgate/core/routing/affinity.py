"""Session identity: which conversation a request belongs to, so that it stays on one account (spec 3.3,
clients 9).

Knows: what real clients say about their conversation, strongest statement first. Refuses to know: accounts,
stores. Invariants: a session key is namespaced by the API key, so users never share a session by accident; it
is short and printable whatever a client sends (odd or long values are hashed); it never holds text of a
prompt.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from headgate.core.dialects.contract import Peek
from headgate.core.ids import KeyId, SessionKey
from headgate.kit import json

_PLAIN = re.compile(r"[A-Za-z0-9_.:\-]{1,80}", re.ASCII)
_LEGACY_USER_ID = re.compile(
    r"user_[0-9a-fA-F]+_account_[0-9a-fA-F\-]*_session_([0-9a-fA-F\-]{8,64})", re.ASCII
)
_MAX_USER_ID = 1024
"""Longest `metadata.user_id` that is parsed; Claude Code sends about 200 characters."""

Headers = Mapping[str, str]


class Session(NamedTuple):
    """The rule that recognised the conversation, and its name."""

    rule: str
    key: SessionKey


class _ClaudeUserId(msgspec.Struct):
    session_id: str


def session_of(headers: Headers, peek: Peek, key_id: KeyId) -> Session | None:
    """Identify the conversation by the first rule that applies; None: nothing says which one it is.

    `headers` are lower-case. Names with an underscore reach us only when the reverse proxy lets them through.
    """
    for rule, family, read in _RULES:
        value = read(headers, peek)
        if value:
            return Session(rule, _session_key(key_id, family, value))
    return None


def response_session(key_id: KeyId, response_id: str) -> SessionKey:
    """Under which name to remember the account that made a response: only it can continue
    `previous_response_id`."""
    return _session_key(key_id, "response", response_id)


def state_session(key_id: KeyId, state: str) -> SessionKey:
    """Under which name to remember the account that minted a thinking signature or encrypted reasoning."""
    return _session_key(key_id, "state", state)


def name_of(session: SessionKey) -> str:
    """Tells conversations apart without saying what clients call them."""
    return hashlib.blake2b(session.encode(), digest_size=8).hexdigest()


def _session_key(key_id: KeyId, family: str, value: str) -> SessionKey:
    if not _PLAIN.fullmatch(value):
        value = "h." + _digest(value.encode("utf-8", "surrogatepass"))
    return SessionKey(f"{key_id}:{family}:{value}")


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def _header(name: str) -> Callable[[Headers, Peek], str | None]:
    def read(headers: Headers, _peek: Peek) -> str | None:
        return headers.get(name)

    return read


def _claude_user_id(_headers: Headers, peek: Peek) -> str | None:
    return claude_session_id(peek.metadata_user_id)


def claude_session_id(user_id: str | None) -> str | None:
    """Session id inside `metadata.user_id`: a JSON string today, `user_..._account_..._session_<uuid>`
    before. None: Claude Code has not written it."""
    if not user_id or len(user_id) > _MAX_USER_ID:
        return None
    if legacy := _LEGACY_USER_ID.fullmatch(user_id):
        return legacy[1]
    if not user_id.startswith("{"):
        return None
    try:
        return msgspec.convert(json.loads(user_id), _ClaudeUserId).session_id
    except json.JSONDecodeError:  # or not of that shape: a ValidationError is one
        return None


def _gemini_cli(headers: Headers, peek: Peek) -> str | None:
    """Gemini CLI names at most its installation, never its conversation: that is told apart by its seed,
    which holds the project's temporary directory too (spec 3.3)."""
    installation = headers.get("x-gemini-api-privileged-user-id", "")
    is_cli = installation or headers.get("user-agent", "").startswith("GeminiCLI")
    if not is_cli or not peek.conversation_seed:
        return None
    return _digest(installation.encode("utf-8", "surrogatepass") + b"\0" + peek.conversation_seed)


def _cached_seed(_headers: Headers, peek: Peek) -> str | None:
    return _digest(peek.cached_seed) if peek.cached_seed else None


def _conversation_seed(_headers: Headers, peek: Peek) -> str | None:
    return _digest(peek.conversation_seed) if peek.conversation_seed else None


_Reader = Callable[[Headers, Peek], str | None]
_RULES: tuple[tuple[str, str, _Reader], ...] = (
    # rule, family (names that mean the same conversation share one), reader
    ("x-claude-code-session-id", "claude", _header("x-claude-code-session-id")),
    ("metadata.user_id", "claude", _claude_user_id),
    ("session-id", "session", _header("session-id")),  # Codex
    ("session_id", "session", _header("session_id")),  # older Codex, pi
    ("conversation_id", "conversation", _header("conversation_id")),  # older Codex
    ("thread-id", "thread", _header("thread-id")),  # Codex
    ("prompt_cache_key", "cache", lambda _headers, peek: peek.prompt_cache_key),
    ("x-session-affinity", "session", _header("x-session-affinity")),  # opencode, beside x-session-id
    ("gemini-cli", "gemini", _gemini_cli),
    ("previous_response_id", "response", lambda _headers, peek: peek.previous_response_id),
    ("x-session-id", "session", _header("x-session-id")),  # whoever wants to say it
    ("user", "user", lambda _headers, peek: peek.end_user),
    ("cache_control", "cached", _cached_seed),
    ("conversation_seed", "seed", _conversation_seed),
)
