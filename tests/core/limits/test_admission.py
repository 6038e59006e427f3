"""Who may make requests, in the order and with the codes of spec 2.2; what must cover them (spec 4.6)."""

from dataclasses import replace
from typing import Any

import pytest

from headgate.core.faults import Fault, FaultKind
from headgate.core.ids import GroupId, KeyId, UserId
from headgate.core.limits.admission import (
    Shortage,
    charge_multiplier,
    check_caller,
    check_platform,
    refused_fault,
)
from headgate.core.limits.budget import SpendingBound
from headgate.core.limits.windows import HOUR_MS
from headgate.core.world import ApiKey, Group, Provider, QuotaBasis, User

NOW = 1_750_000_000_000
KEY = ApiKey(id=KeyId(9), user_id=UserId(3), name="k", group_id=GroupId(2), status="active")
USER = User(id=UserId(3))
GROUP = Group(id=GroupId(2), name="g", provider=Provider.ANTHROPIC)


def check(
    key: ApiKey = KEY,
    user: User | None = USER,
    group: Group | None = GROUP,
    *,
    ip: str = "192.0.2.1",
    skip: bool = False,
) -> Fault | None:
    return check_caller(key, user, group, now_ms=NOW, client_ip=ip, skip_spending=skip)


def key(**changes: Any) -> ApiKey:
    return replace(KEY, **changes)


def test_a_good_caller_is_admitted() -> None:
    assert check() is None


@pytest.mark.parametrize(
    ("changes", "code", "status"),
    [
        ({"key": key(status="inactive")}, "API_KEY_DISABLED", 401),
        ({"key": key(ip_allow=("10.0.0.0/8",))}, "ACCESS_DENIED", 403),
        ({"user": None}, "USER_NOT_FOUND", 401),
        ({"user": replace(USER, is_active=False)}, "USER_INACTIVE", 401),
        ({"group": None}, "GROUP_NOT_FOUND", 403),
        ({"group": replace(GROUP, is_active=False)}, "GROUP_INACTIVE", 403),
        ({"group": replace(GROUP, is_subscription=True)}, "SUBSCRIPTION_NOT_FOUND", 403),
        ({"key": key(status="quota_exhausted")}, "API_KEY_QUOTA_EXHAUSTED", 429),
        ({"key": key(status="expired")}, "API_KEY_EXPIRED", 403),
        ({"key": key(expires_at_ms=NOW)}, "API_KEY_EXPIRED", 403),
    ],
)
def test_each_refusal_has_its_code_and_status(changes: Any, code: str, status: int) -> None:
    fault = check(**changes)
    assert fault is not None
    assert (fault.code, fault.kind.http_status) == (code, status)


def test_a_key_without_a_group_is_told_whom_to_ask() -> None:
    fault = check(key(group_id=None), group=None)
    assert fault is not None
    assert fault.kind is FaultKind.KEY_WITHOUT_GROUP
    assert "contact the administrator" in fault.message


def test_the_checks_come_in_the_order_of_the_spec() -> None:
    """Everything is wrong at once; repairing one thing after another shows the next."""
    bad_key = key(status="inactive", ip_deny=("192.0.2.0/24",), expires_at_ms=1)
    bad_group = replace(GROUP, is_active=False)
    repairs: list[tuple[ApiKey, User | None, Group]] = [
        (bad_key, None, bad_group),
        (replace(bad_key, status="quota_exhausted"), None, bad_group),
        (replace(bad_key, status="quota_exhausted", ip_deny=()), None, bad_group),
        (replace(bad_key, status="quota_exhausted", ip_deny=()), USER, bad_group),
        (replace(bad_key, status="quota_exhausted", ip_deny=()), USER, GROUP),
        (replace(bad_key, status="active", ip_deny=()), USER, GROUP),
    ]
    codes = [fault.code for parts in repairs if (fault := check(*parts)) is not None]
    assert codes == [
        "API_KEY_DISABLED", "ACCESS_DENIED", "USER_NOT_FOUND", "GROUP_INACTIVE", "API_KEY_QUOTA_EXHAUSTED",
        "API_KEY_EXPIRED",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "changes", [{"status": "quota_exhausted"}, {"status": "expired"}, {"expires_at_ms": 1}]
)
def test_usage_may_be_read_by_a_key_that_can_no_longer_spend(changes: Any) -> None:
    assert check(key(**changes), skip=True) is None


def test_a_disabled_key_may_not_even_read_usage() -> None:
    assert check(key(status="inactive"), skip=True) is not None


