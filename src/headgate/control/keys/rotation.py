"""A new secret for a key, while the old one goes on working for a while (issue 5, item 4).

Everything else of the key stays: id, budget, windows, use, group. An old secret is never given out again.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.keys.repository import KeyRepository
from headgate.control.keys.secrets import fresh_key
from headgate.control.masking import masked
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import ApiKeyRow, RetiredKeyRow

MAX_OVERLAP_HOURS = 30 * 24


async def rotate_key(work: Work, row: ApiKeyRow, *, overlap_hours: float) -> str:
    """The new secret, shown once. With no overlap every older secret stops at once, also those of earlier
    rotations. Raises API_KEY_INACTIVE, CONFLICT (rotated by somebody else at this moment)."""
    before = row.key_hash
    await UserRepository(work.session).locked(row.user_id)
    await work.session.refresh(row)
    if row.key_hash != before:
        raise Conflict("the key was rotated a moment ago; look again")
    if row.status == "inactive":
        raise BadRequest("the key is switched off; switch it on first", reason="API_KEY_INACTIVE")
    now = work.now()
    if overlap_hours == 0:
        await end_overlaps(work, row.id)
    until = now + timedelta(hours=overlap_hours)
    work.session.add(RetiredKeyRow(key_hash=before, key_id=row.id, valid_until=until, created_at=now))
    secret = await _unused_secret(work)
    row.key_hash, row.key_prefix, row.updated_at = work.deps.vault.key_hash(secret), masked(secret), now
    await work.session.flush()
    work.touch_directory()
    return secret


async def end_overlaps(work: Work, key_id: int) -> None:
    """Only the newest secret works from now on."""
    retired, now = RetiredKeyRow, work.now()
    await work.session.execute(
        update(retired)
        .where(retired.key_id == key_id, retired.valid_until > now)
        .values(valid_until=now)
        .execution_options(synchronize_session=False)
    )
    work.touch_directory()


async def overlaps_until(
    session: AsyncSession, key_ids: Sequence[int], now: datetime
) -> Mapping[int, datetime]:
    """Of keys with older secrets that still work: until when the last of them does."""
    retired = RetiredKeyRow
    found = await session.execute(
        select(retired.key_id, func.max(retired.valid_until))
        .where(retired.key_id.in_(key_ids), retired.valid_until > now)
        .group_by(retired.key_id)
    )
    return {key_id: until for key_id, until in found}


async def _unused_secret(work: Work) -> str:
    """Nobody guesses 256 bits; asked all the same, because a key is never given out twice."""
    secret = fresh_key(work)
    while await KeyRepository(work.session).by_hash(work.deps.vault.key_hash(secret)) is not None:
        secret = fresh_key(work)
    return secret
