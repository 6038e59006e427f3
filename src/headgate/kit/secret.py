"""A string that cannot be printed by accident (PAINS S12: redaction at the type, not by regex)."""

from typing import NoReturn


class Secret:
    """Wraps a secret string. `repr`, `str`, format and pickling show nothing; `reveal()` is the only way
    in."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The secret itself, for the one place that sends or hashes it."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is not serialised")
