"""The per-exchange record of every decision (DESIGN 1.3): collected as cheap tuples, rendered once to JSON.

Holds ids, rules and numbers only: never a prompt, a header value or a secret.
"""

from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


class TraceBuilder:
    """Appends facts in order. `t_ms` is the time since the exchange began."""

    __slots__ = ("_started", "facts")

    def __init__(self, started: float) -> None:
        self._started = started
        self.facts: dict[str, Any] = {"attempts": []}

    def note(self, name: str, value: Any) -> None:
        self.facts[name] = value

    def attempt(self, **facts: Any) -> dict[str, Any]:
        """Open an attempt's entry; the returned dict is filled further while it runs."""
        self.facts["attempts"].append(facts)
        return facts

    def elapsed_ms(self, now: float) -> int:
        return round((now - self._started) * 1000)

    def render(self) -> bytes:
        return _ENCODER.encode(self.facts)
