"""HTTP as bytes: every header line is sent as it is given, repeated ones too, and the body is not touched."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

TIMEOUT_S = 20
HeaderLines = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back. `body` is as on the wire without the transfer coding; content codings stay."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def sha256(self) -> str:
        return sha256(self.body).hexdigest()


def request_bytes(url: str, method: str, path: str, headers: HeaderLines, body: bytes = b"") -> bytes:
    """The request with its own Host, and a Content-Length when there is a body."""
    host = url.removeprefix("http://")
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@contextmanager
def opened(url: str, data: bytes) -> Iterator[socket.socket]:
    """A connection on which `data` was sent; closed at the end."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=TIMEOUT_S) as connection:
        connection.sendall(data)
        yield connection


def send(url: str, method: str, path: str, headers: HeaderLines, body: bytes = b"") -> Answer:
    """One request on a connection of its own. Raises `http.client.IncompleteRead` for a broken answer."""
    with opened(url, request_bytes(url, method, path, headers, body)) as connection:
        response = http.client.HTTPResponse(connection, method=method)
        try:
            response.begin()
            content = response.read()
        finally:
            response.close()
    named = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, named, content)


def post(url: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Answer:
    """A JSON body, sent compactly."""
    lines = [("content-type", "application/json"), *headers.items()]
    return send(url, "POST", path, lines, json.dumps(body, separators=(",", ":")).encode())
