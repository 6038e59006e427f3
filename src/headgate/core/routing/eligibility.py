"""Eligibility: may this account serve the request at all, and if not, what is the first reason (spec 3.4,
3.6)?

Knows: what excludes an account, whatever the others are like. Refuses to know: preferences. Invariant: pure;
an account has an upstream model or exactly one rejection.
"""

from typing import NamedTuple

from headgate.core.ids import AccountId
from headgate.core.routing.candidates import SPOKEN_DIALECTS, Candidate, WaitLimits, Wanted
from headgate.core.routing.health import OVERLOADED, SOFT_CAUSES
from headgate.core.routing.scoring import ScoreWeights
from headgate.core.routing.stickiness import Stake
from headgate.core.routing.verdicts import Reason, Rejection
from headgate.core.world import Account


class Demand(NamedTuple):
    """Everything about the request that selection weighs."""

    wanted: Wanted
    excluded: frozenset[AccountId]
    now_ms: int
    seed: int
    sticky_to: AccountId | None
    limits: WaitLimits
    scoring: ScoreWeights | None
    stake: Stake | None = None
    """What staying with the conversation's account is worth; None: not known, so it stays."""
    is_last_resort: bool = False
    """Accounts that are only avoided may serve as well."""


def judge(candidate: Candidate, demand: Demand) -> Rejection | str:
    """The upstream model when the account could serve the request, else the first reason why not."""
    account, wanted, now_ms = candidate.account, demand.wanted, demand.now_ms
    if account.id in demand.excluded:
        return _EXCLUDED
    if not account.is_schedulable:
        return _DISABLED
    if account.expires_at_ms is not None and account.expires_at_ms <= now_ms:
        return Rejection(Reason.EXPIRED, account.expires_at_ms)
    if account.provider is not wanted.provider:
        return _WRONG_PROVIDER
    if wanted.dialect not in SPOKEN_DIALECTS[account.provider]:
        return _NO_SUCH_DIALECT
    model = served_model(account, wanted.model)
    if model is None:
        return _MODEL_UNSUPPORTED
    if candidate.cooldowns or account.cooldown_until_ms > now_ms or account.overloaded_until_ms > now_ms:
        rejection = _cooling(candidate, (wanted.model, model, ""), now_ms)
        if rejection is not None and not (demand.is_last_resort and rejection.detail in SOFT_CAUSES):
            return rejection
    return model


def usual_provider(wanted: Wanted) -> object:
    """What `Account.plain_for` is when nothing but a model mapping and live facts can speak against it; no
    account's when the dialect is not the provider's."""
    return wanted.provider if wanted.dialect in SPOKEN_DIALECTS[wanted.provider] else _NOBODY


_NOBODY = object()


def is_able(candidate: Candidate, demand: Demand, usual: object) -> bool:
    """Whether `judge` finds no reason against it; `usual`: `usual_provider`. What most accounts pass is asked
    first."""
    account = candidate.account
    if account.plain_for is usual and not candidate.cooldowns and not demand.excluded:
        rules = account.model_rules
        return rules is None or rules.upstream_model(demand.wanted.model) is not None
    return not isinstance(judge(candidate, demand), Rejection)


def served_model(account: Account, model: str) -> str | None:
    """What the account is asked for; None: it does not serve the model."""
    rules = account.model_rules
    return model if rules is None else rules.upstream_model(model)


_EXCLUDED = Rejection(Reason.EXCLUDED)
_DISABLED = Rejection(Reason.DISABLED)
_WRONG_PROVIDER = Rejection(Reason.WRONG_PROVIDER)
_NO_SUCH_DIALECT = Rejection(Reason.NO_SUCH_DIALECT)
_MODEL_UNSUPPORTED = Rejection(Reason.MODEL_UNSUPPORTED)


def _cooling(candidate: Candidate, models: tuple[str, ...], now_ms: int) -> Rejection | None:
    """The cooldown that ends last, of those that concern this account or this model on it; a mere preference
    only when nothing stricter is in force."""
    until, detail = candidate.account.cooldown_until_ms, "stored"
    soft, preference = candidate.account.overloaded_until_ms, OVERLOADED
    for cooldown in candidate.cooldowns:
        if cooldown.model not in models:
            continue
        if cooldown.reason in SOFT_CAUSES:
            if cooldown.until_ms > soft:
                soft, preference = cooldown.until_ms, cooldown.reason
        elif cooldown.until_ms > until:
            until, detail = cooldown.until_ms, cooldown.reason
    if until > now_ms:
        return Rejection(Reason.COOLING_DOWN, until, detail)
    return Rejection(Reason.COOLING_DOWN, soft, preference) if soft > now_ms else None
