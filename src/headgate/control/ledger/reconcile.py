"""Reconciliation: what we recorded against what a provider bills, per account and day (PAINS 12)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.provider_bill import BillFileInvalid, ProviderLine
from headgate.kit.clock import instant
from headgate.storage.ledger_verify import snapshot
from headgate.storage.metered_calls import (
    KnownAccount,
    MeteredCall,
    metered_by_account_and_day,
    metered_by_model,
    metered_calls,
)
from headgate.storage.scratch_bill import BillRow, ScratchBill, Sums

T = TypeVar("T")

MAX_LISTED = 200
"""Calls listed of each kind; the others are counted."""
_EPOCH = date(1970, 1, 1)
NOTHING = Sums(calls=0, input=0, cache_read=0, cache_write=0, output=0, audio=0, cost_nano=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayComparison:
    """An account on a day."""

    account: int
    day: date
    ours: Sums
    theirs: Sums

    @property
    def token_drift(self) -> float | None:
        """Percent that we are above them; None: they did not say."""
        return drift(self.ours.tokens, self.theirs.tokens)

    @property
    def cost_drift(self) -> float | None:
        return drift(self.ours.cost_nano, self.theirs.cost_nano)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    days: tuple[DayComparison, ...]
    not_named: tuple[int, ...]
    """Accounts of ours that served calls in the period and are not on the bill."""

    @property
    def worst_drift(self) -> float:
        """The largest difference of any day, in percent, tokens or USD; infinite where one side has
        nothing."""
        found = [
            abs(value)
            for day in self.days
            for value in (day.token_drift, day.cost_drift)
            if value is not None
        ]
        return max(found, default=0.0)


@dataclass(slots=True, kw_only=True)
class Unmatched:
    """Calls of one account and day that the two sides do not agree on."""

    only_ours: list[MeteredCall] = field(default_factory=list)
    only_ours_count: int = 0
    only_theirs: list[tuple[str, str, Sums]] = field(default_factory=list)
    """Request id, model, sums."""
    only_theirs_count: int = 0
    different: list[tuple[MeteredCall, Sums]] = field(default_factory=list)
    different_count: int = 0
    matched: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillDown:
    by_model: tuple[tuple[str, Sums, Sums], ...]
    """Model, ours, theirs."""
    unmatched: Unmatched | None
    """None: the bill does not name single calls."""


def drift(ours: int | None, theirs: int | None) -> float | None:
    """Percent; infinite where they have nothing and we have something; None: one side said nothing."""
    if ours is None or theirs is None:
        return None
    if theirs == 0:
        return 0.0 if ours == 0 else float("inf")
    return (ours - theirs) * 100 / theirs


def bill_rows(
    lines: Iterable[ProviderLine], accounts: Sequence[KnownAccount], whole_file: int | None
) -> Iterator[BillRow]:
    """Lines with the account that each is about: the one that its `account` column names, else `whole_file`,
    else the one that is called like the API key. Raises BillFileInvalid."""
    names = _names(accounts)
    for number, line in enumerate(lines, 1):
        account = _account_of(line, names, whole_file)
        if account is None:
            named = line.account or line.key
            who = f"the account {named[:40]!r}" if named else "no account"
            raise BillFileInvalid(
                f"entry {number} names {who}, which is none of ours;"
                " name it like an account, or pass --account for the whole file"
            )
        yield BillRow(
            day=(line.day - _EPOCH).days,
            account=account,
            model=line.model,
            request_id=line.request_id,
            calls=line.calls if line.request_id is None else 1,
            usage=line.usage,
            cost_nano=line.cost_nano,
        )


async def compare(engine: AsyncEngine, bill: ScratchBill, account: int | None) -> Comparison:
    """Every account and day of the bill's period; of one account only if given."""
    period = bill.period()
    if period is None:
        return Comparison(days=(), not_named=())
    theirs = {(number, day): sums for number, day, sums in bill.by_account_and_day()}
    async with snapshot(engine) as connection:
        ours = await metered_by_account_and_day(connection, period)
    billed = {number for number, _ in theirs}
    wanted = billed if account is None else billed & {account}
    days = [
        DayComparison(
            account=number,
            day=_EPOCH + timedelta(days=day),
            ours=ours.get((number, day), NOTHING),
            theirs=theirs.get((number, day), _nothing_like(theirs.values())),
        )
        for number, day in sorted(set(theirs) | set(ours))
        if number in wanted
    ]
    return Comparison(days=tuple(days), not_named=tuple(sorted({number for number, _ in ours} - billed)))


async def drill_down(engine: AsyncEngine, bill: ScratchBill, account: int, day: date) -> DrillDown:
    """One account on one day: by model, and call by call where the bill names calls."""
    number = (day - _EPOCH).days
    theirs = bill.by_model(account, number)
    async with snapshot(engine) as connection:
        ours = await metered_by_model(connection, account, number)
        unmatched = None
        if bill.has_request_ids(account, number):
            unmatched = Unmatched()
            async for call in metered_calls(connection, [account], (number, number)):
                _match(call, bill, unmatched)
            _left_over(bill, account, number, unmatched)
    models = sorted(set(ours) | set(theirs))
    nothing = _nothing_like(theirs.values())
    return DrillDown(
        by_model=tuple((model, ours.get(model, NOTHING), theirs.get(model, nothing)) for model in models),
        unmatched=unmatched,
    )


def day_of(ms: int) -> date:
    return instant(ms).date()


def _match(call: MeteredCall, bill: ScratchBill, found: Unmatched) -> None:
    """A call that consumed nothing and that they do not bill is no difference."""
    theirs = None if call.upstream_request_id is None else bill.take(call.upstream_request_id)
    if theirs is None:
        if call.sums.tokens or call.sums.cost_nano:
            found.only_ours_count += 1
            _keep(found.only_ours, call)
    elif _tokens(theirs) not in (None, _tokens(call.sums)):
        found.different_count += 1
        _keep(found.different, (call, theirs))
    else:
        found.matched += 1


def _left_over(bill: ScratchBill, account: int, day: int, found: Unmatched) -> None:
    for entry in bill.not_taken(account, day):
        found.only_theirs_count += 1
        _keep(found.only_theirs, entry)


def _keep(kept: list[T], entry: T) -> None:
    if len(kept) < MAX_LISTED:
        kept.append(entry)


def _tokens(sums: Sums) -> tuple[int | None, ...] | None:
    if sums.tokens is None:
        return None
    return (sums.input, sums.cache_read, sums.cache_write, sums.output, sums.audio)


def _nothing_like(theirs: Iterable[Sums]) -> Sums:
    """Zeros where the bill says something elsewhere, None where it never does."""
    some = next(iter(theirs), NOTHING)
    return Sums(
        calls=None if some.calls is None else 0,
        input=None if some.input is None else 0,
        cost_nano=None if some.cost_nano is None else 0,
    )


def _names(accounts: Sequence[KnownAccount]) -> Mapping[str, int]:
    """Name or id -> id. A living account's name goes before a deleted one's, a name before an id."""
    names = {str(account.id): account.id for account in accounts}
    for is_deleted in (True, False):
        names.update({a.name: a.id for a in accounts if a.is_deleted is is_deleted})
    return names


def _account_of(line: ProviderLine, names: Mapping[str, int], whole_file: int | None) -> int | None:
    if line.account is not None:
        return names.get(line.account)
    if whole_file is not None:
        return whole_file
    return None if line.key is None else names.get(line.key)
