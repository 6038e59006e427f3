"""Settings of the running gateway as rows: texts as they are, secrets sealed (spec 8.10, DESIGN 8).

A secret is sealed for the place that it was entered for: somebody who redirects that place gets nothing.
"""

from collections.abc import Iterable, Mapping

import structlog
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.work import Work
from headgate.kit.crypto import SealBroken
from headgate.kit.secret import Secret
from headgate.storage.models import SecuritySecretRow, SettingRow

log = structlog.get_logger(__name__)


async def read_texts(session: AsyncSession, keys: Iterable[str]) -> Mapping[str, str]:
    """Those that somebody has set."""
    rows = await session.scalars(select(SettingRow).where(SettingRow.key.in_(list(keys))))
    return {row.key: row.value for row in rows}


async def read_text(session: AsyncSession, key: str, default: str = "") -> str:
    row = await session.get(SettingRow, key)
    return default if row is None else row.value


async def write_text(work: Work, key: str, value: str) -> None:
    row = await work.session.get(SettingRow, key)
    if row is None:
        work.session.add(SettingRow(key=key, value=value, updated_at=work.now()))
    else:
        row.value, row.updated_at = value, work.now()
    log.info("settings_changed", settings=[key], actor_id=work.actor_id)


async def has_secret(session: AsyncSession, key: str) -> bool:
    query = select(SecuritySecretRow.key).where(SecuritySecretRow.key == key)
    return await session.scalar(query) is not None


async def read_secret(work: Work, key: str, *, place: str) -> Secret:
    """Empty when there is none for this place."""
    row = await work.session.get(SecuritySecretRow, key)
    if row is None:
        return Secret("")
    try:
        return Secret(work.deps.vault.unseal(row.value_sealed, context=_context(key, place)).decode())
    except SealBroken:
        log.warning("setting_for_another_place", setting=key)
        return Secret("")


async def write_secret(work: Work, key: str, value: str, *, place: str) -> None:
    """Seal it for `place`; an empty one is forgotten."""
    if not value:
        await work.session.execute(delete(SecuritySecretRow).where(SecuritySecretRow.key == key))
        return
    sealed = work.deps.vault.seal(value.encode(), context=_context(key, place))
    row = await work.session.get(SecuritySecretRow, key)
    if row is None:
        work.session.add(SecuritySecretRow(key=key, value_sealed=sealed, updated_at=work.now()))
    else:
        row.value_sealed, row.updated_at = sealed, work.now()
    log.info("settings_changed", settings=[key], actor_id=work.actor_id)


def _context(key: str, place: str) -> str:
    return f"setting.{key}:{place}"
