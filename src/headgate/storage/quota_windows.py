"""The last word of providers about the quota windows of accounts, so that a restart does not forget it.

One row per open window; an older word never replaces a newer one, and rows of windows that are over go.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import bindparam, delete, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.ids import AccountId
from headgate.core.limits.quota_windows import QuotaReading
from headgate.storage.journal import StorageUnavailable
from headgate.storage.models import AccountQuotaWindowRow

_ROW = AccountQuotaWindowRow
_MODEL_CHARS = 200
_UPSERT = text(
    'INSERT INTO account_quota_windows (account_id, "window", model, used_ppm, is_rejected, at_ms,'
    " resets_at_ms, length_ms)"
    " SELECT :account_id, :window, :model, :used_ppm, :is_rejected, :at_ms, :resets_at_ms, :length_ms"
    " WHERE EXISTS (SELECT 1 FROM accounts WHERE id = :account_id)"
    ' ON CONFLICT (account_id, "window", model) DO UPDATE SET used_ppm = excluded.used_ppm,'
    " is_rejected = excluded.is_rejected, at_ms = excluded.at_ms, resets_at_ms = excluded.resets_at_ms,"
    " length_ms = excluded.length_ms WHERE excluded.at_ms > account_quota_windows.at_ms"
).bindparams(
    bindparam("account_id", type_=_ROW.account_id.type),
    bindparam("window", type_=_ROW.window.type),
    bindparam("model", type_=_ROW.model.type),
    bindparam("used_ppm", type_=_ROW.used_ppm.type),
    bindparam("is_rejected", type_=_ROW.is_rejected.type),
    bindparam("at_ms", type_=_ROW.at_ms.type),
    bindparam("resets_at_ms", type_=_ROW.resets_at_ms.type),
    bindparam("length_ms", type_=_ROW.length_ms.type),
)


class QuotaWindowTable:
    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def save(self, readings: Mapping[AccountId, Sequence[QuotaReading]], *, now_ms: int) -> int:
        """How many rows were offered. Raises StorageUnavailable."""
        rows = [_values(account, reading) for account, found in readings.items() for reading in found]
        try:
            async with self._engine.begin() as connection:
                await connection.execute(delete(_ROW).where(_ROW.resets_at_ms <= now_ms))
                if rows:
                    await connection.execute(_UPSERT, rows)
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailable(f"quota windows were not stored: {type(error).__name__}") from None
        return len(rows)

    async def load(self, *, now_ms: int) -> Mapping[AccountId, Sequence[QuotaReading]]:
        """Windows that are still open. Raises StorageUnavailable."""
        columns = select(*_ROW.__table__.columns).where(_ROW.resets_at_ms > now_ms).order_by(_ROW.at_ms)
        found: dict[AccountId, list[QuotaReading]] = defaultdict(list)
        try:
            async with self._engine.connect() as connection:
                for row in (await connection.execute(columns)).mappings():
                    values = dict(row)
                    found[AccountId(values.pop("account_id"))].append(QuotaReading(**values))
        except (SQLAlchemyError, OSError) as error:
            raise StorageUnavailable(f"quota windows were not read: {type(error).__name__}") from None
        return found


def _values(account: AccountId, reading: QuotaReading) -> dict[str, str | int | bool]:
    return {
        "account_id": account,
        "window": reading.window,
        "model": reading.model[:_MODEL_CHARS],
        "used_ppm": reading.used_ppm,
        "is_rejected": reading.is_rejected,
        "at_ms": reading.at_ms,
        "resets_at_ms": reading.resets_at_ms,
        "length_ms": reading.length_ms,
    }
