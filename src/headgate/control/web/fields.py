"""Field types of request bodies: bounded, finite, and storable on both databases."""

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

MAX_ID = 2**63 - 1
MAX_USD = 1_000_000_000
"""A billion dollars is 10^18 nano-USD: sums still fit 64 bits."""
MAX_DEPTH = 20

IdPath = Annotated[int, Path(ge=1, le=MAX_ID)]
OptionalId = Annotated[int, Field(ge=0, le=MAX_ID)]
"""0 stands for "none" in updates, as the contract has it."""
IdQuery = Annotated[int | None, Query(ge=0, le=MAX_ID)]
Usd = Annotated[float, Field(ge=0, le=MAX_USD, allow_inf_nan=False)]
Multiplier = Annotated[float, Field(ge=0, le=10_000, allow_inf_nan=False)]
"""0 is free, not 1 (appendix D)."""
Name = Annotated[str, Field(min_length=1, max_length=100)]
Notes = Annotated[str, Field(max_length=10_000)]
Concurrency = Annotated[int, Field(ge=-1, le=1_000_000)]
MAX_PER_MINUTE = 1_000_000_000
PerMinute = Annotated[int, Field(ge=0, le=MAX_PER_MINUTE)]
"""Requests or tokens; 0 = unlimited."""


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
