"""What a careless or hostile client sends: raw bytes, and what the four dialects must answer."""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Endpoint:
    """One billable request of a dialect, as good as it gets; tests spoil it."""

    dialect: str
    platform: str
    path: str
    body: bytes

    def headers(self, key: str) -> dict[str, str]:
        name = {"anthropic": "x-api-key", "gemini": "x-goog-api-key"}.get(self.platform)
        return {name: key} if name else {"authorization": f"Bearer {key}"}


MESSAGES = Endpoint(
    "anthropic_messages", "anthropic", "/v1/messages",
    b'{"model":"claude-sonnet-4-5","max_tokens":20,"messages":[{"role":"user","content":"hi"}]}',
)  # fmt: skip
CHAT = Endpoint(
    "openai_chat", "openai", "/v1/chat/completions",
    b'{"model":"gpt-5-mini","messages":[{"role":"user","content":"hi"}]}',
)  # fmt: skip
RESPONSES = Endpoint("openai_responses", "openai", "/v1/responses", b'{"model":"gpt-5-mini","input":"hi"}')
GEMINI = Endpoint(
    "gemini", "gemini", "/v1beta/models/gemini-2.5-flash:generateContent",
    b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}',
)  # fmt: skip
ENDPOINTS = (MESSAGES, CHAT, RESPONSES, GEMINI)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One client connection, byte by byte."""

    def __init__(self, url: str, *, timeout_s: float = 15) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self.socket = socket.create_connection((parts.hostname, parts.port or 80), timeout=timeout_s)
        self._pending = b""

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self, *, has_body: bool = True) -> Answer:
        """The next answer. Raises `ConnectionError` when the server closed instead."""
        head = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        body = self._body(headers) if has_body else b""
        return Answer(int(lines[0].split()[1]), headers, body)

    def is_closed(self) -> bool:
        """Whether the server has nothing more to say and ends the connection."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def _body(self, headers: Mapping[str, str]) -> bytes:
        if headers.get("transfer-encoding") == "chunked":
            whole = b""
            while size := int(self._until(b"\r\n"), 16):
                whole += self._exactly(size + 2)[:-2]
            self._until(b"\r\n")
            return whole
        return self._exactly(int(headers.get("content-length", "0")))

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._pending:
            self._more()
        found, _, self._pending = self._pending.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._pending) < size:
            self._more()
        found, self._pending = self._pending[:size], self._pending[size:]
        return found

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self._pending += data


def head_of(method: str, path: str, headers: Mapping[str, str]) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "host: gateway", *(f"{k}: {v}" for k, v in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def request_of(
    path: str, body: bytes | None, headers: Mapping[str, str] | None = None, *, method: str = "POST"
) -> bytes:
    """A whole request with its length."""
    more = {} if body is None else {"content-type": "application/json", "content-length": str(len(body))}
    return head_of(method, path, {**more, **(headers or {})}) + (body or b"")


def ask(
    url: str,
    path: str,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "POST",
) -> Answer:
    """One request on a connection of its own."""
    with Wire(url) as wire:
        wire.send(request_of(path, body, headers, method=method))
        return wire.read(has_body=method != "HEAD")


def message_in(dialect: str, answer: Answer) -> str:
    """The words of a refusal, after checking that the envelope is the dialect's own."""
    document = answer.document
    assert answer.headers["content-type"].startswith("application/json")
    error = document["error"]
    if dialect == "anthropic_messages":
        assert document["type"] == "error"
        assert isinstance(error["type"], str)
    elif dialect == "gemini":
        assert error["code"] == answer.status
        assert isinstance(error["status"], str)
    else:
        assert {"message", "type", "param", "code"} <= set(error)
    assert isinstance(error["message"], str)
    return str(error["message"])


def code_in(dialect: str, answer: Answer) -> str | None:
    """The stable machine code of a refusal, wherever the dialect keeps it."""
    error = answer.document["error"]
    if dialect == "gemini":
        details = error.get("details") or [{}]
        found: str | None = details[0].get("reason")
        return found
    code: str | None = error.get("code")
    return code


def memory_bytes(pid: int) -> int:
    """Resident memory of a process (Linux)."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no VmRSS in /proc")
