"""What every new user is given: the setting `default_subscriptions` (spec 7.2, 8.8, 8.10)."""

from collections.abc import Sequence

import structlog
from pydantic import BaseModel, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.groups.repository import GroupRepository
from headgate.control.subscriptions.granting import assign_or_extend
from headgate.control.subscriptions.repository import require_subscription_type
from headgate.control.work import Work
from headgate.errors import ApiError, BadRequest
from headgate.kit import json
from headgate.storage.models import SettingRow

log = structlog.get_logger(__name__)
SETTING = "default_subscriptions"
NOTE = "default subscription"


class DefaultSubscription(BaseModel):
    """A group, and for how many days a new user has it."""

    group_id: int
    validity_days: int


_STORED = TypeAdapter(list[DefaultSubscription])


async def read_defaults(session: AsyncSession) -> Sequence[DefaultSubscription]:
    """As the operator set it; nothing when what is stored cannot be read."""
    row = await session.get(SettingRow, SETTING)
    if row is None:
        return []
    try:
        return _STORED.validate_python(json.loads(row.value))
    except (ValidationError, json.JSONDecodeError):
        log.error("setting_unreadable", setting=SETTING, remedy="set it again")
        return []


async def replace_defaults(work: Work, wanted: Sequence[DefaultSubscription]) -> None:
    """Raises INVALID_INPUT (a group twice), INVALID_GROUP_ID, GROUP_NOT_SUBSCRIPTION_TYPE."""
    ids = [entry.group_id for entry in wanted]
    if twice := sorted({group_id for group_id in ids if ids.count(group_id) > 1}):
        raise BadRequest(f"default_subscriptions names group {twice[0]} more than once")
    groups = await GroupRepository(work.session).by_ids(ids)
    for group_id in ids:
        if group_id not in groups:
            raise BadRequest(f"group {group_id} does not exist", reason="INVALID_GROUP_ID")
        require_subscription_type(groups[group_id])
    value = json.dumps([entry.model_dump() for entry in wanted]).decode()
    row = await work.session.get(SettingRow, SETTING)
    if row is None:
        work.session.add(SettingRow(key=SETTING, value=value, updated_at=work.now()))
    else:
        row.value, row.updated_at = value, work.now()
    log.info("settings_changed", settings=[SETTING], actor_id=work.actor_id)


async def grant_defaults(work: Work, user_id: int) -> None:
    """Give a new user all of them, in the transaction that creates it. A group that is gone or no longer sold
    is left out: a stale setting keeps nobody from signing up."""
    for entry in await read_defaults(work.session):
        try:
            await assign_or_extend(
                work, user_id=user_id, group_id=entry.group_id, days=entry.validity_days, notes=NOTE
            )
        except ApiError as error:
            log.warning("default_subscription_skipped", group_id=entry.group_id, reason=error.reason)
