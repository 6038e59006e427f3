"""Request bodies: 1 KB, the recorded 49 KB of Claude Code in shape and size, and 1 MB."""

import json


def json_bodies() -> dict[str, bytes]:
    """Name -> body of a non-streamed request."""
    return {"1 KB": _padded(1_024), "49 KB": claude_code_body(), "1 MB": _padded(1_048_576)}


def stream_body(model: str) -> bytes:
    return json.dumps(
        {
            "model": model,
            "max_tokens": 4096,
            "stream": True,
            "messages": [{"role": "user", "content": "hello " * 30}],
        }
    ).encode()


def _padded(size: int) -> bytes:
    body = {"model": "sim-fast", "max_tokens": 256, "messages": [{"role": "user", "content": ""}]}
    body["messages"] = [{"role": "user", "content": "x" * (size - len(json.dumps(body)))}]
    return json.dumps(body).encode()


def claude_code_body() -> bytes:
    """Same members and about the same sizes as the recording: a long system prompt, 20-odd tools with
    schemas, metadata."""
    tools = [
        {
            "name": f"Tool{n}",
            "description": "Does a thing in a repository. " * 40,
            "input_schema": {
                "type": "object",
                "properties": {
                    f"p{i}": {"type": "string", "description": "a parameter " * 4} for i in range(6)
                },
            },
        }
        for n in range(20)
    ]
    return json.dumps(
        {
            "model": "sim-fast",
            "max_tokens": 32000,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi " * 500}]}],
            "system": [
                {
                    "type": "text",
                    "text": "You are a careful engineer. " * 400,
                    "cache_control": {"type": "ephemeral"},
                }
            ],
            "tools": tools,
            "thinking": {"type": "adaptive"},
            "metadata": {
                "user_id": json.dumps(
                    {
                        "device_id": "d" * 64,
                        "account_uuid": "",
                        "session_id": "5d9e3b9a-1111-2222-3333-444455556666",
                    }
                )
            },
        }
    ).encode()
