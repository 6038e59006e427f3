"""One request explained: trace, records and ledger lines joined by the exchange's id (issue 4, 10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from headgate.control.requests import story
from headgate.control.requests.schemas import AdminExplanationView, ExplanationView, LedgerLineView
from headgate.control.requests.summary import summary
from headgate.control.usage.repository import UsageRepository
from headgate.control.usage.schemas import Named, UserRef
from headgate.control.usage.traces import full_trace
from headgate.control.web.permissions import Permission, may
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.errors import NotFound
from headgate.kit.clock import instant
from headgate.storage.models import (
    AccountRow,
    ApiKeyRow,
    ExchangeTraceRow,
    GroupRow,
    LedgerEntryRow,
    UsageRecordRow,
    UserRow,
)

_SAFE_FAULT = ("kind", "blame")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    exchange_id: str
    user_id: int
    created_at_ms: int
    records: Sequence[UsageRecordRow]
    trace: Mapping[str, Any]
    has_trace: bool
    ledger: Sequence[LedgerEntryRow]

    @property
    def last(self) -> UsageRecordRow | None:
        return self.records[-1] if self.records else None


class RequestService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._usage = UsageRepository(work.session)

    async def explain(self, reference: str) -> AdminExplanationView:
        """By exchange id or record id: refused requests have no record. Raises USAGE_LOG_NOT_FOUND."""
        found = await self._find(reference)
        names = await self._account_names(story.account_ids(found.trace, found.records))
        last = found.last
        told = AdminExplanationView(
            **_common(found),
            fault=story.part(found.trace, "fault"),
            waits=story.waits(found.trace, hides_accounts=False),
            attempts=story.attempts(found.trace, found.records, names),
            ledger=[_line(row) for row in found.ledger],
            user=await self._user(found.user_id),
            api_key=None if last is None else await self._named(ApiKeyRow, last.key_id),
            group=None if last is None else await self._named(GroupRow, last.group_id),
            selections=story.selections(found.trace, names),
            failover=story.parts(found.trace, "failover"),
            facts=story.other_facts(found.trace),
        )
        tells_amounts = may(self._work.actor.role, Permission.AMOUNTS)
        return told.model_copy(update={"summary": summary(told, tells_amounts=tells_amounts)})

    async def explain_own(self, reference: str) -> ExplanationView:
        """Somebody else's request is as unknown as none. Raises USAGE_LOG_NOT_FOUND."""
        found = await self._find(reference)
        if found.user_id != self._work.actor.user_id:
            raise _not_found()
        fault = story.part(found.trace, "fault")
        told = ExplanationView(
            **_common(found),
            fault=None if fault is None else {name: fault[name] for name in _SAFE_FAULT if name in fault},
            waits=story.waits(found.trace, hides_accounts=True),
            attempts=[story.for_user(each) for each in story.attempts(found.trace, found.records, {})],
            ledger=[_line(row) for row in found.ledger if _is_the_user_s(row)],
        )
        return told.model_copy(update={"summary": summary(told)})

    async def _find(self, reference: str) -> _Found:
        exchange_id = reference
        if reference.isascii() and reference.isdigit() and len(reference) <= 18:
            exchange_id = (await self._usage.get(int(reference))).exchange_id
        records = await self._usage.of_exchange(exchange_id)
        stored = await self._work.session.get(ExchangeTraceRow, exchange_id)
        if records:
            user_id, at_ms = records[0].user_id, records[0].created_at_ms
        elif stored is not None:
            user_id, at_ms = stored.user_id, stored.created_at_ms
        else:
            raise _not_found()
        lines = await self._work.session.scalars(
            select(LedgerEntryRow)
            .where(LedgerEntryRow.exchange_id == exchange_id)
            .order_by(LedgerEntryRow.attempt, LedgerEntryRow.id)
        )
        return _Found(
            exchange_id=exchange_id,
            user_id=user_id,
            created_at_ms=at_ms,
            records=records,
            trace=full_trace(None if stored is None else stored.trace),
            has_trace=stored is not None,
            ledger=lines.all(),
        )

    async def _account_names(self, ids: set[int]) -> dict[int, str]:
        found = await self._work.session.execute(
            select(AccountRow.id, AccountRow.name).where(AccountRow.id.in_(ids))
        )
        return {row.id: row.name for row in found}

    async def _named(self, table: type[ApiKeyRow] | type[GroupRow], id_: int) -> Named | None:
        name = await self._work.session.scalar(select(table.name).where(table.id == id_))
        return None if name is None else Named(id=id_, name=name)

    async def _user(self, user_id: int) -> UserRef | None:
        row = await self._work.session.get(UserRow, user_id)
        return None if row is None else UserRef(id=row.id, email=row.email, username=row.username)


def _common(found: _Found) -> dict[str, Any]:
    """What both forms say alike."""
    last = found.last
    answered = story.answered_here(found.trace)
    tariff = story.tariff(found.trace)
    if tariff is None and last is not None:
        tariff = story.tariff_of(last)
    return {
        "request_id": found.exchange_id,
        "model": None if last is None else last.client_model,
        "endpoint": None if last is None else last.inbound_endpoint,
        "created_at": instant(found.created_at_ms),
        "outcome": last.outcome if last is not None else "refused" if answered is None else "answered_here",
        "answered_here": answered,
        "summary": [],
        "has_trace": found.has_trace,
        "session": story.session(found.trace),
        "reserved": story.part(found.trace, "reserved"),
        "tariff": tariff,
    }


def _is_the_user_s(row: LedgerEntryRow) -> bool:
    """What the operator owes its providers is not the user's business."""
    return not any(
        book == "cost" or book.startswith("account:") for book in (row.debit_book, row.credit_book)
    )


def _line(row: LedgerEntryRow) -> LedgerLineView:
    return LedgerLineView(
        id=row.id,
        attempt=row.attempt,
        kind=row.kind,
        from_book=row.debit_book,
        to_book=row.credit_book,
        amount=to_usd(row.amount_nano),
        multiplier=None if row.multiplier is None else row.multiplier / MULTIPLIER_ONE,
        tariff=row.tariff,
        price_version=row.price_version,
        note=row.note,
        created_at=instant(row.created_at_ms),
    )


def _not_found() -> NotFound:
    return NotFound("no request of this id is on record", reason="USAGE_LOG_NOT_FOUND")
