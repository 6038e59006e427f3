"""Features switched at run time: rows of the settings table, `true` or `false` (spec 8.10)."""

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.work import Work
from headgate.storage.models import SettingRow

log = structlog.get_logger(__name__)

PROMO_CODES, INVITATION_CODES = "promo_code_enabled", "invitation_code_enabled"
TOTP = "totp_enabled"
"""Off: nobody sets two-factor login up. Who has it is asked for it all the same."""
BACKEND_MODE = "backend_mode_enabled"
"""On: people without rights neither log in nor register here; their keys go on working (spec 7.1)."""
PUBLIC_MODELS = "public_models_enabled"
"""On: anybody sees the models and prices of groups that are open to every user."""
STATUS_PAGE = "status_page_enabled"
"""On: anybody sees whether groups and their models are up."""
DEFAULTS = {
    PROMO_CODES: True,
    INVITATION_CODES: False,
    TOTP: True,
    BACKEND_MODE: False,
    PUBLIC_MODELS: False,
    STATUS_PAGE: False,
}
"""What holds while nobody has said anything (spec 8.10)."""


async def is_switched_on(session: AsyncSession, key: str) -> bool:
    """The default while nobody has said anything, or nothing that can be understood."""
    row = await session.get(SettingRow, key)
    default = DEFAULTS[key]
    return default if row is None else {"true": True, "false": False}.get(row.value.strip(), default)


async def switch(work: Work, key: str, *, on: bool) -> None:
    row = await work.session.get(SettingRow, key)
    value = "true" if on else "false"
    if row is None:
        work.session.add(SettingRow(key=key, value=value, updated_at=work.now()))
    else:
        row.value, row.updated_at = value, work.now()
    log.info("settings_changed", settings=[key], actor_id=work.actor_id)
