"""What settlements move: the ledger's lines and the counters that they raise, the same for both databases.

Who pays: with a subscription its windows, else the user's balance. Invariant: a counter and its book move by
the same amount in the same transaction (`users.balance_nano` and `user:<id>`,
`user_subscriptions.total_used_nano` and `subscription:<id>`, `api_keys.quota_used_nano` and `key:<id>`).
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from headgate.core.money import MULTIPLIER_ONE
from headgate.core.pricing.cost import MAX_AMOUNT, CostLines
from headgate.storage.journal import AccountWindows, Intent, Settlement
from headgate.storage.journal_rows import SUBSCRIPTION_WINDOW_MS, WINDOW_MS, Row

_FAILED = "failed"


@dataclass(slots=True, kw_only=True)
class AccountSpend:
    """Account cost of a group at one account, and the windows that it opens where none is running."""

    nano: int
    windows: AccountWindows


@dataclass(slots=True)
class Money:
    """Movements of a group, summed per row, so that a busy user costs one update per group and not one per
    exchange. Nano-USD by id."""

    users: dict[int, int] = field(default_factory=dict)
    subscriptions: dict[int, int] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)
    """Keys that have a quota or windows; which of them have a quota, the database knows."""
    accounts: dict[int, AccountSpend] = field(default_factory=dict)
    """Accounts that have a quota."""


def counted_nano(settlement: Settlement) -> int:
    """What subscription windows and key quotas count. Nothing for a failed attempt or a free user, whatever
    the list price."""
    intent = settlement.intent
    if intent.quota_basis != "list_cost":
        return settlement.cost.charge
    if settlement.outcome == _FAILED or intent.charge_multiplier == 0:
        return 0
    return settlement.cost.list_cost


def money(settlements: Iterable[Settlement]) -> Money:
    """What leaves each balance and enters each counter. Raises ValueError on an amount that cannot be."""
    sums = Money()
    for settlement in settlements:
        intent, charge = settlement.intent, settlement.cost.charge
        require_possible(settlement.cost)
        counted = counted_nano(settlement)
        if intent.subscription_id is not None:
            _raise(sums.subscriptions, intent.subscription_id, counted)
        else:
            _raise(sums.users, intent.user_id, charge)
        if intent.counts_key:
            _raise(sums.keys, intent.key_id, counted)
        if settlement.account_windows is not None and settlement.cost.account_cost > 0:
            _spend(sums.accounts, intent.account_id, settlement.cost.account_cost, settlement.account_windows)
    return sums


def require_possible(cost: CostLines) -> None:
    """Raises ValueError: a negative or absurd amount must fail as a row, before it reaches a balance. Below
    the limit the sums of a group, and of years, stay inside BIGINT."""
    charge, owed, listed = cost.charge, cost.account_cost, cost.list_cost
    if 0 <= charge <= MAX_AMOUNT and 0 <= owed <= MAX_AMOUNT and 0 <= listed <= MAX_AMOUNT:
        return
    for amount in (charge, owed, listed):
        if not 0 <= amount <= MAX_AMOUNT:
            raise ValueError(f"an amount of {amount} nano-USD cannot be booked")


def ledger_rows(settlements: Iterable[Settlement], keys_with_quota: Collection[int]) -> list[Row]:
    """The lines of settlements that cost something, as `ledger_chain.CHAINED_COLUMNS`: `charge` payer ->
    revenue, `key` key -> usage where the key has a quota, `cost` cost -> account."""
    rows: list[Row] = []
    for settlement in settlements:
        intent, cost = settlement.intent, settlement.cost
        name, attempt, at = intent.exchange_id, intent.attempt, settlement.finished_at_ms
        version, lines = cost.price_version, tariff(cost) if cost.list_cost else ""
        counted = counted_nano(settlement)
        for_list = MULTIPLIER_ONE if intent.quota_basis == "list_cost" else intent.charge_multiplier
        if intent.subscription_id is None:
            paid, factor = cost.charge, intent.charge_multiplier
        else:
            paid, factor = counted, for_list
        if paid > 0:
            book = payer(intent)
            rows.append((
                name, attempt, "charge", book, "revenue", paid, version, lines, factor, "", None, at,
            ))  # fmt: skip
        if counted > 0 and intent.counts_key and intent.key_id in keys_with_quota:
            book = f"key:{intent.key_id}"
            rows.append((
                name, attempt, "key", book, "usage", counted, version, lines, for_list, "", None, at,
            ))  # fmt: skip
        if (owed := cost.account_cost) > 0:
            book, factor = f"account:{intent.account_id}", intent.cost_multiplier
            rows.append((name, attempt, "cost", "cost", book, owed, version, lines, factor, "", None, at))
    return rows


def payer(intent: Intent) -> str:
    """The book that a charge leaves."""
    if intent.subscription_id is not None:
        return f"subscription:{intent.subscription_id}"
    return f"user:{intent.user_id}"


def tariff(cost: CostLines) -> str:
    """The lines that make up the list cost, `input=3600 output=750`; those of 0 are left out."""
    told = f"input={cost.input}" if cost.input else ""
    if cost.output:
        told += f" output={cost.output}"
    if cost.cache_read:
        told += f" cache_read={cost.cache_read}"
    if cost.cache_write:
        told += f" cache_write={cost.cache_write}"
    if cost.other:
        told += f" other={cost.other}"
    return told if cost.input else told[1:]


def key_update(now: str, day: str, delta: str) -> str:
    """SET part that raises a key's counters by `delta`; windows that are over restart (spec 4.5). Arguments
    are SQL terms."""
    limited = "(limit_5h_nano > 0 OR limit_1d_nano > 0 OR limit_7d_nano > 0)"
    parts = [f"quota_used_nano = quota_used_nano + CASE WHEN quota_nano > 0 THEN {delta} ELSE 0 END"]
    for name, start in (("5h", now), ("1d", day), ("7d", day)):
        used, begun = f"used_{name}_nano", f"window_{name}_start"
        over = _is_over(begun, WINDOW_MS[name], now)
        parts.append(
            f"{used} = CASE WHEN NOT {limited} THEN {used} WHEN {over} THEN {delta} ELSE {used} + {delta} END"
        )
        parts.append(f"{begun} = CASE WHEN {limited} AND {over} THEN {start} ELSE {begun} END")
    return ", ".join(parts)


def subscription_update(now: str, day: str, delta: str) -> str:
    """The same for a subscription: every window starts with the operator's day (spec 4.8)."""
    parts = [f"total_used_nano = total_used_nano + {delta}"]
    for name, length in SUBSCRIPTION_WINDOW_MS.items():
        used, begun = f"{name}_used_nano", f"{name}_window_start"
        over = _is_over(begun, length, now)
        parts.append(f"{used} = CASE WHEN {over} THEN {delta} ELSE {used} + {delta} END")
        parts.append(f"{begun} = CASE WHEN {over} THEN {day} ELSE {begun} END")
    return ", ".join(parts)


