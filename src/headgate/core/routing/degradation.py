"""What does not work as it should right now, and how that ends: accounts that are out or avoided, groups that
nobody can serve, and the gateway's own degraded modes.

Knows: accounts and groups of the directory, cooldowns, the instant. Refuses to know: stores, metrics, HTTP.
Invariants: every degradation names its cause and its end; only what an operator must decide ends by an
operator. What an operator has switched off on purpose is none.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from headgate.core.ids import AccountId, GroupId
from headgate.core.routing.health import MARKED, Cooling, HealthState, state_of, worst
from headgate.core.world import Account, Group, OffBecause


class Kind(StrEnum):
    ACCOUNT_ERROR = "account_error"
    """Marked by a 401, 402, 403 or one of its own codes; or its credential cannot be opened."""
    ACCOUNT_EXPIRED = "account_expired"
    ACCOUNT_QUOTA_USED_UP = "account_quota_used_up"
    """Its own quota (daily, weekly, total) could not cover the last request for it."""
    ACCOUNT_COOLING = "account_cooling"
    ACCOUNT_HALF_OPEN = "account_half_open"
    ACCOUNT_DEGRADED = "account_degraded"
    GROUP_WITHOUT_ACCOUNT = "group_without_account"
    GROUP_ON_LAST_RESORT = "group_on_last_resort"
    """Served by accounts alone that would otherwise be avoided."""
    MODEL_ROUTE_LOST = "model_route_lost"
    REQUESTS_POISONED = "requests_poisoned"
    BILLING_STOPPED = "billing_stopped"
    STATE_UNAVAILABLE = "state_unavailable"
    DIRECTORY_STALE = "directory_stale"


class Ends(StrEnum):
    AT_ITS_TIME = "at_its_time"
    WITH_AN_ANSWER = "with_an_answer"
    """The next request that the account answers."""
    BY_ITSELF = "by_itself"
    """When what it waits for works again."""
    BY_OPERATOR = "by_operator"


class Degradation(msgspec.Struct, frozen=True, kw_only=True):
    kind: Kind
    ends: Ends
    account_id: AccountId | None = None
    group_id: GroupId | None = None
    name: str = ""
    """Of the account or group."""
    model: str = ""
    """Upstream model that alone is concerned."""
    cause: str = ""
    evidence: str = ""
    since_ms: int | None = None
    until_ms: int | None = None


class KnownCooldown(Cooling, Protocol):
    """What is read of a cooldown; `state.protocols.Cooldown` fits."""

    @property
    def evidence(self) -> str: ...
    @property
    def began_ms(self) -> int: ...


Cooldowns = Mapping[AccountId, Sequence[KnownCooldown]]
_KIND_OF_STATE: Mapping[HealthState, tuple[Kind, Ends]] = {
    HealthState.COOLING: (Kind.ACCOUNT_COOLING, Ends.AT_ITS_TIME),
    HealthState.HALF_OPEN: (Kind.ACCOUNT_HALF_OPEN, Ends.WITH_AN_ANSWER),
    HealthState.DEGRADED: (Kind.ACCOUNT_DEGRADED, Ends.WITH_AN_ANSWER),
}
SWITCHED_OFF = "switched_off"
"""Beside the health states: out because an operator wants it so."""


class UsedUp(NamedTuple):
    """A bound of an account's own quota that has refused a hold."""

    bound: str
    since_ms: int
    until_ms: int
    """Believed so long without another refusal."""


class Standing(NamedTuple):
    """Of one account."""

    label: str
    """A health state, or `switched_off`."""
    degradations: tuple[Degradation, ...]
    usable: HealthState
    """Of the account as a whole, whatever single models are like."""
    returns_ms: int | None
    """When the account as a whole is tried again; None: it is not out, or nobody knows."""


def standing_of(
    account: Account, cooldowns: Sequence[KnownCooldown], now_ms: int, used_up: UsedUp | None = None
) -> Standing:
    """How the account stands now. `used_up`: its own quota, if it has one."""
    off = _off(account, now_ms)
    if off is not None:
        kind, cause = off
        if kind is None:
            return Standing(SWITCHED_OFF, (), HealthState.DOWN, None)
        found = Degradation(
            kind=kind, ends=Ends.BY_OPERATOR, account_id=account.id, name=account.name, cause=cause,
            since_ms=account.expires_at_ms if kind is Kind.ACCOUNT_EXPIRED else None,
        )  # fmt: skip
        return Standing(HealthState.DOWN.value, (found,), HealthState.DOWN, None)
    degradations = [
        *_of_quota(account, used_up),
        *_of_cooldowns(account, cooldowns, now_ms),
        *_stored(account, cooldowns, now_ms),
    ]
    states = [_state_of_kind(found.kind) for found in degradations]
    whole = [found for found in degradations if not found.model]
    usable = worst(_state_of_kind(found.kind) for found in whole)
    returns = max((found.until_ms or 0 for found in whole), default=0) if usable is HealthState.COOLING else 0
    return Standing(worst(states).value, tuple(degradations), usable, returns or None)


