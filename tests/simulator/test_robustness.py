"""Whatever JSON comes in, the simulator answers 200 or refuses; it never falls over."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.kit import json
from headgate.simulator.app import Simulator

SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=20)
NAMES = st.sampled_from(
    [
        *(
            "role",
            "content",
            "text",
            "type",
            "tools",
            "name",
            "parts",
            "function",
            "parameters",
            "properties",
            "enum",
        ),
        *(
            "required",
            "cache_control",
            "ttl",
            "input_schema",
            "tool_choice",
            "source",
            "tool_calls",
            "arguments",
        ),
    ]
)
VALUES = st.recursive(
    SCALARS
    | st.sampled_from(["user", "assistant", "text", "function", "any", "required", "hi [[sim: tool=1]]"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    [
        *(
            "messages",
            "system",
            "tools",
            "tool_choice",
            "thinking",
            "stream",
            "max_tokens",
            "input",
            "instructions",
        ),
        *(
            "reasoning",
            "include",
            "previous_response_id",
            "contents",
            "generationConfig",
            "systemInstruction",
        ),
        *(
            "toolConfig",
            "stream_options",
            "service_tier",
            "content",
            "requests",
            "prompt",
            "n",
            "dimensions",
            "text",
        ),
    ]
)
PATHS = [
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/responses/compact",
    "/v1/responses/input_tokens",
    "/v1/embeddings",
    "/v1/images/generations",
    "/v1beta/models/m:generateContent",
    "/v1beta/models/m:streamGenerateContent",
    "/v1beta/models/m:countTokens",
    "/v1beta/models/m:embedContent",
    "/v1beta/models/m:batchEmbedContents",
]
BASE = {
    "model": "m",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": "hi"}],
    "input": "hi",
    "prompt": "p",
}


async def _post(path: str, body: bytes) -> int:
    """The status of one request to a fresh simulator, in process."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    key = (
        (b"x-goog-api-key", b"sim-a"),
        (b"authorization", b"Bearer sim-a"),
        (b"anthropic-version", b"2023-06-01"),
    )
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": list(key)}
    await Simulator(seed=1, pace_s=0)(scope, receive, send)
    return int(sent[0]["status"])


@pytest.mark.parametrize("path", PATHS)
@given(extra=st.dictionaries(FIELDS, VALUES, max_size=4))
def test_any_json_object_is_answered_or_refused(path: str, extra: dict[str, Any]) -> None:
    status = asyncio.run(_post(path, json.dumps({**BASE, **extra})))
    assert status in (200, 400)


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"a":' * 100_000, b'{"model":"\\ud800"}', b"\x00", b"1e999"]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1beta/models/m:generateContent"])
def test_hostile_bodies_are_refused(path: str, body: bytes) -> None:
    assert asyncio.run(_post(path, body)) == 400
