"""Limit on request bodies as plain ASGI: a declared length is refused at once, an undeclared one when it
passes the limit."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headgate.control.web.envelope import error_body
from headgate.control.web.faults import respond

MANAGEMENT_BODY_BYTES = 1024 * 1024
"""The largest legitimate call is an account with its mappings, a few KiB."""


class _TooLarge(Exception):
    pass


class BodyLimit:
    def __init__(self, app: ASGIApp, *, limit_bytes: int = MANAGEMENT_BODY_BYTES) -> None:
        self._app = app
        self._limit_bytes = limit_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._declared(scope) > self._limit_bytes:
            await self._refuse(scope, receive, send)
            return
        seen = 0
        started = False

        async def counting_receive() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit_bytes:
                raise _TooLarge
            return message

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, counting_receive, noting_send)
        except _TooLarge:
            if not started:
                await self._refuse(scope, receive, send)

    @staticmethod
    def _declared(scope: Scope) -> int:
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and len(value) < 16:
                return int(value)
        return 0

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        message = f"request body too large, limit is {self._limit_bytes // 1024} KiB"
        body = error_body(413, message, reason="REQUEST_TOO_LARGE")
        await respond(413, body, {"Connection": "close"})(scope, receive, send)
