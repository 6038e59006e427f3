"""Model lists in the shape of each dialect; default lists as spec appendix E."""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.core.world import Dialect, Provider

DEFAULT_MODELS: Mapping[Provider, Sequence[str]] = {
    Provider.ANTHROPIC: (
        "claude-haiku-4-5-20251001",
        "claude-opus-4-5-20251101",
        "claude-opus-4-6",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-6",
    ),
    Provider.OPENAI: (
        "gpt-5",
        "gpt-5.1",
        "gpt-5.1-codex",
        "gpt-5.1-codex-max",
        "gpt-5.1-codex-mini",
        "gpt-5.2",
        "gpt-5.2-codex",
        "gpt-5.3-codex",
        "gpt-5.3-codex-spark",
        "gpt-5.4",
        "gpt-5.4-mini",
        "gpt-5.4-nano",
    ),
    Provider.GEMINI: (
        "gemini-2.0-flash",
        "gemini-2.5-flash",
        "gemini-2.5-flash-image",
        "gemini-2.5-pro",
        "gemini-3-flash-preview",
        "gemini-3-pro-preview",
        "gemini-3.1-flash-image",
        "gemini-3.1-pro-preview",
    ),
}

_CREATED_ISO = "2024-01-01T00:00:00Z"
_CREATED_UNIX = 1_704_067_200
_GEMINI_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]


def render_models(dialect: Dialect, names: Sequence[str]) -> dict[str, Any]:
    """The list as the dialect's clients expect it."""
    entries = [render_model(dialect, name) for name in names]
    match dialect:
        case Dialect.GEMINI:
            return {"models": entries}
        case Dialect.ANTHROPIC_MESSAGES:
            return {
                "data": entries,
                "has_more": False,
                "first_id": names[0] if names else None,
                "last_id": names[-1] if names else None,
            }
        case Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES:
            return {"object": "list", "data": entries}


def render_model(dialect: Dialect, name: str) -> dict[str, Any]:
    match dialect:
        case Dialect.GEMINI:
            return {
                "name": f"models/{name}",
                "version": "001",
                "displayName": _display(name),
                "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536,
                "supportedGenerationMethods": _GEMINI_METHODS,
            }
        case Dialect.ANTHROPIC_MESSAGES:
            return {
                "id": name,
                "type": "model",
                "display_name": _display(name),
                "created_at": _CREATED_ISO,
                "lifecycle": "active",  # required since anthropic-version 2026-10-21
            }
        case Dialect.OPENAI_CHAT | Dialect.OPENAI_RESPONSES:
            return {
                "id": name,
                "object": "model",
                "created": _CREATED_UNIX,
                "owned_by": "headgate",
                "type": "model",
                "display_name": _display(name),
                "created_at": _CREATED_ISO,
            }


def _display(name: str) -> str:
    return name.replace("-", " ").title()
