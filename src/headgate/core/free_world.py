"""Simple mode: the same world, in which nothing costs the caller anything (spec 7.9).

Knows: which facts of groups, accounts, keys and users lead to a charge, a claim on money or a refusal for
money. Refuses to know: who is allowed in (status, expiry, addresses, rates and slots stay as they are), what
accounts cost the operator (multipliers and quotas of accounts stay).
Invariant: whoever passes through here has multiplier 0, no quota, no window and no subscription, so that the
rules of `core.limits` and `core.pricing` need no second mode.
"""

from collections.abc import Iterable
from dataclasses import replace

from headgate.core.ids import GroupId
from headgate.core.world import Account, ApiKey, Group, Provider, UnknownPrice, User


def free_group(group: Group) -> Group:
    """Everybody's, at multiplier 0; a model without a price is served at the default one."""
    return replace(
        group,
        charge_multiplier=0,
        is_subscription=False,
        daily_limit_nano=0,
        weekly_limit_nano=0,
        monthly_limit_nano=0,
        unknown_price=UnknownPrice.DEFAULT,
    )


def shared_accounts(accounts: Iterable[Account], groups: Iterable[Group]) -> tuple[Account, ...]:
    """Each account in every group of its platform: membership does not matter in simple mode."""
    everywhere: dict[Provider, frozenset[GroupId]] = {}
    for group in groups:
        everywhere[group.provider] = everywhere.get(group.provider, frozenset()) | {group.id}
    return tuple(
        replace(account, group_ids=everywhere.get(account.provider, frozenset())) for account in accounts
    )


def free_key(key: ApiKey) -> ApiKey:
    """Without quota and windows; a key that had used its quota up serves again."""
    status = "active" if key.status == "quota_exhausted" else key.status
    return replace(key, status=status, quota_nano=0, windows=())


def free_user(user: User) -> User:
    """Without personal multipliers, which would win over the group's 0."""
    return replace(user, group_multipliers={}, subscriptions={})
