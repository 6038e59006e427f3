"""SQL about egress proxies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import AccountRow, ProxyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyFilter:
    protocol: str = ""
    status: str = ""
    search: str = ""


class ProxyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, proxy_id: int) -> ProxyRow:
        """Raises PROXY_NOT_FOUND."""
        row = await self._session.scalar(
            select(ProxyRow).where(ProxyRow.id == proxy_id, ProxyRow.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("proxy not found", reason="PROXY_NOT_FOUND")
        return row

    async def page(self, wanted: ProxyFilter, paging: Paging) -> tuple[Sequence[ProxyRow], int]:
        query = select(ProxyRow).where(ProxyRow.deleted_at.is_(None))
        if wanted.protocol:
            query = query.where(ProxyRow.protocol == wanted.protocol)
        if wanted.status:
            query = query.where(ProxyRow.status == wanted.status)
        if wanted.search:
            query = query.where(contains(wanted.search, ProxyRow.name))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(ProxyRow.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def active(self) -> Sequence[ProxyRow]:
        rows = await self._session.scalars(
            select(ProxyRow)
            .where(ProxyRow.deleted_at.is_(None), ProxyRow.status == "active")
            .order_by(ProxyRow.id.desc())
        )
        return rows.all()

    async def all(self) -> Sequence[ProxyRow]:
        return (await self._session.scalars(select(ProxyRow).where(ProxyRow.deleted_at.is_(None)))).all()

    async def accounts_of(self, proxy_id: int) -> Sequence[AccountRow]:
        rows = await self._session.scalars(
            select(AccountRow)
            .where(AccountRow.proxy_id == proxy_id, AccountRow.deleted_at.is_(None))
            .order_by(AccountRow.id.desc())
        )
        return rows.all()

    async def account_counts(self, proxy_ids: Sequence[int]) -> Mapping[int, int]:
        rows = await self._session.execute(
            select(AccountRow.proxy_id, func.count())
            .where(AccountRow.proxy_id.in_(proxy_ids), AccountRow.deleted_at.is_(None))
            .group_by(AccountRow.proxy_id)
        )
        return {row[0]: row[1] for row in rows if row[0] is not None}
