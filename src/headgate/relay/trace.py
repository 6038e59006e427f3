"""The per-exchange record of every decision (DESIGN 1.3): collected as cheap tuples, rendered once to JSON.

Holds ids, rules and numbers only: never a prompt, a header value or a secret.
"""

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class TraceBuilder:
    """Appends facts in order."""

    __slots__ = ("facts",)

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"attempts": []}

    def note(self, name: str, value: Any) -> None:
        self.facts[name] = value

    def attempt(self, **facts: Any) -> dict[str, Any]:
        """Open an attempt's entry; the returned dict is filled further while it runs."""
        self.facts["attempts"].append(facts)
        return facts

    def render(self) -> bytes:
        return _ENCODER.encode(self.facts)