@pytest.mark.parametrize(
    ("allow", "deny", "is_admitted"),
    [
        ((), (), True),
        (("192.0.2.0/24",), (), True),
        (("10.0.0.0/8",), (), False),
        ((), ("192.0.2.1",), False),
        (("192.0.2.0/24",), ("192.0.2.1",), False),
        ((), ("10.0.0.0/8",), True),
        ((), ("rubbish",), False),
    ],
)
def test_addresses_are_allowed_and_denied(
    allow: tuple[str, ...], deny: tuple[str, ...], is_admitted: bool
) -> None:
    assert (check(key(ip_allow=allow, ip_deny=deny)) is None) is is_admitted


def test_a_group_serves_only_its_platform() -> None:
    assert check_platform(GROUP, Provider.ANTHROPIC) is None
    fault = check_platform(GROUP, Provider.GEMINI)
    assert fault is not None
    assert (fault.kind.http_status, fault.message) == (400, "API key group platform is not gemini")


def test_a_personal_multiplier_replaces_the_groups() -> None:
    assert charge_multiplier(USER, GROUP) == 10_000
    assert charge_multiplier(replace(USER, group_multipliers={GroupId(2): 5_000}), GROUP) == 5_000
    assert charge_multiplier(replace(USER, group_multipliers={GroupId(8): 5_000}), GROUP) == 10_000


BALANCE_BOUND = SpendingBound(name="user:3:balance", basis=QuotaBasis.CHARGE)
QUOTA_BOUND = SpendingBound(name="key:9:quota", basis=QuotaBasis.CHARGE, limit_nano=10**9)


def test_a_refused_balance_says_what_was_needed_and_left() -> None:
    fault = refused_fault(BALANCE_BOUND, Shortage(available_nano=1_500_000, needed_nano=250_000_000))
    assert (fault.kind, fault.code) == (FaultKind.BALANCE_INSUFFICIENT, "INSUFFICIENT_BALANCE")
    assert fault.message == (
        "Insufficient account balance: this request may cost up to 0.25 USD, 0.0015 USD left"
    )


def test_a_debt_is_not_shown_as_money_left() -> None:
    fault = refused_fault(BALANCE_BOUND, Shortage(available_nano=-5 * 10**9, needed_nano=10**9))
    assert "0 USD left" in fault.message


def test_money_that_others_hold_is_told_apart() -> None:
    shortage = Shortage(available_nano=0, held_nano=4 * 10**8, needed_nano=10**9)
    assert "0.4 USD reserved by requests under way" in refused_fault(BALANCE_BOUND, shortage).message


def test_a_refused_quota_says_how_much_of_it_is_used() -> None:
    fault = refused_fault(QUOTA_BOUND, Shortage(available_nano=10**8, held_nano=10**8, needed_nano=10**9))
    assert (fault.kind, fault.code) == (FaultKind.KEY_QUOTA_EXHAUSTED, "API_KEY_QUOTA_EXHAUSTED")
    assert fault.message == (
        "API key quota exhausted: this request may cost up to 1 USD, 0.8 USD of 1 USD used,"
        " 0.1 USD reserved by requests under way"
    )


@pytest.mark.parametrize("name", ["daily", "weekly", "monthly"])
def test_a_used_up_subscription_says_which_window(name: str) -> None:
    bound = SpendingBound(name=f"sub:4:{name}", basis=QuotaBasis.CHARGE, limit_nano=10**9)
    fault = refused_fault(bound, Shortage(available_nano=0), now_ms=NOW, resets_at_ms=NOW + 3_600_000)
    assert (fault.kind, fault.code) == (FaultKind.SUBSCRIPTION_LIMIT, "USAGE_LIMIT_EXCEEDED")
    assert fault.message == f"Subscription {name} limit used up; it resets in 60 min"
    assert (fault.kind.http_status, fault.retry_after_s) == (429, 3600)


@pytest.mark.parametrize(
    ("bound", "wait_ms", "message", "retry_after"),
    [
        ("key:9:5h", 90_001, "API key 5-hour limit used up; it resets in 91 s", 91),
        ("key:9:1d", 20 * 60_000, "API key daily limit used up; it resets in 20 min", 1200),
        ("key:9:7d", 100 * HOUR_MS, "API key 7-day limit used up; it resets in 100 h", 360_000),
        ("key:9:5h", None, "API key 5-hour limit used up", None),
        ("key:9:5h", -1, "API key 5-hour limit used up; it resets in 1 s", 1),
    ],
)
def test_a_used_up_window_says_which_and_until_when(
    bound: str, wait_ms: int | None, message: str, retry_after: int | None
) -> None:
    resets_at = None if wait_ms is None else NOW + wait_ms
    limited = SpendingBound(name=bound, basis=QuotaBasis.CHARGE, limit_nano=10**9)
    fault = refused_fault(limited, Shortage(available_nano=0), now_ms=NOW, resets_at_ms=resets_at)
    assert (fault.kind, fault.code) == (FaultKind.KEY_WINDOW_EXHAUSTED, "rate_limit_exceeded")
    assert (fault.message, fault.retry_after_s) == (message, retry_after)
