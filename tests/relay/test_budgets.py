"""The bounds of a key are those of its snapshot, however often they are asked for."""

from dataclasses import replace

from headgate.core.ids import GroupId, KeyId, SubscriptionId, UserId
from headgate.core.limits.budget import NO_BUDGET, budget_of
from headgate.core.world import ApiKey, Caller, Group, KeyWindow, Provider, QuotaBasis, Subscription, User
from headgate.relay.budgets import Budgets

NOW = 1_750_000_000_000
KEY = ApiKey(
    id=KeyId(1), user_id=UserId(2), name="k", group_id=GroupId(3), status="active", quota_nano=10,
    windows=(KeyWindow(name="5h", length_ms=1, limit_nano=5),),
)  # fmt: skip
USER = User(id=UserId(2))
GROUP = Group(id=GroupId(3), name="g", provider=Provider.ANTHROPIC)
CALLER = Caller(key=KEY, user=USER, group=GROUP)


def names(budgets: Budgets, caller: Caller, multiplier: int = 10_000, *, now_ms: int = NOW) -> list[str]:
    return [bound.name for bound in budgets.of(caller, multiplier, now_ms=now_ms).bounds]


def test_they_are_made_once_for_the_same_key_user_and_group() -> None:
    budgets = Budgets()
    first = budgets.of(CALLER, 10_000, now_ms=NOW)
    again = budgets.of(Caller(key=KEY, user=USER, group=GROUP), 10_000, now_ms=NOW + 1)
    assert again is first
    assert first == budget_of(CALLER, 10_000, now_ms=NOW)


def test_a_new_snapshot_of_any_of_the_three_counts_at_once() -> None:
    budgets = Budgets()
    assert names(budgets, CALLER) == ["user:2:balance", "key:1:quota", "key:1:5h"]
    without = Caller(key=replace(KEY, quota_nano=0), user=USER, group=GROUP)
    assert names(budgets, without) == ["user:2:balance", "key:1:5h"]
    by_list = Caller(key=KEY, user=USER, group=replace(GROUP, quota_basis=QuotaBasis.LIST_COST))
    assert budgets.of(by_list, 10_000, now_ms=NOW).bounds[1].basis is QuotaBasis.LIST_COST
    other = Caller(key=KEY, user=replace(USER, id=UserId(9)), group=GROUP)
    assert names(budgets, other)[0] == "user:9:balance"


def test_another_multiplier_is_another_budget() -> None:
    budgets = Budgets()
    assert budgets.of(CALLER, 10_000, now_ms=NOW).charge_multiplier == 10_000
    assert budgets.of(CALLER, 25_000, now_ms=NOW).charge_multiplier == 25_000
    assert budgets.of(CALLER, 0, now_ms=NOW) is NO_BUDGET


def test_a_subscription_that_has_ended_is_no_longer_a_bound() -> None:
    budgets = Budgets()
    group = replace(GROUP, is_subscription=True, daily_limit_nano=7)
    plan = Subscription(
        id=SubscriptionId(4),
        group_id=group.id,
        status="active",
        starts_at_ms=NOW - 10,
        expires_at_ms=NOW + 10,
    )
    caller = Caller(
        key=replace(KEY, quota_nano=0, windows=()),
        user=User(id=UserId(2), subscriptions={group.id: plan}),
        group=group,
    )
    assert names(budgets, caller) == ["sub:4:daily"]
    assert names(budgets, caller, now_ms=NOW + 10) == []
