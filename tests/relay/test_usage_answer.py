"""GET /v1/usage in the shape that existing widgets read (spec 2.10)."""

from dataclasses import replace
from typing import Any

import pytest

from headgate.core.ids import SubscriptionId
from headgate.core.world import Caller, KeyWindow, Subscription
from headgate.relay.usage_answer import usage_answer
from headgate.storage.read_model import KeyUsage, UsageTotals
from tests.relay.conftest import DOLLAR
from tests.relay.people import NOW_MS, caller

TOTALS = UsageTotals(
    requests=3, input=10, output=20, cache_read=5, cache_write_5m=1, cache_write_1h=2,
    list_cost_nano=2 * DOLLAR, charge_nano=3 * DOLLAR,
)  # fmt: skip
WINDOW = KeyWindow(name="5h", length_ms=5 * 3_600_000, limit_nano=2 * DOLLAR)


def usage(**changes: Any) -> KeyUsage:
    given: dict[str, Any] = {
        "today": TOTALS, "total": TOTALS, "average_duration_ms": 7, "requests_last_minute": 2,
        "tokens_last_minute": 9, "models": (("m", TOTALS),), "balance_nano": 4 * DOLLAR,
        "quota_used_nano": 0, "windows": (),
    }  # fmt: skip
    return KeyUsage(**{**given, **changes})


def test_a_key_without_limits_shows_the_wallet() -> None:
    answer = usage_answer(caller(), usage(), now_ms=NOW_MS)
    assert (answer["mode"], answer["remaining"], answer["balance"]) == ("unrestricted", 4.0, 4.0)


def test_a_key_with_a_quota_shows_what_is_left_of_it() -> None:
    answer = usage_answer(caller(quota_nano=5 * DOLLAR), usage(quota_used_nano=2 * DOLLAR), now_ms=NOW_MS)
    assert answer["mode"] == "quota_limited"
    assert answer["quota"] == {"limit": 5.0, "used": 2.0, "remaining": 3.0, "unit": "USD"}


def test_an_overdrawn_quota_has_nothing_left() -> None:
    answer = usage_answer(caller(quota_nano=DOLLAR), usage(quota_used_nano=2 * DOLLAR), now_ms=NOW_MS)
    assert answer["remaining"] == 0


def test_a_window_shows_its_use_and_its_end() -> None:
    answer = usage_answer(caller(windows=(WINDOW,)), usage(windows=((DOLLAR, NOW_MS),)), now_ms=NOW_MS)
    (window,) = answer["rate_limits"]
    assert (window["used"], window["remaining"]) == (1.0, 1.0)
    assert window["window_start"] == "2025-06-15T15:06:40.000Z"
    assert window["reset_at"] == "2025-06-15T20:06:40.000Z"


def test_a_window_that_has_not_begun_has_no_end() -> None:
    answer = usage_answer(caller(windows=(WINDOW,)), usage(windows=((0, None),)), now_ms=NOW_MS)
    assert answer["rate_limits"][0]["reset_at"] is None


DAY_MS = 86_400_000


def subscriber(
    *limits: int, status: str = "active", expires_at_ms: int = NOW_MS + DAY_MS, has_one: bool = True
) -> Caller:
    """In a subscription group whose daily, weekly and monthly limits are given in USD; 0 = none."""
    daily, weekly, monthly = (limit * DOLLAR for limit in limits)
    plain = caller()
    group = replace(
        plain.group, name="Pro plan", is_subscription=True, daily_limit_nano=daily, weekly_limit_nano=weekly,
        monthly_limit_nano=monthly,
    )  # fmt: skip
    mine = Subscription(
        id=SubscriptionId(1), group_id=group.id, status=status, starts_at_ms=0, expires_at_ms=expires_at_ms
    )
    user = replace(plain.user, subscriptions={group.id: mine} if has_one else {})
    return Caller(key=plain.key, user=user, group=group)


def plan(who: Caller, *used: float) -> dict[str, Any]:
    spent = tuple(round(amount * DOLLAR) for amount in used) or None
    return usage_answer(who, usage(subscription_used_nano=spent), now_ms=NOW_MS)


def test_a_subscription_shows_its_plan_its_windows_and_its_end() -> None:
    answer = plan(subscriber(5, 20, 0), 1, 2.5, 3)
    assert (answer["mode"], answer["isValid"], answer["planName"]) == ("unrestricted", True, "Pro plan")
    assert "balance" not in answer
    assert answer["subscription"] == {
        "daily_usage_usd": 1.0,
        "weekly_usage_usd": 2.5,
        "monthly_usage_usd": 3.0,
        "daily_limit_usd": 5.0,
        "weekly_limit_usd": 20.0,
        "monthly_limit_usd": None,
        "expires_at": "2025-06-16T15:06:40.000Z",
    }
    assert answer["usage"]["total"]["requests"] == 3


@pytest.mark.parametrize(
    ("limits", "used", "remaining"),
    [
        ((5, 20, 100), (1, 2, 3), 4),
        ((5, 20, 100), (1, 19, 3), 1),
        ((0, 20, 0), (1, 2, 3), 18),
        ((5, 20, 100), (5, 2, 3), 0),
        ((5, 20, 100), (1, 25, 3), 0),
        ((0, 0, 0), (1, 2, 3), -1),
    ],
)
def test_what_remains_is_the_least_that_any_window_leaves(
    limits: tuple[int, ...], used: tuple[float, ...], remaining: float
) -> None:
    assert plan(subscriber(*limits), *used)["remaining"] == remaining


@pytest.mark.parametrize(
    "who",
    [
        subscriber(5, 0, 0, expires_at_ms=NOW_MS),
        subscriber(5, 0, 0, status="suspended"),
        subscriber(0, 0, 0, status="expired"),
        subscriber(5, 0, 0, has_one=False),
    ],
    ids=["over", "suspended", "expired", "none"],
)
def test_without_a_running_subscription_nothing_remains(who: Caller) -> None:
    answer = plan(who)
    assert (answer["isValid"], answer["remaining"], answer["planName"]) == (False, 0, "Pro plan")


def test_a_key_with_a_quota_in_a_subscription_group_shows_its_quota() -> None:
    who = subscriber(5, 0, 0)
    limited = Caller(key=replace(who.key, quota_nano=DOLLAR), user=who.user, group=who.group)
    assert plan(limited)["mode"] == "quota_limited"


def test_tokens_and_money_are_told_by_kind() -> None:
    today = usage_answer(caller(), usage(), now_ms=NOW_MS)["usage"]["today"]
    assert today["cache_creation_tokens"] == 3
    assert today["total_tokens"] == 38
    assert (today["cost"], today["actual_cost"]) == (2.0, 3.0)


def test_each_model_has_its_own_totals() -> None:
    (model,) = usage_answer(caller(), usage(), now_ms=NOW_MS)["model_stats"]
    assert (model["model"], model["requests"]) == ("m", 3)
