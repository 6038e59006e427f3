"""Which models a group offers by name, from the mappings of its accounts (spec 2.9, 7.12).

Knows: the models of each provider that are known by name (spec appendix E, less what its vendor has retired,
plus what came since); a mapping is a whitelist, and its patterns let known models through. Refuses to know:
prices, which account will serve.
"""

from collections.abc import Iterable, Mapping, Sequence

from headgate.core.routing.model_mapping import ModelRules
from headgate.core.world import Provider

DEFAULT_MODELS: Mapping[Provider, Sequence[str]] = {
    Provider.ANTHROPIC: (
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-haiku-4-5-20251001",
        "claude-haiku-5-5",
        "claude-opus-4-5-20251101",
        "claude-opus-4-6",
        "claude-opus-4-7",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
    ),
    Provider.OPENAI: (
        "gpt-5",
        "gpt-5-mini",
        "gpt-5-nano",
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
        "gpt-5.5",
        "gpt-5.6-luna",
        "gpt-5.6-sol",
        "gpt-5.6-terra",
        "gpt-6-astra",
        "gpt-6-luna",
        "gpt-6-sol",
        "gpt-6.1-sol",
        "gpt-6.1-terra",
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
        "gemini-3.5-flash",
        "gemini-3.6-flash",
        "gemini-3.7-flash",
        "gemini-3.8-flash",
    ),
}


def offered_models(rules: Iterable[ModelRules | None], known: Sequence[str]) -> list[str]:
    """Names in the mappings, and those known ones that at least one account lets through. `rules`: of each
    account, None without a mapping. Nothing without accounts."""
    names: set[str] = set()
    for rule in rules:
        if rule is None:
            names.update(known)
        else:
            names.update(name for name in rule.exact if not name.endswith("*"))
            names.update(name for name in known if rule.upstream_model(name) is not None)
    return sorted(names)


def upstream_names(rules: Iterable[ModelRules | None], model: str) -> tuple[str, ...]:
    """What the accounts that serve a model call it."""
    found = (model if rule is None else rule.upstream_model(model) for rule in rules)
    return tuple(dict.fromkeys(name for name in found if name is not None))
