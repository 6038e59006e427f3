"""What a start in simple mode makes sure of: a group per platform, room for the admin's requests
(spec 7.9)."""

from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from headgate.control.deps import UnitOfWork, UnitOfWorkFactory
from headgate.core.world import Provider
from headgate.kit.clock import Clock, instant
from headgate.storage.models import GroupRow, SettingRow, UserRow

RAISED = "simple_mode_admin_concurrency_upgraded_30"
"""Setting that remembers that admins were raised: who is put back to 5 afterwards stays there."""
_CONCURRENCY_BEFORE, _CONCURRENCY_AFTER = 5, 30


async def ensure_simple_mode(uow_factory: UnitOfWorkFactory, clock: Clock) -> None:
    """`<platform>-default` for every platform served, which accounts without a group join; admins with 5
    slots get 30, once."""
    now = instant(clock.now_ms())
    try:
        async with uow_factory() as uow:
            await _ensure_groups(uow, now)
            await _raise_admins(uow, now)
    except IntegrityError:
        return  # another process started at the same moment and was first


async def _ensure_groups(uow: UnitOfWork, now: datetime) -> None:
    wanted = {f"{platform}-default": platform.value for platform in Provider}
    present = await uow.session.scalars(
        select(GroupRow.name).where(GroupRow.name.in_(list(wanted)), GroupRow.deleted_at.is_(None))
    )
    missing = sorted(set(wanted) - set(present))
    uow.session.add_all(
        GroupRow(
            name=name,
            description="the pool of simple mode",
            platform=wanted[name],
            created_at=now,
            updated_at=now,
        )
        for name in missing
    )
    if missing:
        uow.touch_directory()


async def _raise_admins(uow: UnitOfWork, now: datetime) -> None:
    if await uow.session.get(SettingRow, RAISED) is not None:
        return
    uow.session.add(SettingRow(key=RAISED, value="true", updated_at=now))
    await uow.session.execute(
        update(UserRow)
        .where(
            UserRow.role == "admin",
            UserRow.concurrency == _CONCURRENCY_BEFORE,
            UserRow.deleted_at.is_(None),
        )
        .values(concurrency=_CONCURRENCY_AFTER, updated_at=now)
    )
    uow.touch_directory()
