"""The per-exchange record of every decision (DESIGN 1.3): collected as cheap tuples, rendered once to JSON.

Holds ids, rules and numbers only: never a prompt, a header value or a secret.
"""

from typing import Any

import msgspec

from headgate.core.routing.explanation import explain
from headgate.core.routing.verdicts import Selection

_ENCODER = msgspec.json.Encoder()


class TraceBuilder:
    """Appends facts in order."""

    __slots__ = ("_facts", "_undigested")

    def __init__(self) -> None:
        self._facts: dict[str, Any] = {"attempts": []}
        self._undigested: list[Selection] = []

    @property
    def facts(self) -> dict[str, Any]:
        """All of them."""
        self.digest()
        return self._facts

    def note(self, name: str, value: Any) -> None:
        self._facts[name] = value

    def add(self, name: str, value: Any) -> None:
        """To a list of such facts."""
        self._facts.setdefault(name, []).append(value)

    def drop(self, name: str) -> None:
        self._facts.pop(name, None)

    def attempt(self, **facts: Any) -> dict[str, Any]:
        """Open an attempt's entry; the returned dict is filled further while it runs."""
        self._facts["attempts"].append(facts)
        return facts

    def decided(self, selection: Selection) -> None:
        """Why this account: told in full by the next `digest`, for which the client need not wait."""
        self._undigested.append(selection)

    def digest(self) -> None:
        """Reasons instead of candidates, which take much more room. Soon, because answers may run long."""
        if not self._undigested:
            return
        undigested, self._undigested = self._undigested, []
        self._facts.setdefault("selections", []).extend(map(explain, undigested))

    def render(self) -> bytes:
        return _ENCODER.encode(self.facts)
