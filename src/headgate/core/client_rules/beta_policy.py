"""Which `anthropic-beta` features go to the provider: passed, filtered out, or refused (spec 2.4, 8.8).

Knows: the policy and the header. Refuses to know: what a feature does. Invariants: a header that the policy
does not concern keeps its bytes; nothing is ever added; the first rule that concerns a feature decides.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headgate.core.faults import Fault, FaultKind
from headgate.core.world import CredentialKind

BETA_POLICY_SETTING = "beta_policy_settings"
MAX_RULES = 100


class BetaAction(StrEnum):
    PASS = "pass"  # noqa: S105 - an action
    FILTER = "filter"
    BLOCK = "block"


class BetaScope(StrEnum):
    """Accounts that a rule is for, by what they hold. `oauth`: every kind of bearer token."""

    ALL = "all"
    OAUTH = "oauth"
    APIKEY = "apikey"
    BEDROCK = "bedrock"


class BetaRule(msgspec.Struct, frozen=True, kw_only=True):
    beta_token: str
    action: BetaAction
    scope: BetaScope = BetaScope.ALL
    error_message: str = ""


class BetaPolicy(msgspec.Struct, frozen=True, kw_only=True):
    rules: tuple[BetaRule, ...] = ()


DEFAULT_BETA_POLICY = BetaPolicy(
    rules=(
        BetaRule(beta_token="fast-mode-2026-02-01", action=BetaAction.FILTER),  # noqa: S106 - a feature
        BetaRule(beta_token="context-1m-2025-08-07", action=BetaAction.FILTER),  # noqa: S106 - a feature
    )
)
"""Features that cost a multiple, or that only some accounts have."""


class Filtered(NamedTuple):
    """What remains of the header (empty: leave it out), and the features that were taken out."""

    header: str
    removed: tuple[str, ...]


def beta_policy_from(stored: str | None) -> BetaPolicy:
    """The default for what is not stored or cannot be read."""
    if stored is None:
        return DEFAULT_BETA_POLICY
    try:
        return msgspec.json.decode(stored, type=BetaPolicy)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return DEFAULT_BETA_POLICY


def filter_betas(header: str, policy: BetaPolicy, kind: CredentialKind) -> Filtered | Fault:
    """The header as an account of this kind may have it, or why the request is refused."""
    scopes = (BetaScope.ALL, BetaScope.APIKEY if kind is CredentialKind.API_KEY else BetaScope.OAUTH)
    rules = [rule for rule in policy.rules if rule.scope in scopes]
    kept, removed = [], []
    for token in (part.strip() for part in header.split(",")):
        rule = _rule_for(token, rules)
        if rule is None or rule.action is BetaAction.PASS:
            kept.append(token)
        elif rule.action is BetaAction.FILTER:
            removed.append(token)
        else:
            message = rule.error_message or f"beta feature {rule.beta_token} is not allowed"
            return Fault(kind=FaultKind.REQUEST_INVALID, message=message)
    return Filtered(",".join(kept), tuple(removed)) if removed else Filtered(header, ())


def _rule_for(token: str, rules: Sequence[BetaRule]) -> BetaRule | None:
    return next((rule for rule in rules if rule.beta_token == token), None)
