"""SQL about promo codes and who used them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import PromoCodeRow, PromoCodeUsageRow, UserRow

ACTIVE = "active"
_Row, _Usage = PromoCodeRow, PromoCodeUsageRow


@dataclass(frozen=True, slots=True, kw_only=True)
class PromoFilter:
    status: str = ""
    search: str = ""


class PromoRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, promo_id: int) -> PromoCodeRow:
        """Raises PROMO_CODE_NOT_FOUND."""
        return found_promo(await self._one(_Row.id == promo_id))

    async def by_text(self, code: str) -> PromoCodeRow | None:
        return await self._one(_Row.code == code)

    async def page(self, wanted: PromoFilter, paging: Paging) -> tuple[Sequence[PromoCodeRow], int]:
        """Newest first."""
        query = select(_Row)
        if wanted.status:
            query = query.where(_Row.status == wanted.status)
        if wanted.search:
            query = query.where(contains(wanted.search, _Row.code, _Row.notes))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(_Row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def usages(self, promo_id: int, paging: Paging) -> tuple[Sequence[Any], int]:
        """(usage, user) pairs, newest first."""
        query = (
            select(_Usage, UserRow)
            .join(UserRow, UserRow.id == _Usage.user_id)
            .where(_Usage.promo_code_id == promo_id)
        )
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.execute(
            query.order_by(_Usage.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def was_used_by(self, promo_id: int, user_id: int) -> bool:
        return (
            await self._session.scalar(
                select(_Usage.id).where(_Usage.promo_code_id == promo_id, _Usage.user_id == user_id)
            )
            is not None
        )

    async def count_use(self, promo_id: int, now: datetime) -> bool:
        """One use more, unless there is none left; False then. The row is locked from then on."""
        done = await self._session.execute(
            update(_Row)
            .where(_Row.id == promo_id, _is_usable(now))
            .values(used_count=_Row.used_count + 1)
            .execution_options(synchronize_session=False)
        )
        assert isinstance(done, CursorResult)
        return done.rowcount == 1

    async def add_usage(self, promo: PromoCodeRow, user_id: int, now: datetime) -> None:
        self._session.add(
            _Usage(promo_code_id=promo.id, user_id=user_id, bonus_nano=promo.bonus_nano, used_at=now)
        )
        await self._session.flush()

    async def delete(self, promo_id: int) -> None:
        """With its usages; what they gave stays in the ledger."""
        await self._session.execute(delete(_Row).where(_Row.id == promo_id))

    async def _one(self, which: ColumnElement[bool]) -> PromoCodeRow | None:
        return await self._session.scalar(select(_Row).where(which).execution_options(populate_existing=True))


def found_promo(row: PromoCodeRow | None) -> PromoCodeRow:
    """Raises PROMO_CODE_NOT_FOUND."""
    if row is None:
        raise NotFound("promo code not found", reason="PROMO_CODE_NOT_FOUND")
    return row


def _is_usable(now: datetime) -> ColumnElement[bool]:
    has_uses = or_(_Row.max_uses == 0, _Row.used_count < _Row.max_uses)
    return (_Row.status == ACTIVE) & or_(_Row.expires_at.is_(None), _Row.expires_at > now) & has_uses
