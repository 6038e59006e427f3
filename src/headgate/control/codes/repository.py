"""SQL about codes. A code changes its state only by an UPDATE that names the state before: of many at once,
one wins."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.codes.terms import ADMIN_BALANCE, ADMIN_CONCURRENCY, BALANCE, CodeTerms
from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.core.money import NANO_PER_USD
from headgate.errors import NotFound
from headgate.storage.models import RedeemCodeRow, UserRow

UNUSED, USED, EXPIRED = "unused", "used", "expired"
_Row = RedeemCodeRow


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeFilter:
    kind: str = ""
    status: str = ""
    search: str = ""
    """Part of the code, or of the e-mail of who used it."""
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeTotals:
    """Codes of one type and state."""

    kind: str
    status: str
    count: int
    value_nano: int


class CodeRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, code_id: int) -> RedeemCodeRow:
        """Raises REDEEM_CODE_NOT_FOUND."""
        return found(await self._one(_Row.id == code_id))

    async def by_text(self, code: str) -> RedeemCodeRow | None:
        return await self._one(_Row.code == code)

    async def add(self, codes: Sequence[str], terms: CodeTerms, **fields: Any) -> Sequence[RedeemCodeRow]:
        """Unused codes, in the order given. A code that exists already is an IntegrityError."""
        rows = [_Row(**_values(code, terms, **fields)) for code in codes]
        self._session.add_all(rows)
        await self._session.flush()
        return rows

    async def add_missing(self, code: str, terms: CodeTerms, **fields: Any) -> None:
        """One unused code, unless the text is taken. Whoever makes the same one waits for the other."""
        is_sqlite = self._session.get_bind().dialect.name == "sqlite"
        statement: Any = (sqlite if is_sqlite else postgresql).insert(_Row)
        values = _values(code, terms, **fields)
        await self._session.execute(statement.values(**values).on_conflict_do_nothing())

    async def add_used(self, **fields: Any) -> None:
        """An audit row."""
        await self._session.execute(insert(_Row).values(status=USED, validity_days=30, **fields))

    async def use(self, code_id: int, *, user_id: int, now: datetime) -> bool:
        """Flip an unused code that is not over; False when it is neither. The caller's transaction holds the
        row from then on."""
        values = {"status": USED, "used_by": user_id, "used_at": now, "updated_at": now}
        return await self._change(values, _Row.id == code_id, is_unused(now)) == 1

    async def expire(self, *which: ColumnElement[bool], now: datetime) -> int:
        """Void unused codes; how many."""
        return await self._change({"status": EXPIRED, "updated_at": now}, _Row.status == UNUSED, *which)

    async def delete_not_used(self, *which: ColumnElement[bool]) -> int:
        """Delete codes that nobody has used; how many. Used ones are history and stay."""
        return await self._count(delete(_Row).where(_Row.status != USED, *which))

    async def page(self, wanted: CodeFilter, paging: Paging, now: datetime) -> tuple[Sequence[Any], int]:
        """(code, user or None) pairs, newest first."""
        query = _filtered(wanted, now)
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.execute(
            query.order_by(_Row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def used_by(
        self, user_id: int, paging: Paging, kind: str = ""
    ) -> tuple[Sequence[RedeemCodeRow], int]:
        """What a user redeemed and what administrators adjusted, newest first."""
        query = select(_Row).where(_Row.used_by == user_id, _Row.status == USED)
        if kind:
            query = query.where(_Row.type == kind)
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(_Row.used_at.desc(), _Row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def recharged_nano(self, user_id: int) -> int:
        """Everything that ever raised the balance, in nano-USD."""
        which = (_Row.used_by == user_id, _Row.status == USED, _Row.value_nano > 0)
        query = select(*_sum_of_values()).where(_Row.type.in_((BALANCE, ADMIN_BALANCE)), *which)
        usd, rest = (await self._session.execute(query)).one()
        return _nano(usd, rest)

    async def totals(self, now: datetime) -> Sequence[CodeTotals]:
        """Counts and values by type and state, without audit rows."""
        is_over = _is_over(now)
        query = (
            select(_Row.type, _Row.status, is_over.label("over"), func.count(), *_sum_of_values())
            .where(_Row.type.not_in((ADMIN_BALANCE, ADMIN_CONCURRENCY)))
            .group_by(_Row.type, _Row.status, is_over)
        )
        return [
            CodeTotals(
                kind=kind, status=EXPIRED if over else status, count=count, value_nano=_nano(usd, rest)
            )
            for kind, status, over, count, usd, rest in await self._session.execute(query)
        ]

    async def _one(self, which: ColumnElement[bool]) -> RedeemCodeRow | None:
        return await self._session.scalar(select(_Row).where(which).execution_options(populate_existing=True))

    async def _change(self, values: dict[str, Any], *which: ColumnElement[bool]) -> int:
        return await self._count(update(_Row).where(*which).values(**values))

    async def _count(self, statement: Any) -> int:
        done = await self._session.execute(statement.execution_options(synchronize_session=False))
        assert isinstance(done, CursorResult)
        return done.rowcount


def found(row: RedeemCodeRow | None) -> RedeemCodeRow:
    """Raises REDEEM_CODE_NOT_FOUND."""
    if row is None:
        raise NotFound("redeem code not found", reason="REDEEM_CODE_NOT_FOUND")
    return row


def is_unused(now: datetime) -> ColumnElement[bool]:
    """Redeemable: neither used nor void, nor past its end."""
    return and_(_Row.status == UNUSED, or_(_Row.expires_at.is_(None), _Row.expires_at > now))


def state_of(row: RedeemCodeRow, now: datetime) -> str:
    """unused, used or expired: a code past its end is expired, whether or not anybody marked it."""
    is_past = row.expires_at is not None and row.expires_at <= now
    return EXPIRED if row.status == UNUSED and is_past else row.status


def _is_over(now: datetime) -> ColumnElement[bool]:
    return and_(_Row.status == UNUSED, _Row.expires_at.is_not(None), _Row.expires_at <= now)


def _filtered(wanted: CodeFilter, now: datetime) -> Select[RedeemCodeRow, UserRow]:
    query = select(_Row, UserRow).outerjoin(UserRow, UserRow.id == _Row.used_by)
    if wanted.kind:
        query = query.where(_Row.type == wanted.kind)
    if wanted.status == UNUSED:
        query = query.where(is_unused(now))
    elif wanted.status == EXPIRED:
        query = query.where(or_(_Row.status == EXPIRED, _is_over(now)))
    elif wanted.status:
        query = query.where(_Row.status == wanted.status)
    if wanted.batch:
        query = query.where(_Row.batch == wanted.batch)
    if wanted.search:
        query = query.where(contains(wanted.search, _Row.code, UserRow.email))
    return query


def _sum_of_values() -> tuple[Any, Any]:
    """Whole dollars and the rest apart: the sum of many large amounts does not fit 64 bits."""
    value = _Row.value_nano
    return func.coalesce(func.sum(value // NANO_PER_USD), 0), func.coalesce(func.sum(value % NANO_PER_USD), 0)


def _nano(usd: Any, rest: Any) -> int:
    return int(usd) * NANO_PER_USD + int(rest)


def _values(code: str, terms: CodeTerms, **fields: Any) -> dict[str, Any]:
    return {
        "code": code,
        "type": terms.kind,
        "value_nano": terms.value_nano,
        "group_id": terms.group_id,
        "validity_days": terms.validity_days,
        "status": UNUSED,
        **fields,
    }