def account_update(now: str, delta: str, windows: str) -> str:
    """The same for an account's quota; `windows` is a SQL term prefix such as `d.`, before `daily_start`,
    `daily_end`, `weekly_start`, `weekly_end`."""
    parts = [f"quota_used_nano = quota_used_nano + {delta}"]
    for name in ("daily", "weekly"):
        used, start, end = (f"quota_{name}_{what}" for what in ("used_nano", "start", "end"))
        early = f"{start} > {now} + {SUBSCRIPTION_WINDOW_MS[name]}"
        over = f"({end} IS NULL OR {end} <= {now} OR {early})"
        parts.append(f"{used} = CASE WHEN {over} THEN {delta} ELSE {used} + {delta} END")
        parts.append(f"{start} = CASE WHEN {over} THEN {windows}{name}_start ELSE {start} END")
        parts.append(f"{end} = CASE WHEN {over} THEN {windows}{name}_end ELSE {end} END")
    return ", ".join(parts)


def account_crossed(delta: str) -> str:
    """Whether an account's counter has just reached a limit, after `account_update`: selection must see
    it."""
    reached = [
        f"(quota_{name}limit_nano > 0 AND quota_{name}used_nano >= quota_{name}limit_nano"
        f" AND quota_{name}used_nano - {delta} < quota_{name}limit_nano)"
        for name in ("", "daily_", "weekly_")
    ]
    return f"({' OR '.join(reached)})"


KEY_HAS_LIMITS = "(quota_nano > 0 OR limit_5h_nano > 0 OR limit_1d_nano > 0 OR limit_7d_nano > 0)"


KEY_SPENT = "(quota_nano > 0 AND quota_used_nano >= quota_nano AND status = 'active')"
"""After `key_update`: its quota is used up now, and its status does not say so yet."""


def account_rows(accounts: dict[int, AccountSpend]) -> list[Row]:
    """(id, nano-USD, daily start and end, weekly start and end), in id order."""
    return [
        (
            number, spend.nano, spend.windows.daily_start_ms, spend.windows.daily_end_ms,
            spend.windows.weekly_start_ms, spend.windows.weekly_end_ms,
        )
        for number, spend in sorted(accounts.items())
    ]  # fmt: skip


def _is_over(begun: str, length_ms: int, now: str) -> str:
    """Ended, never begun, or begun by a clock that was set back since by more than the window is long."""
    return f"({begun} IS NULL OR {begun} + {length_ms} <= {now} OR {begun} > {now} + {length_ms})"


def _raise(sums: dict[int, int], number: int, amount: int) -> None:
    if amount > 0:
        sums[number] = sums.get(number, 0) + amount


def _spend(accounts: dict[int, AccountSpend], number: int, amount: int, windows: AccountWindows) -> None:
    """The latest settlement's windows stand for the group's."""
    known = accounts.get(number)
    accounts[number] = AccountSpend(nano=amount + (known.nano if known else 0), windows=windows)
