"""Simple mode as a view of the world: nothing costs the caller anything, everything else stays (spec 7.9)."""

from dataclasses import replace

from headgate.core.free_world import free_group, free_key, free_user, shared_accounts
from headgate.core.ids import AccountId, GroupId, KeyId, SubscriptionId, UserId
from headgate.core.limits.admission import charge_multiplier, check_caller
from headgate.core.limits.budget import NO_BUDGET, budget_of
from headgate.core.limits.rate_limit import RateLimit
from headgate.core.limits.windows import HOUR_MS
from headgate.core.world import (
    Account,
    AccountQuota,
    ApiKey,
    Caller,
    CredentialKind,
    Group,
    KeyWindow,
    Provider,
    Subscription,
    UnknownPrice,
    User,
)
from headgate.kit.secret import Secret

NOW = 1_750_000_000_000
PAID = Group(
    id=GroupId(2),
    name="plans",
    provider=Provider.ANTHROPIC,
    is_subscription=True,
    daily_limit_nano=1,
    unknown_price=UnknownPrice.REFUSE,
    rate=RateLimit(requests=7),
)
KEY = ApiKey(
    id=KeyId(9),
    user_id=UserId(3),
    name="k",
    group_id=GroupId(2),
    status="quota_exhausted",
    quota_nano=1,
    windows=(KeyWindow(name="5h", length_ms=5 * HOUR_MS, limit_nano=1),),
    rate=RateLimit(requests=5),
)
USER = User(
    id=UserId(3),
    group_multipliers={GroupId(2): 15_000},
    subscriptions={
        GroupId(2): Subscription(
            id=SubscriptionId(1), group_id=GroupId(2), status="active", starts_at_ms=0, expires_at_ms=1
        )
    },
)


def admitted(key: ApiKey, user: User = USER, ip: str = "192.0.2.1") -> str | None:
    """The code of the refusal; None: admitted."""
    fault = check_caller(free_key(key), free_user(user), free_group(PAID), now_ms=NOW, client_ip=ip)
    return None if fault is None else fault.code


def test_money_refuses_nobody_and_nothing_is_claimed() -> None:
    assert admitted(KEY) is None
    caller = Caller(key=free_key(KEY), user=free_user(USER), group=free_group(PAID))
    assert budget_of(caller, charge_multiplier(caller.user, caller.group), now_ms=NOW) is NO_BUDGET
    assert charge_multiplier(caller.user, caller.group) == 0
    assert not caller.key.is_limited


def test_who_may_not_come_in_stays_out() -> None:
    assert admitted(replace(KEY, status="inactive")) == "API_KEY_DISABLED"
    assert admitted(replace(KEY, status="expired")) == "API_KEY_EXPIRED"
    assert admitted(replace(KEY, expires_at_ms=NOW)) == "API_KEY_EXPIRED"
    assert admitted(replace(KEY, ip_allow=("10.0.0.0/8",))) == "ACCESS_DENIED"
    assert admitted(KEY, replace(USER, is_active=False)) == "USER_INACTIVE"


def test_rates_and_slots_are_no_money_and_stay() -> None:
    assert (free_key(KEY).rate, free_group(PAID).rate) == (KEY.rate, PAID.rate)
    assert free_user(USER).concurrency == USER.concurrency


def test_a_model_without_a_price_is_served() -> None:
    assert free_group(PAID).unknown_price is UnknownPrice.DEFAULT


def test_accounts_serve_every_group_of_their_platform_and_keep_their_own_quota() -> None:
    quota = AccountQuota(total_nano=5)
    account = Account(
        id=AccountId(1),
        name="a",
        provider=Provider.ANTHROPIC,
        credential_kind=CredentialKind.API_KEY,
        secret=Secret("s"),
        base_url="https://api.example",
        cost_multiplier=5_000,
        quota=quota,
    )
    other = replace(account, id=AccountId(2), provider=Provider.OPENAI, group_ids=frozenset({GroupId(2)}))
    groups = [PAID, replace(PAID, id=GroupId(3))]
    ours, theirs = shared_accounts([account, other], groups)
    assert ours.group_ids == {GroupId(2), GroupId(3)}
    assert theirs.group_ids == frozenset()
    assert (ours.quota, ours.cost_multiplier) == (quota, 5_000)
