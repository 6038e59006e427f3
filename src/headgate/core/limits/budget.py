"""Budget: the bounds that must cover an exchange, and how many tokens what is left of them buys (DESIGN 5).

Knows: which bounds apply to a caller, what each of them counts, the arithmetic between list cost, charge and
tokens. Refuses to know: where amounts are held, prices' sources, dialects.
Invariants: a claim is never smaller than what settlement would move for the same list cost; at least one
nano-USD is claimed, so that an empty balance refuses even what rounds to nothing; a multiplier of 0 needs no
budget. Source: spec 4.5, 4.6; docs/decisions/0015-one-rule-for-what-is-counted.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from msgspec.structs import force_setattr

from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT, div_half_even
from headgate.core.pricing.cost import CostLines
from headgate.core.world import Account, Caller, OverrunPolicy, QuotaBasis


class SpendingBound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One limit on what may be spent. `name` as in `ReadModel.load_bounds`."""

    name: str
    basis: QuotaBasis
    limit_nano: int = 0
    """The whole limit; 0: a balance, which has none."""
    overdraft_nano: int = 0
    """How far below zero a running stream may take it."""

    @property
    def kind(self) -> str:
        """`balance`, `quota`, `5h`, `daily` ..."""
        return self.name.rsplit(":", 1)[-1]


