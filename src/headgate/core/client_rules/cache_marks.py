"""At most four cache marks in a Messages request, and none on thinking: more is refused by the provider
(spec 2.4).

Knows: where `cache_control` stands. Refuses to know: what a cache is worth. Invariants: only marks are taken
out, every other value keeps its bytes; a body that is not understood stays as it is.
"""

from collections.abc import Callable, Iterable

from headgate.core.wire.json_edit import (
    NotAnObject,
    fields,
    items,
    join_items,
    join_members,
    set_members,
)

MAX_MARKS = 4
_MARK = b'"cache_control"'
_THINKING = (b'"thinking"', b'"redacted_thinking"')
_SIGNS_OF_THINKING = (b'"signature"', b'"redacted_thinking"')

Keeps = Callable[[bool], bool]
"""Asked for every mark: is it on thinking? -> does it stay?"""


def limit_cache_marks(body: bytes) -> bytes | None:
    """The body with its marks limited; None: there is nothing to do, as nearly always."""
    written = body.count(_MARK)
    if not written or (written <= MAX_MARKS and not any(sign in body for sign in _SIGNS_OF_THINKING)):
        return None
    try:
        top = fields(body)
    except NotAnObject:
        return None
    counter = _Counter()
    for name in ("messages", "system", "tools"):
        _blocks(top.get(name, b""), counter)
    has_automatic = top.get("cache_control", b"null") != b"null"
    dropper = _Dropper(counter.marks + has_automatic - MAX_MARKS)
    if not counter.on_thinking and dropper.left <= 0:
        return None
    changes = {}
    for name, from_end in (("messages", False), ("system", True), ("tools", True)):
        raw = top.get(name, b"")
        changed = _blocks(raw, dropper, from_end=from_end)
        if changed is not raw:
            changes[name] = changed
    return set_members(body, changes)


class _Counter:
    def __init__(self) -> None:
        self.marks = 0
        self.on_thinking = 0

    def __call__(self, is_thinking: bool) -> bool:
        self.marks += not is_thinking
        self.on_thinking += is_thinking
        return True


class _Dropper:
    def __init__(self, too_many: int) -> None:
        self.left = too_many

    def __call__(self, is_thinking: bool) -> bool:
        if is_thinking:
            return False
        self.left -= 1
        return self.left < 0


def _blocks(raw: bytes, keeps: Keeps, *, from_end: bool = False) -> bytes:
    """An array of blocks or messages without the marks that do not stay; the same object when all do."""
    if _MARK not in raw or (found := items(raw)) is None:
        return raw
    order: Iterable[int] = reversed(range(len(found))) if from_end else range(len(found))
    is_changed = False
    for at in order:
        block = _block(found[at], keeps)
        is_changed |= block is not found[at]
        found[at] = block
    return join_items(found) if is_changed else raw


def _block(raw: bytes, keeps: Keeps) -> bytes:
    if _MARK not in raw:
        return raw
    try:
        members = fields(raw)
    except NotAnObject:
        return raw
    is_changed = False
    if members.get("cache_control", b"null") != b"null":
        is_thinking = members.get("type") in _THINKING
        if not keeps(is_thinking):
            del members["cache_control"]
            is_changed = True
    if "content" in members:  # of a message, or of a tool's result
        content = _blocks(members["content"], keeps)
        is_changed |= content is not members["content"]
        members["content"] = content
    return join_members(members) if is_changed else raw
