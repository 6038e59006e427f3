"""Scripted faults: what a request shall suffer, written by the tester, never by the gateway.

A script comes from three places, later ones win field by field: the script of the API key (`POST
/__script`), a suffix of the model name (`claude-sonnet-5-5~status=529,delay=0.5`), a marker in the last user
text (`[[sim: cut_after=3 tokens=50]]`).
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

MODEL_MARK = "~"
_MARKER = re.compile(r"\[\[sim:([^\]]{0,500})\]\]")
_SEPARATORS = re.compile(r"[\s,;]+")


MAX_TEXT_BYTES = 64 << 20
Number = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
Size = Annotated[int, msgspec.Meta(ge=1, le=MAX_TEXT_BYTES)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]
Status = Annotated[int, msgspec.Meta(ge=200, le=599)]


class ScriptError(ValueError):
    """The script names an unknown field or a value of the wrong type."""


class Script(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every field is optional. Events are counted from the first one written; times are in seconds."""

    status: Status = 200
    """Answer with this status and the vendor's error body instead of generating."""
    message: str | None = None
    retry_after: int | None = None
    """Seconds for `retry-after` and the reset headers: 30 for 429 by default, negative for none at all."""
    headers: dict[str, str] | None = None
    """Of a refusal, in place of those of the same name: reset headers as no vendor writes them.
    Empty: left out."""
    delay: Seconds = 0.0
    """Before the first byte, headers included."""
    event_delay: Seconds | None = None
    """Before every event of a stream; unset means the natural pace."""
    tokens: Number | None = None
    """Exact number of text tokens to generate, within the request's own limit."""
    events: Number | None = None
    """Number of text events in a stream."""
    event_bytes: Size | None = None
    """Size of the text in each event (huge events)."""
    cut_after: Number | None = None
    """Close the connection without terminator after so many events (for JSON: in the middle of the body)."""
    error_after: Number | None = None
    """Send the dialect's in-band error after so many events, then end the stream."""
    malformed_after: Number | None = None
    """Insert one event that is not JSON after so many events (for JSON: the body is not JSON)."""
    stall_after: Number | None = None
    stall: Seconds = 3600.0
    """How long `stall_after` stays silent."""
    pings: Number = 0
    """Extra keepalive pings after the first event, where the dialect has them."""
    missing_usage: bool = False
    encoding: str | None = None
    """gzip, deflate, br or zstd; used only when the request accepts it."""
    split: Size | None = None
    """Write the body in pieces of so many bytes."""
    tool: str | None = None
    """Call this tool; `1` calls the first one offered."""
    thinking: bool | None = None
    stop: str | None = None
    """`max_tokens`: end as if the output limit was reached."""
    served_model: str | None = None
    tier: str | None = None
    window_used: Seconds | None = None
    """How much of the account's five-hour window is used, 1 = all: in the vendor's quota headers."""


NO_SCRIPT = Script()
_TYPES: Mapping[str, Any] = {field.name: field.type for field in msgspec.structs.fields(Script)}


def parse_words(text: str) -> dict[str, Any]:
    """`status=529 delay=0.5 missing_usage` as fields; a bare word means true. Raises `ScriptError`."""
    fields: dict[str, Any] = {}
    for word in filter(None, _SEPARATORS.split(text)):
        name, _, value = word.partition("=")
        if name not in _TYPES:
            raise ScriptError(f"unknown script field {name[:40]!r}; known are {', '.join(sorted(_TYPES))}")
        try:
            fields[name] = msgspec.convert(value or "true", _TYPES[name], strict=False)
        except msgspec.ValidationError as error:
            raise ScriptError(f"script field {name}: {error}") from None
    return fields


def check_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The same from a JSON object. Raises `ScriptError`."""
    try:
        msgspec.convert(fields, Script)
    except msgspec.ValidationError as error:
        raise ScriptError(str(error)) from None
    return dict(fields)


def marker_in(text: str) -> dict[str, Any]:
    """The fields of the last marker in `text`, or none."""
    if "[[sim:" not in text:
        return {}
    found = _MARKER.findall(text)
    return parse_words(found[-1]) if found else {}


def build(*layers: Mapping[str, Any]) -> Script:
    """One script of several layers, the last one wins."""
    fields = {name: value for layer in layers for name, value in layer.items()}
    return Script(**fields) if fields else NO_SCRIPT


class ScriptBook:
    """Scripts by API key, each for a number of requests or until it is taken back."""

    def __init__(self, *, max_keys: int = 10_000) -> None:
        self._by_key: dict[str, list[tuple[dict[str, Any], int | None]]] = {}
        self._max_keys = max_keys

    def put(self, key: str, fields: Mapping[str, Any], *, times: int | None) -> None:
        """Append a script for `key`; scripts with `times` are used up in order. An endless one replaces what
        was there.
        """
        if key not in self._by_key and len(self._by_key) >= self._max_keys:
            raise ScriptError(f"more than {self._max_keys} keys have scripts; DELETE /__script first")
        entry = (check_fields(fields), times)
        if times is None:
            self._by_key[key] = [entry]
        else:
            self._by_key.setdefault(key, []).append(entry)

    def has(self, key: str) -> bool:
        return key in self._by_key

    def take(self, key: str) -> Mapping[str, Any]:
        """The script for this request of `key`, counted."""
        queue = self._by_key.get(key)
        if not queue:
            return {}
        fields, times = queue[0]
        if times is not None:
            if times <= 1:
                queue.pop(0)
            else:
                queue[0] = (fields, times - 1)
            if not queue:
                del self._by_key[key]
        return fields

    def drop(self, key: str | None = None) -> None:
        """Forget the scripts of `key`, or all."""
        if key is None:
            self._by_key.clear()
        else:
            self._by_key.pop(key, None)

    def listing(self) -> dict[str, list[dict[str, Any]]]:
        return {key: [{"script": f, "times": t} for f, t in queue] for key, queue in self._by_key.items()}
