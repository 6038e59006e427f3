"""SQL of the audit log."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import CursorResult, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.storage.models import AuditLogRow

_Row = AuditLogRow


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFilter:
    actor_id: int | None = None
    actor: str = ""
    """Part of an e-mail, or an actor kind."""
    action: str = ""
    target_kind: str = ""
    target_id: str = ""
    outcome: str = ""
    since_ms: int | None = None
    until_ms: int | None = None
    """Not included."""
    search: str = ""
    hides_amounts: bool = False
    """Then `search` does not look into documents: who may not see an amount cannot find it by guessing."""


class AuditRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, wanted: AuditFilter, paging: Paging) -> tuple[Sequence[AuditLogRow], int]:
        """Newest first."""
        query = select(_Row)
        for column, exact in (
            (_Row.target_kind, wanted.target_kind),
            (_Row.target_id, wanted.target_id),
            (_Row.outcome, wanted.outcome),
        ):
            if exact:
                query = query.where(column == exact)
        if wanted.actor_id is not None:
            query = query.where(_Row.actor_id == wanted.actor_id)
        if wanted.actor:
            query = query.where(contains(wanted.actor, _Row.actor_email) | (_Row.actor_kind == wanted.actor))
        if wanted.action:
            query = query.where(contains(wanted.action, _Row.action))
        if wanted.since_ms is not None:
            query = query.where(_Row.at_ms >= wanted.since_ms)
        if wanted.until_ms is not None:
            query = query.where(_Row.at_ms < wanted.until_ms)
        if wanted.search:
            searched = _NAMES if wanted.hides_amounts else (*_NAMES, *_DOCUMENTS)
            query = query.where(contains(wanted.search, *searched))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(_Row.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def delete_before(self, at_ms: int, *, limit: int) -> int:
        """How many went, the oldest first."""
        oldest = select(_Row.id).where(_Row.at_ms < at_ms).order_by(_Row.at_ms).limit(limit)
        result = await self._session.execute(
            delete(_Row)
            .where(_Row.id.in_(oldest.scalar_subquery()))
            .execution_options(synchronize_session=False)
        )
        assert isinstance(result, CursorResult)
        return result.rowcount


_NAMES = (_Row.actor_email, _Row.address, _Row.action, _Row.request_id, _Row.reason)
_DOCUMENTS = (_Row.asked, _Row.before, _Row.after)
