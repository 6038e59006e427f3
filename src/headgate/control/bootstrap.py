"""The first start: an admin, and for `serve --demo` something to try (issue 2, item 1).

Never resets anything: who exists stays, passwords and keys are shown by the start that makes them.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.accounts.credentials import sealed
from headgate.control.auth.passwords import Passwords
from headgate.control.deps import UnitOfWork, UnitOfWorkFactory
from headgate.control.masking import masked
from headgate.control.users.repository import normal_email
from headgate.core.money import from_usd
from headgate.errors import StartupError
from headgate.kit.clock import Clock, instant
from headgate.kit.crypto import Vault
from headgate.settings import Settings
from headgate.storage.ledger import adjust_balance
from headgate.storage.models import AccountGroupRow, AccountRow, ApiKeyRow, GroupRow, UserRow

DEMO_EMAIL = "demo@headgate.local"
DEMO_PLATFORMS = ("anthropic", "openai", "gemini")
DEMO_BALANCE_USD = 100
DEMO_CONCURRENCY = 20
MIN_ADMIN_PASSWORD_CHARS = 8


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The admin that this start created."""

    email: str
    generated_password: str | None
    """None when the operator configured one: that is not ours to print."""

    @property
    def shown_password(self) -> str:
        return self.generated_password or "(the password from HEADGATE_ADMIN_PASSWORD)"

    def __repr__(self) -> str:
        return f"FirstAdmin({self.email!r}, ***)"


async def ensure_admin(uow_factory: UnitOfWorkFactory, settings: Settings, clock: Clock) -> FirstAdmin | None:
    """Create the admin when there is none; None when there is. Raises `StartupError` on an unusable
    configured one."""
    try:
        return await _create_admin(uow_factory, settings, clock)
    except IntegrityError:
        return None  # another process started at the same moment and was first


async def _create_admin(
    uow_factory: UnitOfWorkFactory, settings: Settings, clock: Clock
) -> FirstAdmin | None:
    async with uow_factory() as uow:
        found = await uow.session.scalar(
            select(func.count())
            .select_from(UserRow)
            .where(UserRow.role == "admin", UserRow.deleted_at.is_(None))
        )
        if found:
            return None
        email = normal_email(settings.admin_email)
        if "@" not in email:
            raise StartupError(
                f"configuration admin_email: {email!r} is no e-mail address; correct HEADGATE_ADMIN_EMAIL"
            )
        if await uow.session.scalar(
            select(UserRow.id).where(UserRow.email == email, UserRow.deleted_at.is_(None))
        ):
            raise StartupError(
                f"configuration admin_email: {email!r} belongs to a user who is no admin;"
                " set HEADGATE_ADMIN_EMAIL to another address"
            )
        configured = settings.admin_password.reveal() if settings.admin_password else ""
        if configured and len(configured) < MIN_ADMIN_PASSWORD_CHARS:
            raise StartupError(
                f"configuration admin_password: shorter than {MIN_ADMIN_PASSWORD_CHARS} characters;"
                " set HEADGATE_ADMIN_PASSWORD to a longer one or leave it out to have one generated"
            )
        password = configured or secrets.token_urlsafe(15)
        row = _user(email, await Passwords().hash(password), _now(clock), settings, role="admin")
        uow.session.add(row)
        uow.touch_directory()
    return FirstAdmin(email, None if configured else password)


async def ensure_demo_data(
    uow_factory: UnitOfWorkFactory, vault: Vault, clock: Clock, settings: Settings, *, simulator_url: str
) -> Mapping[str, str]:
    """Group name -> key, for the keys that this start created; the demo's accounts follow the simulator's
    address."""
    keys: dict[str, str] = {}
    async with uow_factory() as uow:
        user = await _demo_user(uow, clock, settings)
        for platform in DEMO_PLATFORMS:
            group = await _demo_group(uow.session, platform, _now(clock))
            await _demo_account(uow.session, vault, group, simulator_url, _now(clock))
            if key := await _demo_key(uow.session, vault, user, group, settings, _now(clock)):
                keys[group.name] = key
        uow.touch_directory()
    return keys


def _now(clock: Clock) -> datetime:
    return instant(clock.now_ms())


def _user(email: str, digest: str, now: datetime, settings: Settings, *, role: str) -> UserRow:
    return UserRow(
        email=email,
        password_hash=digest,
        role=role,
        status="active",
        username=email.partition("@")[0],
        balance_nano=0,
        concurrency=settings.auth.default_user_concurrency,
        token_version=0,
        created_at=now,
        updated_at=now,
    )


async def _demo_user(uow: UnitOfWork, clock: Clock, settings: Settings) -> UserRow:
    """Nobody can log in as this user: its password is random and not kept."""
    found = await uow.session.scalar(
        select(UserRow).where(UserRow.email == DEMO_EMAIL, UserRow.deleted_at.is_(None))
    )
    if found is not None:
        return found
    digest = await Passwords().hash(secrets.token_urlsafe(32))
    row = _user(DEMO_EMAIL, digest, _now(clock), settings, role="user")
    row.concurrency = DEMO_CONCURRENCY
    uow.session.add(row)
    await uow.session.flush()
    await adjust_balance(
        uow.session,
        user_id=row.id,
        delta_nano=from_usd(DEMO_BALANCE_USD),
        note="demo balance",
        actor_id=None,
        operation_id=f"op:demo-balance:{row.id}",
        now_ms=clock.now_ms(),
    )
    return row


async def _demo_group(session: AsyncSession, platform: str, now: datetime) -> GroupRow:
    name = f"{platform}-demo"
    found = await session.scalar(select(GroupRow).where(GroupRow.name == name, GroupRow.deleted_at.is_(None)))
    if found is not None:
        return found
    row = GroupRow(
        name=name,
        description="served by the provider simulator",
        platform=platform,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def _demo_account(
    session: AsyncSession, vault: Vault, group: GroupRow, simulator_url: str, now: datetime
) -> None:
    name = f"{group.platform}-simulator"
    row = await session.scalar(
        select(AccountRow).where(AccountRow.name == name, AccountRow.deleted_at.is_(None))
    )
    if row is not None:
        if (row.credentials_open or {}).get("base_url") != simulator_url:
            row.credentials_open = {**(row.credentials_open or {}), "base_url": simulator_url}
            row.updated_at = now
        return
    row = AccountRow(
        name=name,
        platform=group.platform,
        type="apikey",
        credentials_sealed=sealed(vault, {"api_key": f"sim-demo-{group.platform}"}),
        credentials_open={"base_url": simulator_url},
        concurrency=DEMO_CONCURRENCY,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    session.add(AccountGroupRow(account_id=row.id, group_id=group.id, priority=50, created_at=now))


async def _demo_key(
    session: AsyncSession, vault: Vault, user: UserRow, group: GroupRow, settings: Settings, now: datetime
) -> str | None:
    """A new key for the group, or None when the demo user has one."""
    found = await session.scalar(
        select(ApiKeyRow.id)
        .where(ApiKeyRow.user_id == user.id, ApiKeyRow.group_id == group.id, ApiKeyRow.deleted_at.is_(None))
        .limit(1)
    )
    if found is not None:
        return None
    key = settings.auth.api_key_prefix + secrets.token_hex(32)
    session.add(
        ApiKeyRow(
            user_id=user.id,
            key_hash=vault.key_hash(key),
            key_prefix=masked(key),
            name=f"demo {group.platform}",
            group_id=group.id,
            created_at=now,
            updated_at=now,
        )
    )
    return key
