"""Features switched at run time: rows of the settings table, `true` or `false` (spec 8.10)."""

from sqlalchemy.ext.asyncio import AsyncSession

from headgate.storage.models import SettingRow


async def is_switched_on(session: AsyncSession, key: str, *, default: bool) -> bool:
    """`default` while nobody has said anything, or nothing that can be understood."""
    row = await session.get(SettingRow, key)
    return default if row is None else {"true": True, "false": False}.get(row.value.strip(), default)
