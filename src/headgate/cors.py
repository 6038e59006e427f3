"""Which pages of other origins may read our answers (spec 9.3): none, unless the operator names them. Plain
ASGI around everything.

Without names this does not even stand in the way: no header is added, and browsers keep foreign pages out by
themselves. `*` never comes with credentials.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from headgate.settings import CorsSettings

METHODS = b"POST, OPTIONS, GET, PUT, DELETE, PATCH"
HEADERS = (
    "content-type, content-length, accept-encoding, x-csrf-token, authorization, accept, origin,"
    " cache-control, x-requested-with, x-api-key, x-goog-api-key, anthropic-version,"
    " anthropic-beta, idempotency-key, x-headgate-session, if-none-match, prefer"
)
EXPOSED = b"etag, x-headgate-ignored-fields"
_STAINLESS = "x-stainless-"
"""Official SDKs in browsers send a handful of these."""
MAX_AGE_S = 86_400
MAX_ASKED_HEADERS = 100

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


def with_cors(app: Asgi, settings: CorsSettings) -> Asgi:
    return Cors(app, settings) if settings.allowed_origins else app


class Cors:
    def __init__(self, app: Asgi, settings: CorsSettings) -> None:
        self._app = app
        self._any = "*" in settings.allowed_origins
        self._origins = frozenset(origin.rstrip("/").lower().encode() for origin in settings.allowed_origins)
        self._with_credentials = settings.allow_credentials and not self._any

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else b""
        if not origin:
            await self._app(scope, receive, send)
        elif scope["method"] == "OPTIONS" and _header(scope, b"access-control-request-method"):
            await self._preflight(origin, scope, send)
        else:
            await self._app(scope, receive, self._marked(origin, send))

    async def _preflight(self, origin: bytes, scope: Scope, send: Send) -> None:
        is_allowed = self._is_allowed(origin)
        headers: Headers = [(b"content-length", b"0"), (b"vary", b"origin")]
        if is_allowed:
            headers += self._origin_headers(origin)
            headers += [
                (b"access-control-allow-methods", METHODS),
                (b"access-control-allow-headers", self._headers_for(scope)),
                (b"access-control-max-age", str(MAX_AGE_S).encode()),
            ]
        status = 204 if is_allowed else 403
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _marked(self, origin: bytes, send: Send) -> Send:
        if not self._is_allowed(origin):
            return send

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [*self._origin_headers(origin), (b"access-control-expose-headers", EXPOSED)]
                message = {**message, "headers": [*message.get("headers", ()), *added, (b"vary", b"origin")]}
            await send(message)

        return marked

    def _is_allowed(self, origin: bytes) -> bool:
        return self._any or origin.lower() in self._origins

    def _origin_headers(self, origin: bytes) -> Headers:
        headers: Headers = [(b"access-control-allow-origin", b"*" if self._any else origin)]
        if self._with_credentials:
            headers.append((b"access-control-allow-credentials", b"true"))
        return headers

    @staticmethod
    def _headers_for(scope: Scope) -> bytes:
        """The list, and those of the SDKs that were asked for."""
        asked = _header(scope, b"access-control-request-headers").decode("latin-1").lower().split(",")
        names = [name.strip() for name in asked[:MAX_ASKED_HEADERS]]
        extra = [name for name in names if name.startswith(_STAINLESS) and name.replace("-", "").isalnum()]
        return ", ".join([HEADERS, *extra]).encode("latin-1")


def _header(scope: Scope, name: bytes) -> bytes:
    return next((bytes(value) for key, value in scope["headers"] if key.lower() == name), b"")
