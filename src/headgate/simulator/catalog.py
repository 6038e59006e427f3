"""The models that the simulated vendors list. Any other name is served too, unless it begins with `no-
such-`.
"""

from collections.abc import Mapping
from typing import Any

from headgate.simulator.refusal import Refused

CREATED = 1_767_225_600
ANTHROPIC = {
    "claude-opus-5-5": "Claude Opus 5.5",
    "claude-opus-4-6": "Claude Opus 4.6",
    "claude-opus-4-5-20251101": "Claude Opus 4.5",
    "claude-sonnet-4-6": "Claude Sonnet 4.6",
    "claude-sonnet-5-5": "Claude Sonnet 5.5",
    "claude-haiku-4-5-20251001": "Claude Haiku 4.5",
    "sim-fast": "Headgate benchmark model",
}
OPENAI = (
    "gpt-5.4",
    "gpt-5.4-mini",
    "gpt-5.3-codex",
    "gpt-5",
    "gpt-4.1",
    "gpt-4o",
    "gpt-4o-mini",
    "text-embedding-3-small",
    "gpt-image-1",
    "sim-fast",
)
GEMINI = (
    "gemini-3-pro-preview",
    "gemini-2.5-pro",
    "gemini-2.5-flash",
    "gemini-2.5-flash-image",
    "gemini-embedding-001",
    "sim-fast",
)
_METHODS = ["generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"]


def check_model(model: str) -> None:
    """Raises `Refused` with 404 for a name that no vendor has."""
    if model.startswith("no-such-"):
        raise Refused(
            404, f"The model {model!r} does not exist or you do not have access to it.", param="model"
        )


def anthropic_list(query: Mapping[str, str]) -> dict[str, Any]:
    names = list(ANTHROPIC)
    if query.get("after_id") in ANTHROPIC:
        names = names[names.index(query["after_id"]) + 1 :]
    limit = int(query["limit"]) if query.get("limit", "").isdigit() else 20
    page = names[: max(1, limit)]
    return {
        "data": [anthropic_model(name) for name in page],
        "has_more": len(names) > len(page),
        "first_id": page[0] if page else None,
        "last_id": page[-1] if page else None,
    }


def anthropic_model(name: str) -> dict[str, Any]:
    check_model(name)
    return {
        "type": "model",
        "id": name,
        "display_name": ANTHROPIC.get(name, name),
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "max_input_tokens": 200_000,
        "max_tokens": 64_000,
    }


def openai_list() -> dict[str, Any]:
    return {"object": "list", "data": [openai_model(name) for name in OPENAI]}


def openai_model(name: str) -> dict[str, Any]:
    check_model(name)
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "headgate-simulator"}


def gemini_list() -> dict[str, Any]:
    return {"models": [gemini_model(name) for name in GEMINI]}


def gemini_model(name: str) -> dict[str, Any]:
    check_model(name)
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name,
        "description": "Served by the Headgate provider simulator",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": _METHODS,
        "temperature": 1,
        "topP": 0.95,
        "topK": 64,
    }
