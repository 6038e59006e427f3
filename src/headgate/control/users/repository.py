"""SQL about users, their permissions and personal multipliers."""

import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.attributes.filtering import users_with
from headgate.control.masking import masked
from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import (
    ApiKeyRow,
    GroupRow,
    SubscriptionRow,
    UserAllowedGroupRow,
    UserAttributeValueRow,
    UserGroupMultiplierRow,
    UserRow,
)

KEY_PREFIX = "sk-"
LONGEST_SHOWN = 16
"""More characters than a mask has are a whole key."""


def normal_email(email: str) -> str:
    """One spelling per mailbox: whatever the case, and however a letter with an accent is put together
    (Unicode NFC, as RFC 6532 3.1 recommends)."""
    return unicodedata.normalize("NFC", email.strip().lower())


@dataclass(frozen=True, slots=True, kw_only=True)
class UserFilter:
    status: str = ""
    role: str = ""
    search: str = ""
    group_name: str = ""
    attributes: Sequence[tuple[int, str]] = ()
    """(attribute, wanted text); all must hold."""


class UserRepository:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    @property
    def session(self) -> AsyncSession:
        return self._session

    async def get(self, user_id: int) -> UserRow:
        """Raises USER_NOT_FOUND."""
        row = await self._session.scalar(
            select(UserRow).where(UserRow.id == user_id, UserRow.deleted_at.is_(None))
        )
        if row is None:
            raise NotFound("user not found", reason="USER_NOT_FOUND")
        return row

    async def by_ids(self, ids: Collection[int]) -> Mapping[int, UserRow]:
        if not ids:
            return {}
        rows = await self._session.scalars(
            select(UserRow).where(UserRow.id.in_(ids), UserRow.deleted_at.is_(None))
        )
        return {row.id: row for row in rows}

    async def locked(self, user_id: int) -> UserRow:
        """The user with its row locked to the end of the transaction, on both databases (an UPDATE takes
        the lock)."""
        await self._session.execute(
            update(UserRow).where(UserRow.id == user_id).values(balance_nano=UserRow.balance_nano)
        )
        row = await self.get(user_id)
        await self._session.refresh(row)
        return row

    async def has_other_admin(self, user_id: int) -> bool:
        """Another active one. Locks all of them to the end of the transaction, so that two who demote each
        other come one after the other."""
        is_admin = (UserRow.role == "admin", UserRow.status == "active", UserRow.deleted_at.is_(None))
        await self._session.execute(
            update(UserRow)
            .where(*is_admin)
            .values(token_version=UserRow.token_version)
            .execution_options(synchronize_session=False)
        )
        other = select(UserRow.id).where(*is_admin, UserRow.id != user_id).limit(1)
        return await self._session.scalar(other) is not None

    async def replace_hash(self, user_id: int, before: str, after: str) -> None:
        """The same password at another cost; a password that was changed meanwhile stays."""
        await self._session.execute(
            update(UserRow)
            .where(UserRow.id == user_id, UserRow.password_hash == before)
            .values(password_hash=after)
        )

    async def by_email(self, email: str) -> UserRow | None:
        return await self._session.scalar(
            select(UserRow).where(UserRow.email == normal_email(email), UserRow.deleted_at.is_(None))
        )

    async def page(self, wanted: UserFilter, paging: Paging) -> tuple[Sequence[UserRow], int]:
        """Newest first. Search looks at e-mail, username, notes, and keys by their masks (`sk-...`): they are
        hashed."""
        query = select(UserRow).where(UserRow.deleted_at.is_(None))
        if wanted.status:
            query = query.where(UserRow.status == wanted.status)
        if wanted.role:
            query = query.where(UserRow.role == wanted.role)
        if wanted.search:
            named = contains(wanted.search, UserRow.email, UserRow.username, UserRow.notes)
            is_key = wanted.search.startswith(KEY_PREFIX)  # other words are in too many masks by chance
            owners = UserRow.id.in_(_owners_of_key_like(wanted.search))
            query = query.where(named | owners if is_key else named)
        if wanted.group_name:
            query = query.where(UserRow.id.in_(_users_of_group_named(wanted.group_name)))
        for attribute_id, text in wanted.attributes:
            query = query.where(UserRow.id.in_(users_with(attribute_id, text)))
        total = await self._session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await self._session.scalars(
            query.order_by(UserRow.id.desc()).limit(paging.page_size).offset(paging.offset)
        )
        return rows.all(), total or 0

    async def allowed_groups(self, user_ids: Sequence[int]) -> Mapping[int, list[int]]:
        table = UserAllowedGroupRow
        found = await self._session.execute(
            select(table.user_id, table.group_id).where(table.user_id.in_(user_ids)).order_by(table.group_id)
        )
        groups: dict[int, list[int]] = defaultdict(list)
        for user_id, group_id in found:
            groups[user_id].append(group_id)
        return groups

    async def multipliers(self, user_ids: Sequence[int]) -> Mapping[int, dict[int, int]]:
        table = UserGroupMultiplierRow
        found = await self._session.execute(
            select(table.user_id, table.group_id, table.charge_multiplier).where(table.user_id.in_(user_ids))
        )
        rates: dict[int, dict[int, int]] = defaultdict(dict)
        for user_id, group_id, multiplier in found:
            rates[user_id][group_id] = multiplier
        return rates

    async def replace_allowed_groups(self, user_id: int, group_ids: Sequence[int], now: datetime) -> None:
        """Raises INVALID_GROUP_ID."""
        wanted = sorted(set(group_ids))
        await self._require_groups(wanted)
        table = UserAllowedGroupRow
        await self._session.execute(delete(table).where(table.user_id == user_id))
        self._session.add_all(table(user_id=user_id, group_id=group, created_at=now) for group in wanted)
        await self._session.flush()

    async def set_multipliers(self, user_id: int, changes: Mapping[int, int | None]) -> None:
        """None deletes. Raises INVALID_GROUP_ID."""
        await self._require_groups([group for group, value in changes.items() if value is not None])
        table = UserGroupMultiplierRow
        await self._session.execute(
            delete(table).where(table.user_id == user_id, table.group_id.in_(list(changes)))
        )
        self._session.add_all(
            table(user_id=user_id, group_id=group, charge_multiplier=value)
            for group, value in changes.items()
            if value is not None
        )
        await self._session.flush()

    async def soft_delete(self, row: UserRow, now: datetime) -> None:
        """The user, its keys, subscriptions and attributes vanish; the books keep their numbers."""
        row.deleted_at = row.updated_at = now
        for table in (ApiKeyRow, SubscriptionRow):
            await self._session.execute(
                update(table)
                .where(table.user_id == row.id, table.deleted_at.is_(None))
                .values(deleted_at=now, updated_at=now)
            )
        known = UserAttributeValueRow
        await self._session.execute(delete(known).where(known.user_id == row.id))

    async def _require_groups(self, group_ids: Sequence[int]) -> None:
        if not group_ids:
            return
        found = set(
            await self._session.scalars(
                select(GroupRow.id).where(GroupRow.id.in_(group_ids), GroupRow.deleted_at.is_(None))
            )
        )
        if missing := sorted(set(group_ids) - found):
            raise BadRequest(f"group {missing[0]} does not exist", reason="INVALID_GROUP_ID")


def _owners_of_key_like(text: str) -> Select[int]:
    """By what lists show of a key, or by a whole one: it is compared as a mask."""
    shown = masked(text) if len(text) > len(KEY_PREFIX) + LONGEST_SHOWN else text
    return select(ApiKeyRow.user_id).where(
        contains(shown, ApiKeyRow.key_prefix), ApiKeyRow.deleted_at.is_(None)
    )


def _users_of_group_named(text: str) -> Select[int]:
    return (
        select(UserAllowedGroupRow.user_id)
        .join(GroupRow, GroupRow.id == UserAllowedGroupRow.group_id)
        .where(contains(text, GroupRow.name), GroupRow.deleted_at.is_(None))
    )
