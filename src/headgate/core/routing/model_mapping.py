"""Model mapping of an account: client model -> upstream model (spec 2.4, 3.6).

Knows: exact names before patterns, the longest `prefix*` before shorter ones, a mapping as whitelist.
Refuses to know: which models exist. Invariant: a target is a literal name, never a pattern.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import NamedTuple


class ModelRules(NamedTuple):
    """A mapping that is not empty, sorted once so that each of many questions is short."""

    exact: Mapping[str, str]
    prefixes: tuple[tuple[str, str], ...]
    """Longest first: prefix without its `*`, upstream model."""

    def upstream_model(self, model: str) -> str | None:
        """None: the mapping lacks it."""
        if not model:
            return model  # the operation addresses an object, not a model
        exact = self.exact.get(model)
        if exact is not None:
            return exact
        for prefix, target in self.prefixes:
            if model.startswith(prefix):
                return target
        return None


def rules_of(mapping: Mapping[str, str]) -> ModelRules | None:
    """None: there is nothing to map. Equal mappings have the same rules, so that selection asks them once for
    many accounts."""
    return _rules(tuple(sorted(mapping.items()))) if mapping else None


@lru_cache(maxsize=1024)
def _rules(mapping: tuple[tuple[str, str], ...]) -> ModelRules:
    prefixes = [(name[:-1], target) for name, target in mapping if name[-1:] == "*"]
    return ModelRules(dict(mapping), tuple(sorted(prefixes, key=lambda rule: -len(rule[0]))))


def upstream_model(mapping: Mapping[str, str], model: str) -> str | None:
    """The model to ask the provider for; None when the mapping (a whitelist as soon as it is not empty) lacks
    it."""
    rules = rules_of(mapping)
    return model if rules is None else rules.upstream_model(model)


def best_prefix(patterns: Iterable[str], model: str) -> str | None:
    """The longest `prefix*` that the model begins with."""
    best: str | None = None
    for pattern in patterns:
        if (
            pattern[-1:] == "*"
            and model.startswith(pattern[:-1])
            and (best is None or len(pattern) > len(best))
        ):
            best = pattern
    return best
