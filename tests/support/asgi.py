"""A tiny ASGI client: one request, the whole answer. No sockets, no client library in between."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

Asgi = Callable[[MutableMapping[str, Any], Any, Any], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    set_cookies: tuple[str, ...] = ()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        """`data` of a successful envelope; fails the test on anything else."""
        assert self.status < 300, f"{self.status}: {self.body[:500]!r}"
        return self.json["data"]


class AsgiClient:
    """Calls an app under a root path, as the composition root mounts it."""

    def __init__(self, app: Asgi, *, root_path: str = "", peer: str = "127.0.0.1") -> None:
        self._app = app
        self._root_path = root_path
        self._peer = peer

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        raises: bool = True,
        leaves: bool = False,
    ) -> Answer:
        """`body` goes as JSON, `content` as it is. Exceptions of the app surface unless `raises` is off. The
        client that `leaves` is gone when the answer begins, so that one without an end ends."""
        payload = content if content is not None else (b"" if body is None else json.dumps(body).encode())
        sent = {"content-type": "application/json", "content-length": str(len(payload))} | {
            name.lower(): value for name, value in (headers or {}).items()
        }
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": self._root_path + path,
            "raw_path": (self._root_path + path).encode(),
            "root_path": self._root_path,
            "query_string": urlencode(query or {}).encode(),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
            "client": (self._peer, 50_000),
            "server": ("127.0.0.1", 8080),
            "state": {},
        }
        return await self._exchange(scope, payload, raises=raises, leaves=leaves)

    async def _exchange(
        self, scope: MutableMapping[str, Any], payload: bytes, *, raises: bool, leaves: bool
    ) -> Answer:
        messages = [{"type": "http.request", "body": payload, "more_body": False}]
        sent: list[MutableMapping[str, Any]] = []
        is_answered = asyncio.Event()

        async def receive() -> MutableMapping[str, Any]:
            if messages:
                return messages.pop(0)
            await is_answered.wait()
            return {"type": "http.disconnect"}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)
            if leaves or (message["type"] == "http.response.body" and not message.get("more_body")):
                is_answered.set()

        try:
            await self._app(scope, receive, send)
        except Exception:
            if raises or not sent:
                raise
        headers = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
        body = b"".join(message.get("body", b"") for message in sent[1:])
        cookies = tuple(value.decode() for name, value in sent[0]["headers"] if name == b"set-cookie")
        return Answer(sent[0]["status"], headers, body, cookies)
