"""Admission: may this caller make requests now, and which limits must cover the request (spec 2.2, 4.6).

Knows: the order of the checks, their codes and messages.
Refuses to know: how keys are found, reservations are kept, envelopes are rendered.
Invariants: who is refused for who they are (key, address, user, group) is never told about money; a rule that
cannot be read denies.
"""

from dataclasses import dataclass
from functools import lru_cache

from headgate.core.faults import Fault, FaultKind
from headgate.core.limits.budget import SpendingBound
from headgate.core.limits.windows import WINDOW_TITLES
from headgate.core.money import to_usd
from headgate.core.world import ApiKey, Group, Provider, User
from headgate.kit.ipmatch import IpSet

_LIVE_STATUSES = frozenset({"active", "quota_exhausted", "expired"})
"""The latter two are refused later, with their own codes."""


def check_caller(
    key: ApiKey,
    user: User | None,
    group: Group | None,
    *,
    now_ms: int,
    client_ip: str,
    skip_spending: bool = False,
) -> Fault | None:
    """The first check of spec 2.2 that fails; None: admitted. `skip_spending` for `/v1/usage`, which is
    free."""
    fault = _secret_fault(key, now_ms) or _identity_fault(key, user, client_ip) or _group_fault(key, group)
    if fault is not None or skip_spending or user is None:
        return fault
    return _spending_fault(key, user, group, now_ms)


def check_platform(group: Group, provider: Provider) -> Fault | None:
    """Whether the group serves the provider that the route asks for (spec 2.7)."""
    if group.provider is provider:
        return None
    return Fault(
        kind=FaultKind.GROUP_WRONG_PLATFORM, message=f"API key group platform is not {provider.value}"
    )


