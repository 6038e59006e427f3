"""The journal: the only writer of the books, in groups (DESIGN 5).

Contract, implemented by `journal_group.GroupJournal` over `journal_sqlite.py` or `journal_postgres.py`,
opened by `journal_opening.open_journal`. Many exchanges share one transaction; `await` returns only after
the commit. An intent row exists before the upstream call; a settlement deletes it and writes usage record,
ledger entries and balance movements in the same transaction.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec

from headgate.core.ids import AccountId, ExchangeId, GroupId, KeyId, SubscriptionId, UserId
from headgate.core.pricing.cost import CostLines
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource

__all__ = [
    "CostLines", "Intent", "Journal", "Progress", "RowRefused", "Settlement", "StorageUnavailable",
]  # fmt: skip


class Intent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An upstream call about to be made. Columns of `usage_intents`."""

    exchange_id: ExchangeId
    attempt: int
    user_id: UserId
    key_id: KeyId
    group_id: GroupId
    account_id: AccountId
    dialect: str
    endpoint: str
    client_model: str
    upstream_model: str
    is_stream: bool
    charge_multiplier: int
    cost_multiplier: int
    input_estimate: int
    started_at_ms: int
    subscription_id: SubscriptionId | None = None
    """Whose windows pay; None: the balance pays."""
    counts_key: bool = False
    """The key has a quota or windows, which the charge raises."""
    quota_basis: str = "charge"
    """What windows and key quotas count: charge | list_cost."""


class AccountWindows(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The windows that a cost opens when none is running: start and end, Unix ms
    (`core.limits.windows.account_windows`)."""

    daily_start_ms: int
    daily_end_ms: int
    weekly_start_ms: int
    weekly_end_ms: int


class Settlement(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An attempt's end. `trace` (JSON) is written once per exchange, with its last attempt; else None."""

    intent: Intent
    outcome: str
    usage: TokenUsage
    source: UsageSource
    cost: CostLines
    fault: str | None
    upstream_request_id: str | None
    served_model: str | None
    upstream_endpoint: str
    service_tier: str | None
    reasoning_effort: str | None
    duration_ms: int
    first_byte_ms: int | None
    user_agent: str
    client_ip: str
    finished_at_ms: int
    trace: bytes | None
    review: str | None = None
    """Why somebody should look at the record: estimated | default_price | implausible."""
    quarantined: bytes | None = None
    """JSON of a reported usage that nobody can believe; `usage` is then the estimate."""
    account_windows: AccountWindows | None = None
    """None: the account has no quota."""
    cache_saved_nano: int = 0
    cache_lost_nano: int = 0
    moved_because: str | None = None
    """Why the conversation was not answered by its own account."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIntent:
    """An intent that a process left open when it died."""

    intent: Intent
    process: str
    usage: TokenUsage = NO_USAGE
    """What the provider had said when progress was last noted (`Journal.note_progress`); nothing for short
    calls."""
    upstream_request_id: str | None = None


class Progress(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of a call that is still under way: only what the provider said, never an estimate."""

    exchange_id: ExchangeId
    attempt: int
    usage: TokenUsage
    upstream_request_id: str | None


class StorageUnavailable(OSError):
    """The database did not do it within the deadline."""


class StorageLate(StorageUnavailable):
    """It was not done within the deadline, but the database answers: too much waits for it. No outage."""


class RowRefused(StorageUnavailable):
    """The database refuses the row itself (a number out of range, say): trying again cannot help."""


class Journal(Protocol):
    async def open_intent(self, intent: Intent) -> None:
        """Durable before it returns. Raises StorageUnavailable (StorageLate while the database commits for
        others): then the upstream call must not be made, and no intent stays behind."""
        ...

    async def settle(self, settlement: Settlement) -> None:
        """Exactly once: a second settlement of the same (exchange, attempt) changes nothing. In the same
        transaction: the intent is deleted; the usage record inserted; when charge > 0 one `charge` entry
        user:<id> -> revenue and users.balance_nano lowered, key quota and 5h/1d/7d windows raised (spec
        4.5); when account_cost > 0 one `cost` entry cost -> account:<id>; last_used_at of key and account.

        Raises StorageUnavailable when the commit takes longer than the deadline: the settlement is then still
        queued and is written when the database is back. Once called it is kept, even if the caller is
        cancelled."""
        ...

    def note_progress(self, progress: Progress) -> None:
        """Keep what is known of an open intent for recovery; it replaces what was noted before. Written with
        the next group, not awaited, and dropped when the queue is full: a later note says more anyway."""
        ...

    async def write_trace(
        self, exchange_id: ExchangeId, user_id: UserId, trace: bytes, created_at_ms: int
    ) -> None:
        """The trace of an exchange that made no upstream call (refused); not awaited for durability."""
        ...

    async def mark_account(
        self,
        account_id: AccountId,
        *,
        error: str | None = None,
        rate_limited_until_ms: int | None = None,
        overloaded_until_ms: int | None = None,
        reason: str = "",
        is_recovered: bool = False,
        is_limit_over: bool = False,
        excluded_until_ms: int | None = None,
    ) -> None:
        """Persist an account's state change (spec 3.10): `error` sets status error; the others only extend a
        cooldown; `is_recovered` ends an overload early, `is_limit_over` a rate
        limit. `excluded_until_ms` is a temporary
        exclusion, whose `reason` is kept as it is. Raises StorageUnavailable like `settle`."""
        ...

    async def open_intents(self) -> Sequence[OpenIntent]:
        """Intents of other processes that are not seen to live: what crashes left open, oldest first. On
        PostgreSQL the process's journal connection proves life, on SQLite there is one process."""
        ...

    def lag_s(self) -> float:
        """Age of the oldest operation that is not committed yet; 0 when idle (metric: settlement lag)."""
        ...

    async def close(self) -> None:
        """Commit what is queued, then stop."""
        ...