def groups_of(
    groups: Iterable[Group], members: Mapping[GroupId, Sequence[Standing]]
) -> Sequence[Degradation]:
    """Active groups that have accounts, none of which may serve now, or only as a last resort. A group
    without any account is one that somebody is still building."""
    found = []
    for group in groups:
        standings = members.get(group.id, ())
        if not group.is_active or not standings:
            continue
        states = {standing.usable for standing in standings}
        if states <= {HealthState.DOWN, HealthState.COOLING}:
            returns = [standing.returns_ms for standing in standings if standing.returns_ms is not None]
            found.append(
                Degradation(
                    kind=Kind.GROUP_WITHOUT_ACCOUNT,
                    ends=Ends.AT_ITS_TIME if returns else Ends.BY_OPERATOR,
                    group_id=group.id,
                    name=group.name,
                    cause=f"{len(standings)} accounts, all out",
                    until_ms=min(returns, default=None),
                )
            )
        elif states <= {HealthState.DOWN, HealthState.COOLING, HealthState.DEGRADED}:
            found.append(
                Degradation(
                    kind=Kind.GROUP_ON_LAST_RESORT,
                    ends=Ends.WITH_AN_ANSWER,
                    group_id=group.id,
                    name=group.name,
                    cause="accounts that are avoided serve alone",
                )  # fmt: skip
            )
    return found


def _off(account: Account, now_ms: int) -> tuple[Kind | None, str] | None:
    """Why the account does not serve at all; a kind of None: that is meant so."""
    if not account.is_schedulable:
        match account.off_because:
            case OffBecause.ERROR | OffBecause.NO_CREDENTIAL:
                return Kind.ACCOUNT_ERROR, account.off_because.value
            case _:
                return None, ""
    if account.expires_at_ms is not None and account.expires_at_ms <= now_ms:
        return Kind.ACCOUNT_EXPIRED, "expires_at"
    return None


def _of_quota(account: Account, used_up: UsedUp | None) -> Iterable[Degradation]:
    """A window begins anew at its time; of the whole quota somebody must decide."""
    if used_up is None or account.quota is None:
        return
    yield Degradation(
        kind=Kind.ACCOUNT_QUOTA_USED_UP,
        ends=Ends.BY_OPERATOR if used_up.bound.endswith(":quota") else Ends.AT_ITS_TIME,
        account_id=account.id,
        name=account.name,
        cause="quota_exhausted",
        evidence=used_up.bound,
        since_ms=used_up.since_ms,
    )


def _of_cooldowns(account: Account, cooldowns: Sequence[KnownCooldown], now_ms: int) -> Iterable[Degradation]:
    for cooldown in cooldowns:
        if cooldown.reason == MARKED and cooldown.until_ms <= now_ms:
            continue  # the mark is gone since
        if cooldown.reason == MARKED:  # the directory does not know of it yet
            kind, ends = Kind.ACCOUNT_ERROR, Ends.BY_OPERATOR
        else:
            kind, ends = _KIND_OF_STATE[state_of(cooldown, now_ms)]
        yield Degradation(
            kind=kind,
            ends=ends,
            account_id=account.id,
            name=account.name,
            model=cooldown.model,
            cause=cooldown.reason,
            evidence=cooldown.evidence,
            since_ms=cooldown.began_ms or None,
            until_ms=cooldown.until_ms
            if cooldown.until_ms > now_ms and ends is not Ends.BY_OPERATOR
            else None,
        )


def _stored(account: Account, cooldowns: Sequence[KnownCooldown], now_ms: int) -> Iterable[Degradation]:
    """What the database remembers beyond the shared state, which may have been lost."""
    latest = max((cooldown.until_ms for cooldown in cooldowns if not cooldown.model), default=0)
    for until_ms, state in (
        (account.cooldown_until_ms, HealthState.COOLING),
        (account.overloaded_until_ms, HealthState.DEGRADED),
    ):
        if until_ms > max(now_ms, latest):
            kind, ends = _KIND_OF_STATE[state]
            yield Degradation(
                kind=kind, ends=ends, account_id=account.id, name=account.name, cause="stored",
                until_ms=until_ms,
            )  # fmt: skip


def _state_of_kind(kind: Kind) -> HealthState:
    if kind is Kind.ACCOUNT_ERROR:
        return HealthState.DOWN
    if kind is Kind.ACCOUNT_QUOTA_USED_UP:
        return HealthState.COOLING
    return next(state for state, (known, _) in _KIND_OF_STATE.items() if known is kind)
