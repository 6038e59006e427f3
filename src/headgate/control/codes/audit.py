"""Every adjustment by an administrator leaves a used code behind (spec 1.1, 8.2): who, how much, why."""

from headgate.control.codes.repository import CodeRepository
from headgate.control.codes.terms import ADMIN_BALANCE, ADMIN_CONCURRENCY
from headgate.control.work import Work
from headgate.core.money import NANO_PER_USD
from headgate.kit.ids import IdFactory


async def record_balance_change(
    work: Work, user_id: int, delta_nano: int, *, note: str, operation_id: str
) -> None:
    """The code is the ledger's operation id: one finds the other."""
    await _record(work, user_id, ADMIN_BALANCE, delta_nano, note=note, code=operation_id)


async def record_concurrency_change(work: Work, user_id: int, delta: int) -> None:
    """`delta` in slots; unlimited counts as the number it is stored as."""
    code = f"op:{IdFactory().new()}"
    await _record(work, user_id, ADMIN_CONCURRENCY, delta * NANO_PER_USD, note="", code=code)


async def _record(work: Work, user_id: int, kind: str, value_nano: int, *, note: str, code: str) -> None:
    now = work.now()
    await CodeRepository(work.session).add_used(
        code=code,
        type=kind,
        value_nano=value_nano,
        used_by=user_id,
        used_at=now,
        notes=note,
        created_by=work.actor_id,
        created_at=now,
        updated_at=now,
    )