def charge_multiplier(user: User, group: Group) -> int:
    """Ten-thousandths: the user's personal multiplier in this group, else the group's (spec 4.3)."""
    return user.group_multipliers.get(group.id, group.charge_multiplier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortage:
    """How far a bound fell short of a claim, in nano-USD."""

    needed_nano: int = 0
    available_nano: int
    held_nano: int = 0
    """Reserved by other requests that are under way."""


def refused_fault(
    bound: SpendingBound,
    refused: Shortage,
    *,
    now_ms: int = 0,
    resets_at_ms: int | None = None,
) -> Fault:
    """What to tell a caller whose claim was refused: which limit, how much of it is used, when it begins
    anew."""
    missing = _shortfall(bound, refused)
    match bound.kind:
        case "balance":
            kind, code, what = (
                FaultKind.BALANCE_INSUFFICIENT,
                "INSUFFICIENT_BALANCE",
                "Insufficient account balance",
            )
            return Fault(kind=kind, code=code, message=what + missing)
        case "quota":
            kind, code, what = (
                FaultKind.KEY_QUOTA_EXHAUSTED,
                "API_KEY_QUOTA_EXHAUSTED",
                "API key quota exhausted",
            )
            return Fault(kind=kind, code=code, message=what + missing)
    wait_s = None if resets_at_ms is None else max(1, -(-(resets_at_ms - now_ms) // 1000))
    when = "" if wait_s is None else f"; it resets in {_duration(wait_s)}"
    if bound.name.startswith("sub:"):
        kind, code, owner = FaultKind.SUBSCRIPTION_LIMIT, "USAGE_LIMIT_EXCEEDED", "Subscription"
    else:
        kind, code, owner = FaultKind.KEY_WINDOW_EXHAUSTED, "rate_limit_exceeded", "API key"
    title = WINDOW_TITLES.get(bound.kind, bound.kind)
    return Fault(
        kind=kind, code=code, message=f"{owner} {title} limit used up{missing}{when}", retry_after_s=wait_s
    )


def _secret_fault(key: ApiKey, now_ms: int) -> Fault | None:
    if key.secret_until_ms is None or now_ms < key.secret_until_ms:
        return None
    return _refuse(
        FaultKind.KEY_DISABLED, "API_KEY_REPLACED", "This API key was replaced by a newer one; use that"
    )


def _identity_fault(key: ApiKey, user: User | None, client_ip: str) -> Fault | None:
    if key.status not in _LIVE_STATUSES:
        return _refuse(FaultKind.KEY_DISABLED, "API_KEY_DISABLED", "API key is disabled")
    if (key.ip_allow or key.ip_deny) and not _address_allowed(key, client_ip):
        return _refuse(
            FaultKind.KEY_IP_DENIED, "ACCESS_DENIED", "Access denied: this API key is not valid from here"
        )
    if user is None:
        return _refuse(FaultKind.USER_INACTIVE, "USER_NOT_FOUND", "User associated with API key not found")
    if not user.is_active:
        return _refuse(FaultKind.USER_INACTIVE, "USER_INACTIVE", "User account is not active")
    return None


def _group_fault(key: ApiKey, group: Group | None) -> Fault | None:
    if group is None:
        if key.group_id is not None:
            return _refuse(
                FaultKind.GROUP_INACTIVE, "GROUP_NOT_FOUND", "The group of this API key no longer exists"
            )
        return Fault(
            kind=FaultKind.KEY_WITHOUT_GROUP,
            message="API Key is not assigned to any group and cannot be used. "
            "Please contact the administrator to assign it to a group.",
        )
    if not group.is_active:
        return _refuse(FaultKind.GROUP_INACTIVE, "GROUP_INACTIVE", "The group of this API key is disabled")
    return None


def _spending_fault(key: ApiKey, user: User, group: Group | None, now_ms: int) -> Fault | None:
    if group is not None and group.is_subscription:
        subscription = user.subscriptions.get(group.id)
        if subscription is None:
            return _refuse(
                FaultKind.SUBSCRIPTION_REQUIRED,
                "SUBSCRIPTION_NOT_FOUND",
                "No active subscription found for this group",
            )
        if not subscription.is_running(now_ms):
            return _refuse(
                FaultKind.SUBSCRIPTION_INVALID,
                "SUBSCRIPTION_INVALID",
                "The subscription to this group has expired, is suspended or has not begun",
            )
    if key.status == "quota_exhausted":
        return _refuse(FaultKind.KEY_QUOTA_EXHAUSTED, "API_KEY_QUOTA_EXHAUSTED", "API key quota exhausted")
    if key.status == "expired" or (key.expires_at_ms is not None and key.expires_at_ms <= now_ms):
        return _refuse(FaultKind.KEY_EXPIRED, "API_KEY_EXPIRED", "API key has expired")
    return None


def _refuse(kind: FaultKind, code: str, message: str) -> Fault:
    return Fault(kind=kind, code=code, message=message)


def _address_allowed(key: ApiKey, client_ip: str) -> bool:
    try:
        allow, deny = _compiled(key.ip_allow), _compiled(key.ip_deny)
    except ValueError:  # a rule that nobody can read must not open the door
        return False
    return (not key.ip_allow or client_ip in allow) and client_ip not in deny


@lru_cache(maxsize=4096)
def _compiled(entries: tuple[str, ...]) -> IpSet:
    """A pure function of the entries; remembered because keys with rules are checked at every request."""
    return IpSet.parse(entries)


def _shortfall(bound: SpendingBound, refused: Shortage) -> str:
    if refused.needed_nano <= 0:
        return ""
    text = f": this request may cost up to {_usd(refused.needed_nano)}"
    if bound.limit_nano > 0:
        used = bound.limit_nano - refused.available_nano - refused.held_nano
        text += f", {_usd(max(used, 0))} of {_usd(bound.limit_nano)} used"
    else:
        text += f", {_usd(max(refused.available_nano, 0))} left"
    if refused.held_nano > 0:
        text += f", {_usd(refused.held_nano)} reserved by requests under way"
    return text


def _usd(nano: int) -> str:
    return f"{to_usd(nano):.6f}".rstrip("0").rstrip(".") + " USD"


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    minutes = -(-seconds // 60)
    return f"{minutes} min" if minutes < 120 else f"{-(-minutes // 60)} h"
