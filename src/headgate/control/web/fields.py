"""Field types of request bodies: bounded, finite, and storable on both databases."""

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, Field

from headgate.control.web.bodies import MAX_DEPTH, MAX_ID, Instant, RequestBody, storable
from headgate.errors import BadRequest

__all__ = ["MAX_DEPTH", "MAX_ID", "Instant", "RequestBody", "storable"]

MAX_USD = 1_000_000_000
"""A billion dollars is 10^18 nano-USD: sums still fit 64 bits."""
MAX_UNIX_S = 253_402_300_799
"""The end of the year 9999, where calendars of the standard library end."""

IdPath = Annotated[int, Path(ge=1, le=MAX_ID)]
OptionalId = Annotated[int, Field(ge=0, le=MAX_ID)]
"""0 stands for "none" in updates, as the contract has it."""
IdQuery = Annotated[int | None, Query(ge=0, le=MAX_ID)]
Usd = Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)]
Amount = Annotated[float, Field(strict=True, ge=0, le=MAX_USD, allow_inf_nan=False)]
"""USD that moves: a JSON number, neither a text nor `true`."""
Multiplier = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
"""0 is free, not 1 (appendix D)."""
Name = Annotated[str, Field(min_length=1, max_length=100)]
Notes = Annotated[str, Field(max_length=10_000)]
Count = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Days = Annotated[int, Field(strict=True, ge=-36_500, le=36_500)]
Deadline = Instant | Annotated[int, Field(ge=0, le=MAX_UNIX_S)] | Literal[""] | None
"""Seconds since 1970 or RFC 3339; 0 and "" stand for "none"."""
Concurrency = Annotated[int, Field(ge=-1, le=1_000_000)]
MAX_PER_MINUTE = 1_000_000_000
PerMinute = Annotated[int, Field(ge=0, le=MAX_PER_MINUTE)]
"""Requests or tokens; 0 = unlimited."""


def deadline(value: Deadline) -> datetime | None:
    """The instant; without a zone it is UTC. Raises INVALID_INPUT where no calendar can show it."""
    if value is None or value == "" or value == 0:
        return None
    if isinstance(value, datetime):
        value = value if value.tzinfo else value.replace(tzinfo=UTC)
        seconds = value.timestamp()
    else:
        seconds = int(value)
    if not 0 <= seconds <= MAX_UNIX_S:
        raise BadRequest("an instant lies between the years 1970 and 9999")
    return datetime.fromtimestamp(seconds, tz=UTC)


def _cut(text: str) -> str:
    return storable(text).strip()[:100]


Search = Annotated[
    str, AfterValidator(_cut), Query(description="contains, case-insensitive; cut to 100 characters")
]
"""Trimmed and cut to 100 characters (spec 8, PAINS S9)."""
