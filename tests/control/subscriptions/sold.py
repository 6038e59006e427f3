"""Groups that are sold, and subscriptions to them as other code leaves them."""

from datetime import UTC, datetime

from sqlalchemy import select

from headgate.control.subscriptions.granting import assign_or_extend
from headgate.control.work import SYSTEM, open_work
from headgate.storage.models import SubscriptionRow, UserRow

DAY_S = 24 * 3600


def now(control):
    return datetime.fromtimestamp(control.clock.now_ms() / 1000, tz=UTC)


async def sold_group(control, name="plan", **fields):
    return await control.add_group(name, subscription_type="subscription", **fields)


async def grant(control, user, group, days=30, **options):
    """As a redeem code does, in a transaction of its own."""
    async with open_work(control.deps, SYSTEM) as work:
        return await assign_or_extend(work, user_id=user.user_id, group_id=group, days=days, **options)


async def pass_time(control, seconds):
    """The clock goes on, and everybody logs in again."""
    control.clock.advance(seconds)
    async with control.deps.uow() as uow:
        for caller in (control.admin, control.anna, control.ben):
            row = await uow.session.get(UserRow, caller.user_id)
            caller.headers = control.caller(row).headers


async def change_row(control, subscription_id, **columns):
    async with control.deps.uow() as uow:
        row = await uow.session.get(SubscriptionRow, subscription_id)
        for name, value in columns.items():
            setattr(row, name, value)


async def rows(control):
    """All of them, revoked ones too."""
    async with control.deps.uow() as uow:
        return list(await uow.session.scalars(select(SubscriptionRow).order_by(SubscriptionRow.id)))
