"""What every kind of long work has in common: it is done in steps, and each step says what became of its
pieces. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

from headgate.control.deps import ControlDeps
from headgate.control.web.permissions import Permission
from headgate.control.work import Actor, Work

Place = dict[str, int]
"""How far a job came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one piece."""

    success: bool
    subject: str = "account"
    subject_id: int | None = None
    name: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    place: Place
    is_end: bool
    outcomes: Sequence[Outcome] = ()
    records: int = 0
    """Done besides, without an outcome each."""
    part: bytes = b""
    """Of the file that the job makes."""


class Kind(Protocol):
    """One kind of long work."""

    @property
    def name(self) -> str: ...

    @property
    def permission(self) -> Permission:
        """Whoever asked must still hold it at every step."""
        ...

    def read(self, stored: bytes) -> BaseModel:
        """What was asked, from what was kept of it."""
        ...

    async def outside(self, deps: ControlDeps, actor: Actor, body: Any, place: Place) -> Sequence[Outcome]:
        """What of the next step is no matter of the database, before its transaction: calls of providers."""
        ...

    async def step(self, work: Work, body: Any, place: Place, outside: Sequence[Outcome]) -> Step:
        """The next pieces, in one transaction with the note of how far the job came."""
        ...


class InDatabase:
    """A kind without anything outside."""

    async def outside(self, deps: ControlDeps, actor: Actor, body: Any, place: Place) -> Sequence[Outcome]:
        return ()


def chunk(place: Place, size: int, total: int) -> tuple[slice, Place, bool]:
    """The next pieces of a list, where the job is afterwards, and whether that is its end."""
    start = place.get("next", 0)
    end = min(start + size, total)
    return slice(start, end), {"next": end}, end >= total
