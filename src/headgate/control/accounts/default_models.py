"""Models offered for testing an account that has no mapping of its own (spec appendix E, 8.4): those known by
name (core/routing/offered_models.py), with what people call them."""

import re
from collections.abc import Mapping, Sequence

from headgate.core.routing.offered_models import DEFAULT_MODELS
from headgate.core.world import Provider

DEFAULT_PROMPT = "hi"
DEFAULT_TEST_MODEL: Mapping[str, str] = {
    "anthropic": "claude-sonnet-5-5",
    "openai": "gpt-5.1-codex",
    "gemini": "gemini-3.8-flash",
}
_CLAUDE = re.compile(r"claude-([a-z]+)-(\d+)(?:-(\d{1,2}))?(?:-\d{8})?")


def test_models(platform: str) -> Sequence[tuple[str, str]]:
    """(name, what people call it), by name; none for a platform that nobody knows."""
    if platform not in set(Provider):
        return ()
    return [(name, display_name(name)) for name in DEFAULT_MODELS[Provider(platform)]]


def display_name(model: str) -> str:
    """`claude-opus-4-5-20251101`: "Claude Opus 4.5"; others go by their names."""
    found = _CLAUDE.fullmatch(model)
    if found is None:
        return model
    return f"Claude {found[1].title()} {'.'.join(part for part in found.group(2, 3) if part)}"
