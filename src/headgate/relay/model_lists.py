"""Model lists in the shape of each dialect."""

from collections.abc import Sequence
from typing import Any

from headgate.core.world import Dialect

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
