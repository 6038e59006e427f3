"""Users and keys by a few letters, for the filters of usage lists (spec 8.7). Deleted ones too: their records
stay."""

from collections.abc import Sequence

from pydantic import BaseModel
from sqlalchemy import select

from headgate.control.search import contains
from headgate.control.work import Work
from headgate.storage.models import ApiKeyRow, UserRow

MOST = 30


class FoundUser(BaseModel):
    id: int
    email: str


class FoundKey(BaseModel):
    id: int
    name: str
    user_id: int


async def find_users(work: Work, text: str) -> Sequence[FoundUser]:
    """By e-mail or name; nothing for an empty text."""
    if not text:
        return []
    found = await work.session.execute(
        select(UserRow.id, UserRow.email)
        .where(contains(text, UserRow.email, UserRow.username))
        .order_by(UserRow.id.desc())
        .limit(MOST)
    )
    return [FoundUser(id=row.id, email=row.email) for row in found]


async def find_keys(work: Work, text: str, user_id: int | None) -> Sequence[FoundKey]:
    """By name; of one user, also all of them."""
    if not text and user_id is None:
        return []
    query = select(ApiKeyRow.id, ApiKeyRow.name, ApiKeyRow.user_id).order_by(ApiKeyRow.id.desc()).limit(MOST)
    if text:
        query = query.where(contains(text, ApiKeyRow.name))
    if user_id is not None:
        query = query.where(ApiKeyRow.user_id == user_id)
    found = await work.session.execute(query)
    return [FoundKey(id=row.id, name=row.name, user_id=row.user_id) for row in found]
