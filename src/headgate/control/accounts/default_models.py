"""Models offered for testing an account that has no mapping of its own (spec appendix E, 8.4)."""

from collections.abc import Mapping, Sequence

DEFAULT_PROMPT = "hi"
DEFAULT_TEST_MODEL: Mapping[str, str] = {
    "anthropic": "claude-sonnet-4-5-20250929",
    "openai": "gpt-5.1-codex",
    "gemini": "gemini-2.0-flash",
}
DEFAULT_MODELS: Mapping[str, Sequence[tuple[str, str]]] = {
    "anthropic": (
        ("claude-opus-4-6", "Claude Opus 4.6"),
        ("claude-opus-4-5-20251101", "Claude Opus 4.5"),
        ("claude-sonnet-4-6", "Claude Sonnet 4.6"),
        ("claude-sonnet-4-5-20250929", "Claude Sonnet 4.5"),
        ("claude-haiku-4-5-20251001", "Claude Haiku 4.5"),
    ),
    "openai": tuple(
        (name, name)
        for name in (
            "gpt-5.4",
            "gpt-5.4-mini",
            "gpt-5.4-nano",
            "gpt-5.3-codex",
            "gpt-5.2",
            "gpt-5.2-codex",
            "gpt-5.1-codex-max",
            "gpt-5.1-codex",
            "gpt-5.1",
            "gpt-5.1-codex-mini",
            "gpt-5",
        )
    ),
    "gemini": tuple(
        (name, name)
        for name in (
            "gemini-2.0-flash",
            "gemini-2.5-flash",
            "gemini-2.5-flash-image",
            "gemini-2.5-pro",
            "gemini-3-flash-preview",
            "gemini-3-pro-preview",
            "gemini-3.1-pro-preview",
            "gemini-3.1-flash-image",
        )
    ),
}
