"""SQL about customer keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Select, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import NotFound
from headgate.storage.models import ApiKeyRow, RetiredKeyRow


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyFilter:
    search: str = ""
    status: str = ""
    group_id: int | None = None
    """0: keys without a group."""
    parent_id: int | None = None
    """Children of this key."""


class KeyRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def get(self, key_id: int) -> ApiKeyRow:
        """Raises API_KEY_NOT_FOUND."""
        row = await self._session.scalar(
            select(ApiKeyRow).where(ApiKeyRow.id == key_id, ApiKeyRow.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("api key not found", reason="API_KEY_NOT_FOUND")
        return row

    async def by_hash(self, key_hash: bytes) -> ApiKeyRow | None:
        """Deleted and replaced ones too: a key is never given out twice."""
        retired = select(RetiredKeyRow.key_id).where(RetiredKeyRow.key_hash == key_hash)
        query = select(ApiKeyRow).where(or_(ApiKeyRow.key_hash == key_hash, ApiKeyRow.id.in_(retired)))
        return await self._session.scalar(query.limit(1))

    async def page_of_user(
        self, user_id: int, paging: Paging, wanted: KeyFilter | None = None
    ) -> tuple[Sequence[ApiKeyRow], int]:
        query = select(ApiKeyRow).where(ApiKeyRow.user_id == user_id, ApiKeyRow.deleted_at.is_(None))
        if wanted is not None:
            query = _filtered(query, wanted)
        return await self._page(query, paging)

    async def page_of_group(self, group_id: int, paging: Paging) -> tuple[Sequence[ApiKeyRow], int]:
        query = select(ApiKeyRow).where(ApiKeyRow.group_id == group_id, ApiKeyRow.deleted_at.is_(None))
        return await self._page(query, paging)

    async def counts_of_group(self, group_id: int) -> tuple[int, int]:
        """All, and those that are active."""
        is_active = case((ApiKeyRow.status == "active", 1), else_=0)
        query = select(func.count(), func.sum(is_active)).where(
            ApiKeyRow.group_id == group_id, ApiKeyRow.deleted_at.is_(None)
        )
        total, active = (await self._session.execute(query)).one()
        return total, int(active or 0)

    async def _page(self, query: Select[ApiKeyRow], paging: Paging) -> tuple[Sequence[ApiKeyRow], int]:
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(ApiKeyRow.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0


def _filtered(query: Select[ApiKeyRow], wanted: KeyFilter) -> Select[ApiKeyRow]:
    if wanted.search:
        query = query.where(contains(wanted.search, ApiKeyRow.name, ApiKeyRow.key_prefix))
    if wanted.status:
        query = query.where(ApiKeyRow.status == wanted.status)
    if wanted.group_id is not None:
        query = query.where(
            ApiKeyRow.group_id.is_(None) if wanted.group_id == 0 else ApiKeyRow.group_id == wanted.group_id
        )
    if wanted.parent_id is not None:
        query = query.where(ApiKeyRow.parent_id == wanted.parent_id)
    return query