class Budget(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All bounds of one caller. Amounts that come in and go out of its methods are list cost, nano-USD."""

    bounds: tuple[SpendingBound, ...]
    charge_multiplier: int
    """Ten-thousandths from list cost to charge."""
    names: tuple[str, ...] = ()
    """Of the bounds, in their order: made here and not with each request."""
    counts_charge: bool = False
    """All of the bounds count the charge, as by default. Made here."""

    def __post_init__(self) -> None:
        force_setattr(self, "names", tuple(bound.name for bound in self.bounds))
        is_charge = all(bound.basis is QuotaBasis.CHARGE for bound in self.bounds)
        force_setattr(self, "counts_charge", is_charge)

    def amount(self, bound: SpendingBound, list_nano: int) -> int:
        """What a list cost takes of a bound: rounded up, at least 1."""
        if bound.basis is QuotaBasis.LIST_COST:
            return list_nano or 1
        return -(-list_nano * self.charge_multiplier // MULTIPLIER_ONE) or 1

    def amounts(self, list_nano: int) -> list[int]:
        """`amount` of every bound, in their order."""
        charge = -(-list_nano * self.charge_multiplier // MULTIPLIER_ONE) or 1
        if self.counts_charge:
            return [charge] * len(self.bounds)
        counted = list_nano or 1
        return [counted if bound.basis is QuotaBasis.LIST_COST else charge for bound in self.bounds]

    def amounts_by_name(self, list_nano: int) -> dict[str, int]:
        """`amounts`, with the bounds' names."""
        if self.counts_charge:
            return dict.fromkeys(self.names, -(-list_nano * self.charge_multiplier // MULTIPLIER_ONE) or 1)
        return dict(zip(self.names, self.amounts(list_nano), strict=True))

    def bought_by(self, bound: SpendingBound, nano: int) -> int:
        """The largest list cost that `nano` of a bound covers; never below 0."""
        if nano <= 0:
            return 0
        if bound.basis is QuotaBasis.LIST_COST:
            return nano
        return nano * MULTIPLIER_ONE // self.charge_multiplier

    def spent(self, cost: CostLines) -> Mapping[str, int]:
        """What the books move on each bound for a settled cost."""
        if self.counts_charge:
            return dict.fromkeys(self.names, cost.charge)
        return {
            bound.name: cost.list_cost if bound.basis is QuotaBasis.LIST_COST else cost.charge
            for bound in self.bounds
        }

    def find(self, name: str) -> SpendingBound:
        return next(bound for bound in self.bounds if bound.name == name)


NO_BUDGET = Budget(bounds=(), charge_multiplier=0)
"""Nothing has to be covered: the caller's requests are free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an exchange asks of its budget at admission: list costs in nano-USD, output in tokens."""

    budget: Budget
    fixed_nano: int
    """The input (estimated high), and whatever else cannot be made smaller."""
    output_nano_per_mtok: int
    wanted_tokens: int
    """Output to cover at first: a slice of a stream, all of an answer in one piece."""
    plenty_tokens: int
    """With at least this much nobody waits for more."""
    floor_tokens: int
    """With less than this the request is refused."""
    likely_nano: int | None = None
    """The fixed part as this conversation's last requests turned out (warm cache); used when the high
    estimate cannot be covered. None: not known."""

    def list_nano(self, tokens: int) -> int:
        """Cost of the fixed part and so many output tokens, rounded up."""
        return self.fixed_nano + output_cost(tokens, self.output_nano_per_mtok)

    def tokens_within(self, list_nano: int) -> int:
        """How many output tokens fit into a list cost beside the fixed part; negative: not even that fits."""
        left = list_nano - self.fixed_nano
        if left < 0:
            return -1
        return (
            self.wanted_tokens
            if self.output_nano_per_mtok <= 0
            else output_within(left, self.output_nano_per_mtok)
        )


def output_cost(tokens: int, nano_per_mtok: int) -> int:
    return -(-tokens * nano_per_mtok // TOKENS_PER_PRICE_UNIT)


def output_within(nano: int, nano_per_mtok: int) -> int:
    return nano * TOKENS_PER_PRICE_UNIT // nano_per_mtok


def budget_of(caller: Caller, charge_multiplier: int, *, now_ms: int) -> Budget:
    """The bounds of a caller who passed `check_caller`: the subscription's windows or the balance, the key's
    quota and windows. `NO_BUDGET` when requests are free."""
    if charge_multiplier == 0:
        return NO_BUDGET
    key, group = caller.key, caller.group
    basis = group.quota_basis
    bounds = list(_paying(caller, now_ms))
    if key.quota_nano > 0:
        bounds.append(SpendingBound(name=f"key:{key.id}:quota", basis=basis, limit_nano=key.quota_nano))
    bounds.extend(
        SpendingBound(name=f"key:{key.id}:{window.name}", basis=basis, limit_nano=window.limit_nano)
        for window in key.windows
        if window.limit_nano > 0
    )
    return Budget(bounds=tuple(bounds), charge_multiplier=charge_multiplier)


def account_budget(account: Account) -> Budget:
    """The account's own quota, which counts list cost x cost multiplier (spec 4.5)."""
    quota = account.quota
    if quota is None or account.cost_multiplier == 0:
        return NO_BUDGET
    limits = (("quota", quota.total_nano), ("daily", quota.daily_nano), ("weekly", quota.weekly_nano))
    return Budget(
        bounds=tuple(
            SpendingBound(name=f"account:{account.id}:{name}", basis=QuotaBasis.CHARGE, limit_nano=limit)
            for name, limit in limits
            if limit > 0
        ),
        charge_multiplier=account.cost_multiplier,
    )


def _paying(caller: Caller, now_ms: int) -> tuple[SpendingBound, ...]:
    group = caller.group
    if not group.is_subscription:
        overdraft = group.overdraft_limit_nano if group.overrun_policy is OverrunPolicy.OVERDRAFT else 0
        return (
            SpendingBound(
                name=f"user:{caller.user.id}:balance", basis=QuotaBasis.CHARGE, overdraft_nano=overdraft
            ),
        )
    subscription = caller.user.subscriptions.get(group.id)
    if subscription is None or not subscription.is_running(now_ms):
        return ()  # refused by `check_caller` before anybody asks for its budget
    limits = (
        ("daily", group.daily_limit_nano),
        ("weekly", group.weekly_limit_nano),
        ("monthly", group.monthly_limit_nano),
    )
    return tuple(
        SpendingBound(name=f"sub:{subscription.id}:{name}", basis=group.quota_basis, limit_nano=limit)
        for name, limit in limits
        if limit > 0
    )


def account_spent(cost: CostLines, budget: Budget) -> Mapping[str, int]:
    """What an attempt's cost moves on the account's bounds."""
    return {bound.name: cost.account_cost for bound in budget.bounds}


def charge_of(list_nano: int, charge_multiplier: int) -> int:
    """The charge for a list cost, rounded as the books round."""
    return div_half_even(list_nano * charge_multiplier, MULTIPLIER_ONE)


@dataclass(slots=True)
class CoverRecord:
    """How settled costs compared with what was held for them: the measured side of the stated bound. List
    cost, nano-USD."""

    settled: int = 0
    overshot: int = 0
    """Exchanges that cost more than was held."""
    overshot_nano: int = 0
    largest_nano: int = 0

    def note(self, held_nano: int, cost_nano: int) -> None:
        self.settled += 1
        beyond = cost_nano - held_nano
        if beyond > 0:
            self.overshot += 1
            self.overshot_nano += beyond
            self.largest_nano = max(self.largest_nano, beyond)
