"""The same question in every dialect: path, key header and body, for tests that treat dialects alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.e2e import wire
from tests.support.gateway import Gateway

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Speaker:
    """One dialect in one framing. `path` may hold `{model}`."""

    name: str
    platform: str
    path: str
    model: str
    body: Callable[[str, str], Body] = field(repr=False)
    key_header: str = "authorization"
    more_headers: Mapping[str, str] = field(default_factory=dict)

    def headers(self, key: str) -> dict[str, str]:
        value = f"Bearer {key}" if self.key_header == "authorization" else key
        return {self.key_header: value, **self.more_headers}

    def ask(
        self,
        gateway: Gateway,
        key: str,
        text: str = "hi",
        *,
        model: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> wire.Answer:
        """Send it and read the whole answer."""
        name = model or self.model
        body = {**self.body(name, text), **more}
        path = self.path.format(model=name)
        return wire.post(gateway.url, path, {**self.headers(key), **(headers or {})}, body)


def _messages(model: str, text: str) -> Body:
    return {"model": model, "max_tokens": 60_000, "messages": [{"role": "user", "content": text}]}


def _chat(model: str, text: str) -> Body:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


def _responses(model: str, text: str) -> Body:
    return {"model": model, "input": text}


def _gemini(model: str, text: str) -> Body:
    return {"contents": [{"role": "user", "parts": [{"text": text}]}]}


def _streamed(body: Callable[[str, str], Body], **more: Any) -> Callable[[str, str], Body]:
    return lambda model, text: {**body(model, text), "stream": True, **more}


_VERSION = {"anthropic-version": "2023-06-01"}
_GOOGLE = "x-goog-api-key"
MESSAGES = Speaker(
    "messages", "anthropic", "/v1/messages", "claude-sonnet-4-6", _messages, "x-api-key", _VERSION
)
CHAT = Speaker("chat", "openai", "/v1/chat/completions", "gpt-5", _chat)
RESPONSES = Speaker("responses", "openai", "/v1/responses", "gpt-5", _responses)
GEMINI = Speaker(
    "gemini", "gemini", "/v1beta/models/{model}:generateContent", "gemini-2.5-flash", _gemini, _GOOGLE
)
WHOLE = (MESSAGES, CHAT, RESPONSES, GEMINI)

MESSAGES_SSE = Speaker(
    "messages-sse",
    "anthropic",
    "/v1/messages",
    "claude-sonnet-4-6",
    _streamed(_messages),
    "x-api-key",
    _VERSION,
)
CHAT_SSE = Speaker(
    "chat-sse",
    "openai",
    "/v1/chat/completions",
    "gpt-5",
    _streamed(_chat, stream_options={"include_usage": True}),
)
CHAT_SSE_NO_USAGE = Speaker("chat-sse-no-usage", "openai", "/v1/chat/completions", "gpt-5", _streamed(_chat))
RESPONSES_SSE = Speaker("responses-sse", "openai", "/v1/responses", "gpt-5", _streamed(_responses))
GEMINI_SSE = Speaker(
    "gemini-sse",
    "gemini",
    "/v1beta/models/{model}:streamGenerateContent?alt=sse",
    "gemini-2.5-flash",
    _gemini,
    _GOOGLE,
)
GEMINI_ARRAY = Speaker(
    "gemini-array", "gemini", "/v1/models/{model}:streamGenerateContent", "gemini-2.5-flash", _gemini, _GOOGLE
)
STREAMS = (MESSAGES_SSE, CHAT_SSE, RESPONSES_SSE, GEMINI_SSE, GEMINI_ARRAY)
