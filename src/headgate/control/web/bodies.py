"""The base of all request bodies: what JSON says is what is meant, and what is kept can be stored."""

import re
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, GetCoreSchemaHandler, model_validator
from pydantic_core import CoreSchema, core_schema

MAX_ID = 2**53 - 1
"""The largest integer that every reader of JSON knows exactly."""
MAX_DEPTH = 20
_RFC3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ]")
_SCALARS = frozenset({"int", "float", "bool"})
_NOT_SCHEMAS = frozenset({"metadata", "default", "serialization", "keys_schema"})
"""Names in JSON objects are texts, whatever they stand for."""


def storable(text: str) -> str:
    """Refuse what no database column takes: NUL and lone surrogates."""
    if "\x00" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise ValueError("text must not hold NUL or lone surrogates")
    return text


def _as_written(value: Any) -> Any:
    """A number is no date: pydantic would take a large one for milliseconds."""
    if isinstance(value, datetime) or (isinstance(value, str) and _RFC3339.match(value)):
        return value
    raise ValueError("must be a date and time as RFC 3339 has it")


Instant = Annotated[datetime, BeforeValidator(_as_written)]


def _make_scalars_strict(node: Any) -> None:
    if isinstance(node, dict):
        kind = node.get("type")
        if kind == "datetime":
            plain = dict(node)
            node.clear()
            node.update(core_schema.no_info_before_validator_function(_as_written, plain))
            return
        if isinstance(kind, str) and kind in _SCALARS:
            node.setdefault("strict", True)
        for name, value in node.items():
            if name == "fields":  # their names are no words of the schema
                _make_scalars_strict(list(value.values() if isinstance(value, dict) else value))
            elif name not in _NOT_SCHEMAS:
                _make_scalars_strict(value)
    elif isinstance(node, list | tuple):
        for item in node:
            _make_scalars_strict(item)


def _plain(value: Any, depth: int) -> Any:
    """The same, with 5.0 as 5: JSON has one kind of number. Refuses what cannot be stored."""
    if depth == 0:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    match value:
        case str():
            return storable(value)
        case float() if value.is_integer() and abs(value) <= MAX_ID:
            return int(value)
        case dict():
            return {
                storable(key) if isinstance(key, str) else key: _plain(item, depth - 1)
                for key, item in value.items()
            }
        case list():
            return [_plain(item, depth - 1) for item in value]
        case _:
            return value


class RequestBody(BaseModel):
    """Base of all bodies. Unknown fields are ignored: existing tools send more than we read. Numbers and
    truth values are those of JSON: neither texts nor each other."""

    model_config = ConfigDict(extra="ignore", str_max_length=100_000)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        schema = handler(source)
        _make_scalars_strict(schema)
        return schema

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:
        return _plain(data, MAX_DEPTH)
