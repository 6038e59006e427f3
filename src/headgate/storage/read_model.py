"""What the data plane reads: the directory snapshot, single keys, spending bounds, a key's usage.

Few queries, values of `core` out, no rows. Every method raises `StorageUnavailable` when the database
cannot answer.
"""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from headgate.core.ids import AccountId, KeyId, SubscriptionId
from headgate.core.pricing.book import NO_LIST, Dates, PriceList
from headgate.core.world import Account, ApiKey, ErrorRule, Group, User
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.crypto import Vault
from headgate.storage import directory_rows as mapping
from headgate.storage.journal import StorageLate, StorageUnavailable
from headgate.storage.journal_rows import HOUR_MS, SUBSCRIPTION_WINDOW_MS, WINDOW_MS
from headgate.storage.models import (
    AccountGroupRow,
    AccountRow,
    ApiKeyRow,
    DirectoryVersionRow,
    ErrorRuleRow,
    GroupRow,
    PriceOverrideRow,
    ProxyRow,
    RetiredKeyRow,
    SettingRow,
    SubscriptionRow,
    UsageRecordRow,
    UserGroupMultiplierRow,
    UserRow,
)
from headgate.storage.price_files import ACTIVE, parse_active, read_prices

UNBOUNDED = 2**62
"""Settled value of a bound that has no limit."""
_DAY_MS = 24 * HOUR_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryData:
    """One consistent picture of what the operator configured."""

    version: int
    groups: tuple[Group, ...] = ()
    accounts: tuple[Account, ...] = ()
    price_overrides: Mapping[str, Dates] = field(default_factory=dict)
    price_file: PriceList = NO_LIST
    """The prices of the file in use, whether or not this process is configured to use one."""
    settings: Mapping[str, str] = field(default_factory=dict)
    error_rules: tuple[ErrorRule, ...] = ()
    """Enabled ones, in the order in which they are asked."""

    @classmethod
    def empty(cls) -> "DirectoryData":
        return cls(version=-1)


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotals:
    """Sums over usage records: tokens by bucket, nano-USD."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    list_cost_nano: int = 0
    charge_nano: int = 0

    @property
    def tokens(self) -> int:
        return self.input + self.output + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyUsage:
    """Everything GET /v1/usage shows about a key (spec 2.10). Failed attempts are not the user's and not
    counted."""

    today: UsageTotals
    total: UsageTotals
    average_duration_ms: int
    requests_last_minute: int
    tokens_last_minute: int
    models: tuple[tuple[str, UsageTotals], ...]
    """Client model and its totals within the period asked for, dearest first."""
    balance_nano: int
    quota_used_nano: int
    windows: tuple[tuple[int, int | None], ...]
    """(used, start in ms) of each window that has a limit, in the order of `ApiKey.windows`."""
    subscription_used_nano: tuple[int, int, int] | None = None
    """Of the running daily, weekly and monthly window; None: no subscription was asked about, or it is
    gone."""


class ReadModel:
    def __init__(self, engine: AsyncEngine, vault: Vault, clock: Clock | None = None) -> None:
        self._engine = engine
        self._vault = vault
        self._clock = clock or SystemClock()
        self._price_file = NO_LIST

    async def directory_version(self) -> int:
        async with self._reading() as session:
            return await _version(session)

    async def load_directory(self) -> DirectoryData:
        """The version is read first: a change while we read makes the caller read again, never miss it."""
        async with self._reading() as session:
            version = await _version(session)
            groups = await session.scalars(select(GroupRow).where(GroupRow.deleted_at.is_(None)))
            accounts = await self._accounts(session)
            prices = await session.scalars(select(PriceOverrideRow))
            found = await session.execute(select(SettingRow.key, SettingRow.value))
            settings = dict(found.all())
            rules = await session.scalars(
                select(ErrorRuleRow)
                .where(ErrorRuleRow.enabled)
                .order_by(ErrorRuleRow.priority, ErrorRuleRow.id)
            )
            return DirectoryData(
                version=version,
                groups=tuple(group for row in groups if (group := mapping.group_from(row)) is not None),
                accounts=accounts,
                price_overrides=mapping.overrides_from(prices),
                price_file=await self._file_in_use(session, settings),
                settings=settings,
                error_rules=tuple(mapping.error_rule_from(row) for row in rules),
            )

    async def _file_in_use(self, session: AsyncSession, settings: Mapping[str, str]) -> PriceList:
        """Read once per file: it holds thousands of prices."""
        active = parse_active(settings.get(ACTIVE))
        if active is None:
            return NO_LIST
        if active.digest != self._price_file.digest:
            self._price_file = await read_prices(session, active.digest)
        return self._price_file

    async def load_key(self, key_hash: bytes) -> tuple[ApiKey, User] | None:
        """The key with this keyed hash and its owner; None when there is none, or either is deleted."""
        query = (
            select(ApiKeyRow, UserRow)
            .join(UserRow, UserRow.id == ApiKeyRow.user_id)
            .where(ApiKeyRow.deleted_at.is_(None), UserRow.deleted_at.is_(None))
        )
        async with self._reading() as session:
            found = (await session.execute(query.where(ApiKeyRow.key_hash == key_hash))).one_or_none()
            retired = None if found is not None else await session.get(RetiredKeyRow, key_hash)
            if retired is not None:
                found = (await session.execute(query.where(ApiKeyRow.id == retired.key_id))).one_or_none()
            if found is None:
                return None
            key, user = found
            personal = UserGroupMultiplierRow
            multipliers = await session.execute(
                select(personal.group_id, personal.charge_multiplier).where(personal.user_id == user.id)
            )
            mine = SubscriptionRow
            subscriptions = await session.scalars(
                select(mine).where(mine.user_id == user.id, mine.deleted_at.is_(None))
            )
            until = None if retired is None else retired.valid_until
            return mapping.key_from(key, secret_until=until), mapping.user_from(
                user, dict(multipliers.all()), subscriptions.all()
            )

    async def load_bounds(self, bounds: Sequence[str]) -> Mapping[str, int]:
        """Settled value, in nano-USD, of bounds named `user:<id>:balance`, `key:<id>:quota`,
        `key:<id>:5h|1d|7d`, `sub:<id>:daily|weekly|monthly`, `account:<id>:quota|daily|weekly`.

        What is left to spend; below zero when overdrawn; 0 for a row that does not exist; `UNBOUNDED` where
        there is no such limit. Raises ValueError on any other name."""
        parsed = [_bound(name) for name in bounds]
        now_ms = self._clock.now_ms()
        rows: dict[str, dict[int, Any]] = {}
        async with self._reading() as session:
            for kind, table in _BOUND_TABLES.items():
                rows[kind] = await _by_id(session, table, {number for k, number, _ in parsed if k == kind})
            groups = await _by_id(session, GroupRow, {row.group_id for row in rows["sub"].values()})
        left: dict[str, int] = {}
        for name, (kind, number, what) in zip(bounds, parsed, strict=True):
            row = rows[kind].get(number)
            if row is None:
                left[name] = 0
            elif kind == "sub":
                left[name] = _subscription_left(row, groups[row.group_id], what, now_ms)
            else:
                left[name] = _LEFT[kind](row, what, now_ms)
        return left

    async def account_list_cost(self, account_id: AccountId, *, since_ms: int) -> int:
        """List cost, in nano-USD, of what the account served since then."""
        record = UsageRecordRow
        async with self._reading() as session:
            spent = await session.scalar(
                select(func.sum(record.list_cost_nano)).where(
                    record.account_id == account_id, record.created_at_ms >= since_ms
                )
            )
        return int(spent or 0)

    async def bound_resets_at(self, bound: str) -> int | None:
        """When a limit begins anew (Unix ms): the end of the running window; None when it never does, or no
        window is running. Raises ValueError on a name that `load_bounds` does not know."""
        kind, number, what = _bound(bound)
        if what in ("balance", "quota"):
            return None  # without asking: a crowd that is refused must not queue for the database
        now_ms = self._clock.now_ms()
        async with self._reading() as session:
            row = (await _by_id(session, _BOUND_TABLES[kind], [number])).get(number)
        if row is None:
            return None
        if kind == "account":
            return mapping.account_quota_used(row, what, now_ms)[1]
        used = mapping.window_used if kind == "key" else mapping.subscription_used
        lengths = WINDOW_MS if kind == "key" else SUBSCRIPTION_WINDOW_MS
        started_ms = used(row, what, now_ms)[1]
        return None if started_ms is None else started_ms + lengths[what]

    async def key_usage(
        self, key_id: KeyId, *, since_ms: int, until_ms: int, subscription_id: SubscriptionId | None = None
    ) -> KeyUsage:
        """Usage of an existing key; `since_ms` (inclusive) to `until_ms` (exclusive) limits `models` only."""
        now_ms = self._clock.now_ms()
        record = UsageRecordRow
        async with self._reading() as session:
            row, balance = await _key_and_balance(session, key_id)
            mine = (record.user_id == row.user_id, record.key_id == key_id, record.outcome != "failed")
            today_ms = now_ms - now_ms % _DAY_MS
            last_minute = await _totals(session, *mine, record.created_at_ms > now_ms - 60_000)
            average = await session.scalar(select(func.avg(record.duration_ms)).where(*mine))
            return KeyUsage(
                today=await _totals(session, *mine, record.created_at_ms >= today_ms),
                total=await _totals(session, *mine),
                average_duration_ms=round(average or 0),
                requests_last_minute=last_minute.requests,
                tokens_last_minute=last_minute.tokens,
                models=await _by_model(
                    session, *mine, record.created_at_ms >= since_ms, record.created_at_ms < until_ms
                ),
                balance_nano=balance,
                quota_used_nano=row.quota_used_nano,
                windows=tuple(
                    mapping.window_used(row, window.name, now_ms) for window in mapping.key_from(row).windows
                ),
                subscription_used_nano=await _subscription_used(session, subscription_id, now_ms),
            )

    async def _accounts(self, session: AsyncSession) -> tuple[Account, ...]:
        groups: dict[int, list[int]] = {}
        for account_id, group_id in await session.execute(
            select(AccountGroupRow.account_id, AccountGroupRow.group_id)
        ):
            groups.setdefault(account_id, []).append(group_id)
        proxies = {row.id: row for row in await session.scalars(select(ProxyRow))}
        rows = await session.scalars(
            select(AccountRow).where(AccountRow.deleted_at.is_(None)).order_by(AccountRow.id)
        )
        accounts = (
            mapping.account_from(
                row,
                group_ids=groups.get(row.id, ()),
                proxy=None if row.proxy_id is None else proxies[row.proxy_id],
                vault=self._vault,
            )
            for row in rows
        )
        return tuple(account for account in accounts if account is not None)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncSession]:
        try:
            async with AsyncSession(self._engine) as session:
                yield session
        except PoolTimeout:  # others have the connections; if the database is away, they will say so
            raise StorageLate("all database connections are in use") from None
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailable(f"the database did not answer: {type(error).__name__}") from None


def _bound(name: str) -> tuple[str, int, str]:
    match name.split(":"):
        case ["user", number, "balance"]:
            return "user", int(number), "balance"
        case ["key", number, ("quota" | "5h" | "1d" | "7d") as what]:
            return "key", int(number), what
        case ["sub", number, ("daily" | "weekly" | "monthly") as what]:
            return "sub", int(number), what
        case ["account", number, ("quota" | "daily" | "weekly") as what]:
            return "account", int(number), what
    raise ValueError(f"unknown bound {name!r}")


def _key_left(row: ApiKeyRow, what: str, now_ms: int) -> int:
    limit: int = row.quota_nano if what == "quota" else getattr(row, f"limit_{what}_nano")
    if limit <= 0:
        return UNBOUNDED
    return limit - (row.quota_used_nano if what == "quota" else mapping.window_used(row, what, now_ms)[0])


def _balance_left(row: UserRow, what: str, now_ms: int) -> int:
    return row.balance_nano


def _account_left(row: AccountRow, what: str, now_ms: int) -> int:
    limit: int = row.quota_limit_nano if what == "quota" else getattr(row, f"quota_{what}_limit_nano")
    return UNBOUNDED if limit <= 0 else limit - mapping.account_quota_used(row, what, now_ms)[0]


def _subscription_left(row: SubscriptionRow, group: GroupRow, what: str, now_ms: int) -> int:
    """Nothing where the subscription is over: a bound never outlives it."""
    if row.deleted_at is not None or row.status != "active" or (mapping.ms(row.expires_at) or 0) <= now_ms:
        return 0
    limit: int | None = getattr(group, f"{what}_limit_nano")
    if limit is None or limit <= 0:
        return UNBOUNDED
    return limit - mapping.subscription_used(row, what, now_ms)[0]


_BOUND_TABLES: Mapping[str, Any] = {
    "user": UserRow,
    "key": ApiKeyRow,
    "sub": SubscriptionRow,
    "account": AccountRow,
}
_LEFT: Mapping[str, Callable[[Any, str, int], int]] = {
    "user": _balance_left,
    "key": _key_left,
    "account": _account_left,
}


async def _version(session: AsyncSession) -> int:
    return await session.scalar(select(DirectoryVersionRow.version).where(DirectoryVersionRow.id == 1)) or 0


async def _by_id(session: AsyncSession, table: Any, ids: Iterable[int]) -> dict[int, Any]:
    wanted = sorted(ids)
    if not wanted:
        return {}
    return {row.id: row for row in await session.scalars(select(table).where(table.id.in_(wanted)))}


async def _key_and_balance(session: AsyncSession, key_id: int) -> tuple[ApiKeyRow, int]:
    query = select(ApiKeyRow, UserRow.balance_nano).join(UserRow, UserRow.id == ApiKeyRow.user_id)
    key, balance = (await session.execute(query.where(ApiKeyRow.id == key_id))).one()
    return key, balance


async def _subscription_used(
    session: AsyncSession, subscription_id: int | None, now_ms: int
) -> tuple[int, int, int] | None:
    row = None if subscription_id is None else await session.get(SubscriptionRow, subscription_id)
    if row is None or row.deleted_at is not None:
        return None
    daily, weekly, monthly = (
        mapping.subscription_used(row, name, now_ms)[0] for name in ("daily", "weekly", "monthly")
    )
    return daily, weekly, monthly


def _sums() -> tuple[ColumnElement[Any], ...]:
    record = UsageRecordRow
    columns = (
        record.input_tokens + record.audio_input_tokens, record.output_tokens + record.audio_output_tokens,
        record.cache_read_tokens, record.cache_write_5m_tokens,
        record.cache_write_1h_tokens, record.list_cost_nano, record.charge_nano,
    )  # fmt: skip
    return (func.count(), *(func.coalesce(func.sum(column), 0) for column in columns))


def _totals_from(row: Sequence[Any]) -> UsageTotals:
    """PostgreSQL sums BIGINT as NUMERIC: back to int."""
    requests, tokens_in, tokens_out, cache_read, write_5m, write_1h, list_cost, charge = (
        int(value) for value in row
    )
    return UsageTotals(
        requests=requests,
        input=tokens_in,
        output=tokens_out,
        cache_read=cache_read,
        cache_write_5m=write_5m,
        cache_write_1h=write_1h,
        list_cost_nano=list_cost,
        charge_nano=charge,
    )


async def _totals(session: AsyncSession, *where: ColumnElement[bool]) -> UsageTotals:
    return _totals_from((await session.execute(select(*_sums()).where(*where))).one())


async def _by_model(
    session: AsyncSession, *where: ColumnElement[bool]
) -> tuple[tuple[str, UsageTotals], ...]:
    model = UsageRecordRow.client_model
    query = select(model, *_sums()).where(*where).group_by(model)
    found = [(row[0], _totals_from(row[1:])) for row in await session.execute(query)]
    return tuple(sorted(found, key=lambda entry: (-entry[1].charge_nano, entry[0])))
