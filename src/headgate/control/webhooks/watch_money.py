"""Keys that are used up, and balances that fall low."""

from sqlalchemy import String, and_, cast, exists, select, true
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.notices import forget, is_noted, note, noted
from headgate.control.webhooks.outbox import tell
from headgate.core.money import from_usd, to_usd
from headgate.storage.models import ApiKeyRow, UserRow, WebhookNoticeRow

ROOM_PART = 4
"""With less than a quarter of its quota left a key that was refused is used up: reservations leave a rest
that pays for no request. With more it has room again."""
MOST = 500
"""Told of one kind in one look; the rest follows in the next."""
_SEEDED = "seeded"
_ENOUGH = "balance.enough"


async def watch_keys(
    deps: ControlDeps, session: AsyncSession, now_ms: int, only: frozenset[int] | None
) -> int:
    """Whose quota was used up already when watching began is no news. `only`: those keys; None: all."""
    kind, key = EventType.KEY_EXHAUSTED.value, ApiKeyRow
    is_new = _SEEDED not in await noted(session, kind, [_SEEDED])
    among = true() if only is None or is_new else key.id.in_(only)
    is_used_up = and_(key.quota_nano > 0, key.quota_used_nano >= key.quota_nano, key.deleted_at.is_(None))
    query = select(key).where(is_used_up, among, ~is_noted(kind, key.id)).order_by(key.id)
    news = list(await session.scalars(query if is_new else query.limit(MOST)))
    for row in [] if is_new else news:
        await _tell_of_key(session, row, now_ms)
    await _forget_topped_up(session, kind, only)
    await note(session, kind, [str(row.id) for row in news] + ([_SEEDED] if is_new else []), now_ms)
    return 0 if is_new else len(news)


async def watch_refused_keys(session: AsyncSession, now_ms: int, refused: frozenset[int]) -> int:
    """Keys whose quota could not cover a request, when little of it is left."""
    kind, key = EventType.KEY_EXHAUSTED.value, ApiKeyRow
    has_little = key.quota_used_nano >= key.quota_nano - key.quota_nano // ROOM_PART
    rows = list(
        await session.scalars(
            select(key)
            .where(key.id.in_(refused), has_little, key.deleted_at.is_(None), ~is_noted(kind, key.id))
            .order_by(key.id)
            .limit(MOST)
        )
    )
    for row in rows:
        await _tell_of_key(session, row, now_ms)
    await note(session, kind, [str(row.id) for row in rows], now_ms)
    return len(rows)


async def _tell_of_key(session: AsyncSession, row: ApiKeyRow, now_ms: int) -> None:
    data = {
        "key_id": row.id,
        "name": row.name,
        "user_id": row.user_id,
        "quota_usd": to_usd(row.quota_nano),
        "used_usd": to_usd(row.quota_used_nano),
    }
    await tell(session, EventType.KEY_EXHAUSTED, data, now_ms=now_ms)


async def _forget_topped_up(session: AsyncSession, kind: str, only: frozenset[int] | None) -> None:
    """Noted keys that have room again, or are gone: their next end is news."""
    key, notice = ApiKeyRow, WebhookNoticeRow
    is_used_up = exists().where(
        cast(key.id, String) == notice.subject,
        key.quota_nano > 0,
        key.quota_used_nano >= key.quota_nano - key.quota_nano // ROOM_PART,
        key.deleted_at.is_(None),
    )
    among = true() if only is None else notice.subject.in_([str(id_) for id_ in only])
    query = select(notice.subject).where(notice.kind == kind, notice.subject != _SEEDED, among, ~is_used_up)
    await forget(session, kind, list(await session.scalars(query)))


async def watch_balances(
    deps: ControlDeps, session: AsyncSession, now_ms: int, only: frozenset[int] | None
) -> int:
    """Those who fall below the threshold; who never had more is not told of."""
    threshold_usd = deps.settings.webhooks.balance_low_usd
    threshold, user = from_usd(threshold_usd), UserRow
    among = true() if only is None else user.id.in_(only)
    had_enough = is_noted(_ENOUGH, user.id)
    fallen = list(
        await session.scalars(
            select(user)
            .where(user.balance_nano < threshold, user.deleted_at.is_(None), among, had_enough)
            .order_by(user.id)
            .limit(MOST)
        )
    )
    for row in fallen:
        data = {
            "user_id": row.id,
            "email": row.email,
            "balance_usd": to_usd(row.balance_nano),
            "threshold_usd": threshold_usd,
        }
        await tell(session, EventType.BALANCE_LOW, data, now_ms=now_ms)
    risen = await session.scalars(
        select(user.id).where(user.balance_nano >= threshold, user.deleted_at.is_(None), among, ~had_enough)
    )
    await note(session, _ENOUGH, [str(id_) for id_ in risen], now_ms)
    await forget(session, _ENOUGH, [str(row.id) for row in fallen])
    return len(fallen)
