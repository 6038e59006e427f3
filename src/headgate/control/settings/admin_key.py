"""The admin key: one per installation, kept as a keyed hash and a mask (spec 7.14)."""

import secrets
from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.masking import masked
from headgate.control.work import Work
from headgate.kit import json
from headgate.storage.models import SettingRow

SETTING = "admin_api_key"


@dataclass(frozen=True, slots=True)
class StoredAdminKey:
    digest: str
    """Hex of `Vault.key_hash`."""
    mask: str


async def read_admin_key(session: AsyncSession) -> StoredAdminKey | None:
    row = await session.get(SettingRow, SETTING)
    if row is None:
        return None
    value = json.loads(row.value)
    return StoredAdminKey(digest=value["digest"], mask=value["mask"])


async def regenerate_admin_key(work: Work) -> str:
    """A new key; the old one stops working with the commit. The only time the key is shown."""
    key = "admin-" + secrets.token_hex(32)
    value = json.dumps({"digest": work.deps.vault.key_hash(key).hex(), "mask": masked(key)}).decode()
    row = await work.session.get(SettingRow, SETTING)
    if row is None:
        work.session.add(SettingRow(key=SETTING, value=value, updated_at=work.now()))
    else:
        row.value, row.updated_at = value, work.now()
    return key


async def delete_admin_key(session: AsyncSession) -> None:
    await session.execute(delete(SettingRow).where(SettingRow.key == SETTING))
