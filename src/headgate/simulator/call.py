"""One HTTP request as received, and who sent it."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from headgate.simulator.dialects.contract import Family
from headgate.simulator.refusal import Refused
from headgate.simulator.wire import ClientGone, Receive, Send

MAX_BODY_BYTES = 64 << 20
"""Beyond what any vendor takes (Anthropic 32 MB, Gemini 20 MB inline)."""
KEY_PREFIX = "sim-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[bytes, bytes]
    receive: Receive
    send: Send

    async def body(self) -> bytes:
        """The whole request body. Raises `Refused` (413) and `ClientGone`."""
        message = await self.receive()
        pieces = [_piece(message)]
        size = len(pieces[0])
        while message.get("more_body", False):
            message = await self.receive()
            pieces.append(_piece(message))
            size += len(pieces[-1])
            if size > MAX_BODY_BYTES:
                raise Refused(413, "Request exceeds the maximum size")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def read_call(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Call:
    query = scope["query_string"]
    return Call(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(query.decode("latin-1"))) if query else {},
        headers=dict(scope["headers"]),
        receive=receive,
        send=send,
    )


def api_key(call: Call, family: Family) -> str:
    """The caller's key, where its vendor looks for it. Raises `Refused` as the vendor does."""
    bearer = _bearer(call)
    refusal: tuple[int, str, str | None]
    match family:
        case "anthropic":
            key, refusal = call.headers.get(b"x-api-key", b"").decode("latin-1") or bearer, _ANTHROPIC
        case "openai":
            key, refusal = bearer, _OPENAI
        case "gemini":
            named = call.headers.get(b"x-goog-api-key", b"").decode("latin-1") or call.query.get("key", "")
            key, refusal = named or bearer, _GEMINI_KEY if named else _GEMINI
    if not key.startswith(KEY_PREFIX):
        status, message, code = refusal
        raise Refused(status, message, code=code)
    return key


_ANTHROPIC = (401, "invalid x-api-key", None)
_OPENAI = (
    401,
    "Incorrect API key provided. You can find your API key in the provider's dashboard.",
    "invalid_api_key",
)
_GEMINI = (
    401,
    "Request had invalid authentication credentials. Expected an API key or OAuth 2 access token.",
    None,
)
_GEMINI_KEY = (400, "API key not valid. Please pass a valid API key.", "API_KEY_INVALID")


def _bearer(call: Call) -> str:
    scheme, _, token = call.headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _piece(message: MutableMapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise ClientGone
    return bytes(message.get("body", b""))
