"""Reading what a provider got almost right: an answer whose members have other types than documented.

Knows: partial structs. Refuses to know: any vendor's field names. Invariants: nothing raises; a member of
another shape is as good as absent and never costs the others; a count may come as a float or as a string of
digits, and is never true or false. Slow on purpose: called only when strict decoding has failed.
Source: PAINS 2, 10 (one odd number made whole answers unbilled).
"""

from collections.abc import Mapping
from decimal import Decimal
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin

import msgspec

S = TypeVar("S", bound=msgspec.Struct)

_MAX_DIGITS = 30
"""Of a count in a string or with an exponent; what is longer is no count."""
_ANYTHING = msgspec.json.Decoder(float_hook=Decimal)
_ENCODER = msgspec.json.Encoder(decimal_format="number")


def decode_leniently(kind: type[S], data: bytes) -> S | None:
    """The struct with every member that could be read; None when the data is no JSON object at all."""
    try:
        document = _ANYTHING.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return _struct(kind, document) if isinstance(document, dict) else None


def _struct(kind: type[S], document: Mapping[str, Any]) -> S:
    found = {}
    for field in msgspec.structs.fields(kind):
        value = document.get(field.encode_name)
        options = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
        read = next((r for option in options if (r := _value(option, value)) is not None), None)
        if read is not None:
            found[field.name] = read
    return kind(**found)


def _value(kind: Any, value: Any) -> Any:
    """`value` as this one type; None when it is none."""
    if value is None:
        return None
    if kind is int:
        return _count(value)
    if kind is msgspec.Raw:
        return msgspec.Raw(_ENCODER.encode(value))
    if get_origin(kind) is list:
        [of] = get_args(kind)
        items = value if isinstance(value, list) else ()
        return [read for item in items if (read := _value(of, item)) is not None]
    if issubclass(kind, msgspec.Struct):
        return _struct(kind, value) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        digits = value.strip()
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS else None
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value.adjusted() < _MAX_DIGITS else None
    return value if isinstance(value, int) else None
