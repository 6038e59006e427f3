"""The set-up over REST and in a browser, before there is anything to log in to (spec 7.13, PAINS S10).

Whoever reaches the port could take the installation over: every call but the status wants the token that was
printed on the console, wrong ones are counted, and the port is on this machine only unless told otherwise.
"""

import asyncio
import hmac
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog
from pydantic import BaseModel, ValidationError

from headgate.control.web.envelope import error_body
from headgate.errors import ApiError, BadRequest, Forbidden, HeadgateError, TooManyRequests, Unauthenticated
from headgate.kit import json
from headgate.kit.clock import Clock
from headgate.setup.drafts import DatabaseDraft, InstallDraft, RedisDraft
from headgate.setup.installation import Installer
from headgate.web_app import SETUP_PAGE, WebApp

log = structlog.get_logger(__name__)

MAX_BODY_BYTES = 64 * 1024
MAX_WRONG_TOKENS = 10
"""Within a minute, by anybody."""
_STATUS_PATH = "/setup/status"
_HEADERS = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"strict-origin-when-cross-origin"),
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class SetupWizard:
    """A plain ASGI app with four routes and, where the web app is built, its page; `on_installed` is told
    once."""

    def __init__(
        self,
        installer: Installer,
        *,
        token: str,
        clock: Clock,
        on_installed: Callable[[], None],
        web: WebApp | None = None,
    ) -> None:
        self._web = web
        self._installer = installer
        self._token = token.encode()
        self._clock = clock
        self._on_installed = on_installed
        self._wrong: deque[float] = deque(maxlen=MAX_WRONG_TOKENS)
        self._turn = asyncio.Lock()
        self._routes: dict[str, Callable[[bytes], Awaitable[dict[str, Any]]]] = {
            "/setup/test-db": self._test_database,
            "/setup/test-redis": self._test_redis,
            "/setup/install": self._install,
        }

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if self._web is not None and self._web.serves(scope):
            await self._show(self._web, scope, receive, send)
            return
        try:
            status, document = 200, _success(await self._answer(scope, receive))
        except ApiError as error:
            status = error.status
            metadata = dict(error.metadata) if error.metadata else None
            document = error_body(status, error.message, reason=error.reason, metadata=metadata)
        except HeadgateError as error:
            status, document = 500, error_body(500, str(error), reason="SETUP_FAILED")
        body = json.dumps(document)
        headers = [*_HEADERS, (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _show(self, web: WebApp, scope: Message, receive: Receive, send: Send) -> None:
        """The page and its files; every other page is not there yet."""
        if scope["path"] == SETUP_PAGE or web.is_asset(scope["path"]):
            await web(scope, receive, send)
            return
        headers = [
            (b"location", SETUP_PAGE.encode()),
            (b"cache-control", b"no-store"),
            (b"content-length", b"0"),
        ]
        await send({"type": "http.response.start", "status": 303, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    async def _answer(self, scope: Message, receive: Receive) -> dict[str, Any]:
        path, method = scope["path"], scope["method"]
        if path in (_STATUS_PATH, "/health") and method in ("GET", "HEAD"):
            needs_setup = not self._installer.is_installed
            return {"needs_setup": needs_setup, "step": "welcome" if needs_setup else "completed"}
        act = self._routes.get(path)
        if act is None or method != "POST":
            raise _NotThere("this installation is not set up yet; see /setup/status")
        self._require_token(scope)
        body = await _read(receive)
        async with self._turn:
            if self._installer.is_installed:
                raise Forbidden("the installation is complete", reason="SETUP_COMPLETED")
            return await act(body)

    async def _test_database(self, body: bytes) -> dict[str, Any]:
        return {"message": await self._installer.try_database(_parsed(DatabaseDraft, body))}

    async def _test_redis(self, body: bytes) -> dict[str, Any]:
        return {"message": await self._installer.try_redis(_parsed(RedisDraft, body))}

    async def _install(self, body: bytes) -> dict[str, Any]:
        await self._installer.install(_parsed(InstallDraft, body))
        log.info("installed")
        self._on_installed()
        return {"message": "installed; the gateway starts now", "restart": True}

    def _require_token(self, scope: Message) -> None:
        """Raises SETUP_TOKEN_INVALID, RATE_LIMITED."""
        now = self._clock.monotonic()
        if len(self._wrong) == MAX_WRONG_TOKENS and now - self._wrong[0] < 60:
            raise TooManyRequests("too many wrong tokens; wait a minute", metadata={"retry_after": "60"})
        given = bytes(dict(scope["headers"]).get(b"x-setup-token", b""))
        if not hmac.compare_digest(given, self._token):
            self._wrong.append(now)
            raise Unauthenticated(
                "the header X-Setup-Token must hold the token that was printed on the console",
                reason="SETUP_TOKEN_INVALID",
            )


class _NotThere(ApiError):
    status = 404
    reason = "SETUP_REQUIRED"


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the body is incomplete")
        body += bytes(message.get("body", b""))
        if len(body) > MAX_BODY_BYTES:
            raise BadRequest(f"the body is larger than {MAX_BODY_BYTES} bytes")
        if not message.get("more_body", False):
            return body


def _parsed(kind: type[BaseModel], body: bytes) -> Any:
    """Names the field and the problem, never the value: it can be a password. Raises INVALID_INPUT."""
    try:
        document = json.loads(body or b"{}")
    except json.JSONDecodeError:
        raise BadRequest("the body is not valid JSON") from None
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "body"
        raise BadRequest(f"{place[:100]}: {first['msg'][:200]}") from None


def _success(data: dict[str, Any]) -> dict[str, Any]:
    return {"code": 0, "message": "success", "data": data}
