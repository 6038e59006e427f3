"""Fields of a request body that no model reads, at any depth. Pure.

They are ignored, because existing tools send more than is read here; the answer says which. Whoever wants to
be refused instead says `Prefer: handling=strict` (RFC 7240).
"""

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel

from headgate.kit import json

IGNORED_HEADER: Final = "X-Headgate-Ignored-Fields"
MAX_NAMES: Final = 20
MAX_NAME_CHARS: Final = 80
_PLAIN: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")


def ignored_fields(model: Any, body: bytes) -> str:
    """Paths as `a, b.c`, without numbers of list items, each once, in the order of the body; empty: all is
    read. Of more than `MAX_NAMES` the first, and how many there are besides. A body that is no JSON is
    somebody else's finding."""
    if not body:
        return ""
    try:
        given = json.loads(body)
    except json.JSONDecodeError:
        return ""
    names = [*dict.fromkeys(_sanitised(path) for path in _unread(model, given, ""))]
    more = [f"+{len(names) - MAX_NAMES}"] if len(names) > MAX_NAMES else []
    return ", ".join([*names[:MAX_NAMES], *more])


def wants_refusal(prefer: str) -> bool:
    """Of the header `Prefer`: preferences are divided by commas, their parameters by semicolons."""
    wanted = (each.partition(";")[0].replace('"', "").replace(" ", "").lower() for each in prefer.split(","))
    return "handling=strict" in wanted


def _sanitised(path: str) -> str:
    """As a header and a log can hold it: other characters may be anything."""
    plain = "".join(char if char in _PLAIN else "?" for char in path[:MAX_NAME_CHARS])
    return plain or "?"


def _unread(kind: Any, value: Any, path: str) -> Iterator[str]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        if isinstance(value, Mapping):
            yield from _of_model(kind, value, path)
    elif typing.get_origin(kind) in (typing.Union, types.UnionType):
        yield from _of_union(typing.get_args(kind), value, path)
    elif typing.get_origin(kind) is typing.Annotated:
        yield from _unread(typing.get_args(kind)[0], value, path)
    elif isinstance(value, list):
        for each in value:
            for inner in typing.get_args(kind)[:1]:
                yield from _unread(inner, each, path)
    elif isinstance(value, Mapping) and len(typing.get_args(kind)) == 2:
        for name, each in value.items():
            yield from _unread(typing.get_args(kind)[1], each, _below(path, name))


def _of_model(model: type[BaseModel], value: Mapping[str, Any], path: str) -> Iterator[str]:
    if model.model_config.get("extra", "ignore") != "ignore":
        return
    for name, each in value.items():
        field = model.model_fields.get(name)
        if field is None:
            yield _below(path, name)
        else:
            yield from _unread(field.annotation, each, _below(path, name))


def _of_union(kinds: tuple[Any, ...], value: Any, path: str) -> Iterator[str]:
    """The alternative that leaves the least: which one was meant, only the validation knows."""
    found = [[*_unread(kind, value, path)] for kind in kinds if _may_hold(kind, value)]
    yield from min(found, key=len, default=[])


def _may_hold(kind: Any, value: Any) -> bool:
    """Texts and null read no object."""
    if typing.get_origin(kind) is typing.Annotated:
        return _may_hold(typing.get_args(kind)[0], value)
    is_scalar = kind in (str, int, float, bool, type(None)) or typing.get_origin(kind) is typing.Literal
    return not (is_scalar and isinstance(value, Mapping | list))


def _below(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
