"""Plain HTTP against the simulator: the exact bytes, and whether the answer came to its proper end."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.simulator import RunningSimulator


@dataclass(frozen=True, slots=True)
class RawAnswer:
    status: int
    headers: Mapping[str, str]
    body: bytes
    is_complete: bool

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def request_id(self) -> str:
        return self.headers.get("request-id") or self.headers["x-request-id"]


def call(
    simulator: RunningSimulator,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    body: bytes | None = None,
) -> RawAnswer:
    connection = http.client.HTTPConnection(simulator.host, simulator.port, timeout=10)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        response = connection.getresponse()
        try:
            content, is_complete = response.read(), True
        except http.client.IncompleteRead as broken:
            content, is_complete = broken.partial, False
        named = {name.lower(): value for name, value in response.getheaders()}
        return RawAnswer(response.status, named, content, is_complete)
    finally:
        connection.close()


def message_body(text: str, *, stream: bool = True, model: str = "claude-sonnet-4-6", **more: Any) -> bytes:
    body = {
        "model": model,
        "max_tokens": 1000,
        "stream": stream,
        "messages": [{"role": "user", "content": text}],
    }
    return json.dumps({**body, **more}).encode()


def messages(
    simulator: RunningSimulator, key: str, text: str, *, accept_encoding: str = "identity", **more: Any
) -> RawAnswer:
    """POST /v1/messages, streamed unless told otherwise."""
    headers = {"x-api-key": key, "anthropic-version": "2023-06-01", "accept-encoding": accept_encoding}
    return call(simulator, "POST", "/v1/messages", headers=headers, body=message_body(text, **more))


def chat(simulator: RunningSimulator, key: str, text: str, **more: Any) -> RawAnswer:
    body = {"model": "gpt-5", "stream": True, "messages": [{"role": "user", "content": text}], **more}
    headers = {"authorization": f"Bearer {key}"}
    return call(simulator, "POST", "/v1/chat/completions", headers=headers, body=json.dumps(body).encode())


def gemini(
    simulator: RunningSimulator,
    key: str,
    text: str,
    *,
    action: str = "streamGenerateContent?alt=sse",
    model: str = "gemini-2.5-flash",
    version: str = "v1beta",
    **more: Any,
) -> RawAnswer:
    body = {"contents": [{"role": "user", "parts": [{"text": text}]}], **more}
    path = f"/{version}/models/{model}:{action}"
    return call(simulator, "POST", path, headers={"x-goog-api-key": key}, body=json.dumps(body).encode())
