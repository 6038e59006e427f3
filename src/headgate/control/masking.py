"""How a secret is shown: enough to recognise it, never enough to use it."""

MARK = "…"
_HEAD = 6
_TAIL = 4
_LONG_ENOUGH = 24
"""Shorter secrets show nothing: ten of sixteen characters would be most of them."""


def masked(secret: str) -> str:
    """`sk-ant…abcd`; `…` alone for short secrets, "" for none."""
    if not secret:
        return ""
    if len(secret) < _LONG_ENOUGH:
        return MARK
    return f"{secret[:_HEAD]}{MARK}{secret[-_TAIL:]}"


def is_masked(value: object) -> bool:
    """A client sent back what we showed (`…`, or its own `***`): the stored secret stays."""
    return isinstance(value, str) and (MARK in value or (bool(value) and set(value) == {"*"}))
