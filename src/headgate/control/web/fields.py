"""Field types of request bodies: bounded, finite, and storable on both databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from headgate.errors import BadRequest

MAX_ID = 2**63 - 1
MAX_USD = 1_000_000_000
"""A billion dollars is 10^18 nano-USD: sums still fit 64 bits."""
MAX_DEPTH = 20
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
Deadline = datetime | Annotated[int, Field(ge=0, le=MAX_UNIX_S)] | Literal[""] | None
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


def storable(text: str) -> str:
    """Refuse what no database column takes: NUL and lone surrogates."""
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("text must not hold NUL or lone surrogates")
    return text


def _cut(text: str) -> str:
    return storable(text).strip()[:100]


Search = Annotated[
    str, AfterValidator(_cut), Query(description="contains, case-insensitive; cut to 100 characters")
]
"""Trimmed and cut to 100 characters (spec 8, PAINS S9)."""


class RequestBody(BaseModel):
    """Base of all bodies. Unknown fields are ignored: existing tools send more than we read."""

    model_config = ConfigDict(extra="ignore", str_max_length=100_000)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        for text in _strings(data, MAX_DEPTH):
            storable(text)
        return data


def _strings(value: Any, depth: int) -> Iterator[str]:
    if depth == 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield str(key)
            yield from _strings(item, depth - 1)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item, depth - 1)
