"""Mending a request that the provider refused for a formality of thinking, once, and trying it again (spec
2.4).

Thinking is signed by whoever produced it. A conversation that comes to another account carries signatures
that are worth nothing there: its thinking becomes plain text. And a thinking budget below the provider's
minimum is raised, never beyond the output limit that the client set, which is a promise about money.

Knows: the provider's complaints, and the shape of a Messages request. Refuses to know: accounts, attempts.
Invariants: each edit is made at most once; what it does not mean keeps its bytes; a body that is not
understood stays as it is.
"""

from collections.abc import Collection
from enum import StrEnum

import msgspec

from headgate.core.faults import Fault, FaultKind
from headgate.core.wire.json_edit import NotAnObject, fields, items, join_items, join_members, set_members

RECTIFIER_SETTING = "rectifier_settings"
BUDGET_TOKENS = 32_000
MIN_BUDGET_TOKENS = 1_024
_PLACEHOLDER = "(empty)"
_EMPTY_COMPLAINTS = (
    "text content blocks must be non-empty",
    "must have non-empty content",
    "content cannot be empty",
    "content must not be empty",
)


class Rectifier(StrEnum):
    """Names of the edits, as the trace has them."""

    SIGNATURE = "thinking_as_text"
    TOOLS = "tools_as_text"
    BUDGET = "thinking_budget"


class RectifierSettings(msgspec.Struct, frozen=True, kw_only=True):
    enabled: bool = True
    thinking_signature_enabled: bool = True
    thinking_budget_enabled: bool = True


def rectifier_settings_from(stored: str | None) -> RectifierSettings:
    """The default for what is not stored or cannot be read."""
    try:
        return msgspec.json.decode(stored or "{}", type=RectifierSettings)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return RectifierSettings()


def rectifier_for(fault: Fault, settings: RectifierSettings, done: Collection[Rectifier]) -> Rectifier | None:
    """The edit that may help against this refusal; None: none, or it was made already."""
    is_400 = fault.kind is FaultKind.UPSTREAM_REQUEST_REJECTED and fault.upstream_status == 400
    if not is_400 or not settings.enabled:
        return None
    said = (fault.upstream_body or b"").decode("utf-8", "replace").lower()
    wanted: Rectifier | None = None
    if settings.thinking_budget_enabled and all(w in said for w in ("budget_tokens", "thinking", "1024")):
        wanted = Rectifier.BUDGET
    elif settings.thinking_signature_enabled and _is_about_signatures(said):
        wanted = Rectifier.SIGNATURE
        if wanted in done and "tool" in said:
            wanted = Rectifier.TOOLS
    return None if wanted is None or wanted in done else wanted


def rectify(body: bytes, rectifier: Rectifier) -> bytes | None:
    """The body with this edit; None: there is nothing that it could change."""
    try:
        top = fields(body)
    except NotAnObject:
        return None
    if rectifier is Rectifier.BUDGET:
        return _with_budget(body, top)
    return _without_thinking(top, as_text=_TOOLS if rectifier is Rectifier.TOOLS else frozenset())


def _is_about_signatures(said: str) -> bool:
    return (
        "signature" in said
        or ("thinking" in said and ("expected" in said or "cannot be modified" in said))
        or any(complaint in said for complaint in _EMPTY_COMPLAINTS)
    )


class _Thinking(msgspec.Struct):
    type: str = ""


class _Limit(msgspec.Struct):
    max_tokens: int = 0


def _with_budget(body: bytes, top: dict[str, bytes]) -> bytes | None:
    """The budget that fits under the output limit; no thinking where the least budget does not."""
    try:
        thinking = msgspec.json.decode(top.get("thinking", b""), type=_Thinking)
        limit = msgspec.json.decode(body, type=_Limit).max_tokens
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if thinking.type == "adaptive":
        return None
    if limit <= MIN_BUDGET_TOKENS:
        del top["thinking"]
        return join_members(top)
    budget = b'{"type":"enabled","budget_tokens":%d}' % min(BUDGET_TOKENS, limit - 1)
    return set_members(body, {"thinking": budget})


_TOOLS = frozenset({"tool_use", "tool_result"})


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None
    thinking: str | None = None
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"")
    content: msgspec.Raw = msgspec.Raw(b"")


_BLOCK = msgspec.json.Decoder(_Block)


def _without_thinking(top: dict[str, bytes], *, as_text: Collection[str]) -> bytes | None:
    is_changed = top.pop("thinking", None) is not None
    if (kept := _without_clearing(top.get("context_management"))) != top.get("context_management"):
        is_changed = True
        top.pop("context_management")
        if kept is not None:
            top["context_management"] = kept
    messages = items(top.get("messages", b""))
    if messages is not None:
        done = [_message(message, as_text) for message in messages]
        if done != messages:
            is_changed = True
            top["messages"] = join_items(done)
    return join_members(top) if is_changed else None


def _without_clearing(raw: bytes | None) -> bytes | None:
    """`context_management` without edits that clear thinking; None: nothing is left of it."""
    if raw is None or b"clear_thinking" not in raw:
        return raw
    try:
        found = fields(raw)
    except NotAnObject:
        return raw
    kept = [edit for edit in items(found.get("edits", b"")) or [] if b"clear_thinking" not in edit]
    if not kept and len(found) == 1:
        return None
    found["edits"] = join_items(kept)
    return join_members(found)


def _message(raw: bytes, as_text: Collection[str]) -> bytes:
    """One message; the same bytes when nothing of it is meant."""
    try:
        found = fields(raw)
    except NotAnObject:
        return raw
    content = found.get("content", b"")
    if content == b'""':
        return join_members({**found, "content": msgspec.json.encode(_PLACEHOLDER)})
    blocks = items(content)
    if blocks is None:
        return raw
    after = [kept for block in blocks if (kept := _block(block, as_text)) is not None]
    if blocks and blocks == after:
        return raw
    return join_members({**found, "content": join_items(after or [_text(_PLACEHOLDER)])})


def _block(raw: bytes, as_text: Collection[str]) -> bytes | None:
    """What becomes of a block; None: it goes."""
    try:
        block = _BLOCK.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return raw
    if block.type == "thinking":
        return _text(block.thinking) if block.thinking else None
    if block.type == "redacted_thinking" or (block.type == "text" and block.text == ""):
        return None
    if block.type in as_text:
        said = bytes(block.input if block.type == "tool_use" else block.content).decode()
        return _text(f"[{' '.join(filter(None, (block.type, block.name)))}] {said}".rstrip())
    return raw


def _text(text: str) -> bytes:
    return msgspec.json.encode({"type": "text", "text": text})
