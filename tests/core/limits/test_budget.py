"""Which bounds must cover a caller, and that no claim is smaller than what the books will move."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.ids import AccountId, GroupId, KeyId, SubscriptionId, UserId
from headgate.core.limits.budget import (
    NO_BUDGET,
    Budget,
    CoverRecord,
    Need,
    SpendingBound,
    account_budget,
    account_spent,
    budget_of,
    charge_of,
)
from headgate.core.pricing.cost import CostLines
from headgate.core.world import (
    Account,
    AccountQuota,
    ApiKey,
    Caller,
    CredentialKind,
    Group,
    KeyWindow,
    OverrunPolicy,
    Provider,
    QuotaBasis,
    Subscription,
    User,
)
from headgate.kit.secret import Secret

NOW = 1_750_000_000_000
KEY = ApiKey(id=KeyId(9), user_id=UserId(3), name="k", group_id=GroupId(2), status="active")
USER = User(id=UserId(3))
GROUP = Group(id=GroupId(2), name="g", provider=Provider.ANTHROPIC)
PLAN = replace(GROUP, is_subscription=True, daily_limit_nano=5, monthly_limit_nano=7)
SUBSCRIBED = replace(
    USER,
    subscriptions={
        GroupId(2): Subscription(
            id=SubscriptionId(4), group_id=GroupId(2), status="active", starts_at_ms=0, expires_at_ms=NOW + 1
        )
    },
)
BALANCE = SpendingBound(name="user:3:balance", basis=QuotaBasis.CHARGE)
AMOUNTS = st.integers(0, 10**15)
MULTIPLIERS = st.integers(1, 10**6)


def names(key: ApiKey = KEY, user: User = USER, group: Group = GROUP, multiplier: int = 10_000) -> list[str]:
    budget = budget_of(Caller(key=key, user=user, group=group), multiplier, now_ms=NOW)
    return [bound.name for bound in budget.bounds]


def cost(list_cost: int, charge: int) -> CostLines:
    return CostLines(
        input=list_cost, output=0, cache_read=0, cache_write=0, list_cost=list_cost, charge=charge,
        account_cost=list_cost, price_version="v", is_default=False,
    )  # fmt: skip


def test_only_the_bounds_that_apply_are_claimed() -> None:
    limited = replace(
        KEY,
        quota_nano=10,
        windows=(
            KeyWindow(name="5h", length_ms=1, limit_nano=1),
            KeyWindow(name="1d", length_ms=1, limit_nano=0),
        ),
    )
    assert names() == ["user:3:balance"]
    assert names(limited) == ["user:3:balance", "key:9:quota", "key:9:5h"]


def test_a_subscription_pays_instead_of_the_balance() -> None:
    assert names(user=SUBSCRIBED, group=PLAN) == ["sub:4:daily", "sub:4:monthly"]


@pytest.mark.parametrize("user", [USER, replace(SUBSCRIBED, subscriptions={
    GroupId(2): Subscription(
        id=SubscriptionId(4), group_id=GroupId(2), status="suspended", starts_at_ms=0, expires_at_ms=NOW + 1
    )
})])  # fmt: skip
def test_without_a_running_subscription_a_plan_has_no_bound_of_its_own(user: User) -> None:
    """Whoever has none was refused before (`check_caller`)."""
    assert names(user=user, group=PLAN) == []


def test_what_is_free_needs_no_budget() -> None:
    caller = Caller(key=replace(KEY, quota_nano=5), user=USER, group=GROUP)
    assert budget_of(caller, 0, now_ms=NOW) is NO_BUDGET


def test_a_balance_may_be_overdrawn_only_where_the_group_says_so() -> None:
    credit = replace(GROUP, overdraft_limit_nano=50)
    for group, overdraft in ((credit, 0), (replace(credit, overrun_policy=OverrunPolicy.OVERDRAFT), 50)):
        (bound,) = budget_of(Caller(key=KEY, user=USER, group=group), 10_000, now_ms=NOW).bounds
        assert bound.overdraft_nano == overdraft


@given(AMOUNTS, MULTIPLIERS)
def test_a_claim_is_never_smaller_than_the_charge(list_nano: int, multiplier: int) -> None:
    budget = Budget(bounds=(BALANCE,), charge_multiplier=multiplier)
    assert budget.amount(BALANCE, list_nano) >= max(1, charge_of(list_nano, multiplier))


@given(AMOUNTS, MULTIPLIERS, st.sampled_from(QuotaBasis))
def test_what_an_amount_buys_is_covered_by_it(nano: int, multiplier: int, basis: QuotaBasis) -> None:
    bound = SpendingBound(name="key:9:quota", basis=basis)
    budget = Budget(bounds=(bound,), charge_multiplier=multiplier)
    bought = budget.bought_by(bound, nano)
    assert budget.amount(bound, bought) <= max(nano, 1)
    assert budget.bought_by(bound, -nano) == 0


def test_a_bound_counts_what_its_basis_says() -> None:
    listed = SpendingBound(name="key:9:quota", basis=QuotaBasis.LIST_COST)
    budget = Budget(bounds=(BALANCE, listed), charge_multiplier=20_000)
    assert budget.spent(cost(100, 200)) == {"user:3:balance": 200, "key:9:quota": 100}
    assert budget.amount(listed, 0) == 1
    assert budget.find("key:9:quota") is listed
    assert listed.kind == "quota"


def test_an_account_counts_its_own_cost() -> None:
    account = Account(
        id=AccountId(1), name="a", provider=Provider.ANTHROPIC, credential_kind=CredentialKind.API_KEY,
        secret=Secret("s"), base_url="https://api.example", cost_multiplier=5_000,
        quota=AccountQuota(total_nano=10, weekly_nano=5),
    )  # fmt: skip
    budget = account_budget(account)
    assert [bound.name for bound in budget.bounds] == ["account:1:quota", "account:1:weekly"]
    assert account_spent(cost(7, 0), budget) == {"account:1:quota": 7, "account:1:weekly": 7}
    assert account_budget(replace(account, quota=None)) is NO_BUDGET
    assert account_budget(replace(account, cost_multiplier=0)) is NO_BUDGET


def need(fixed: int, per_mtok: int, wanted: int = 1000) -> Need:
    return Need(
        budget=NO_BUDGET, fixed_nano=fixed, output_nano_per_mtok=per_mtok, wanted_tokens=wanted,
        plenty_tokens=wanted, floor_tokens=1,
    )  # fmt: skip


@given(st.integers(0, 10**9), st.integers(1, 10**12), AMOUNTS)
def test_tokens_within_a_cost_do_not_cost_more_than_it(fixed: int, per_mtok: int, list_nano: int) -> None:
    asked = need(fixed, per_mtok)
    tokens = asked.tokens_within(list_nano)
    assert tokens == -1 if list_nano < fixed else asked.list_nano(tokens) <= list_nano


def test_output_that_costs_nothing_always_fits() -> None:
    assert need(5, 0).tokens_within(5) == 1000
    assert need(5, 0).tokens_within(4) == -1


def test_what_was_covered_is_on_record() -> None:
    record = CoverRecord()
    for held, spent in ((10, 10), (10, 4), (10, 13), (10, 11)):
        record.note(held, spent)
    assert (record.settled, record.overshot, record.overshot_nano, record.largest_nano) == (4, 2, 4, 3)
