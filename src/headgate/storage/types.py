"""Column types that behave the same on SQLite and PostgreSQL."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from headgate.kit import json
from headgate.kit.clock import instant

BigId = BigInteger().with_variant(Integer, "sqlite")
"""Autoincrementing 64-bit key (SQLite only autoincrements INTEGER)."""


class EpochMs(TypeDecorator[datetime]):
    """An instant, stored as Unix milliseconds: sorts, compares and partitions alike on both databases, no
    zone traps."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("naive datetime")
        return round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else instant(value)


class JsonText(TypeDecorator[Any]):
    """A JSON document stored as text (never queried inside)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)
