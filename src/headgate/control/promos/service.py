"""Administration of promo codes (spec 8.6)."""

from headgate.control.promos.repository import PromoRepository
from headgate.control.promos.schemas import PromoCreate, PromoUpdate
from headgate.control.promos.text import checked_promo, fresh_promo
from headgate.control.web.fields import deadline
from headgate.control.work import Work
from headgate.core.money import from_usd
from headgate.errors import Conflict
from headgate.storage.models import PromoCodeRow


class PromoService:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._promos = PromoRepository(work.session)

    async def create(self, draft: PromoCreate) -> PromoCodeRow:
        """Raises PROMO_CODE_INVALID, PROMO_CODE_EXISTS, INVALID_INPUT."""
        now = self._work.now()
        row = PromoCodeRow(
            code=await self._free(draft.code) if draft.code.strip() else fresh_promo(),
            bonus_nano=from_usd(draft.bonus_amount),
            max_uses=draft.max_uses,
            used_count=0,
            status=draft.status,
            expires_at=deadline(draft.expires_at),
            notes=draft.notes,
            created_at=now,
            updated_at=now,
        )
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def update(self, promo_id: int, change: PromoUpdate) -> PromoCodeRow:
        """Raises PROMO_CODE_NOT_FOUND, PROMO_CODE_INVALID, PROMO_CODE_EXISTS, INVALID_INPUT."""
        row = await self._promos.get(promo_id)
        if change.code is not None:
            row.code = await self._free(change.code, owner=row.id)
        if change.bonus_amount is not None:
            row.bonus_nano = from_usd(change.bonus_amount)
        if change.expires_at is not None:
            row.expires_at = deadline(change.expires_at)
        for name in ("max_uses", "notes", "status"):
            if (value := getattr(change, name)) is not None:
                setattr(row, name, value)
        row.updated_at = self._work.now()
        await self._work.session.flush()
        return row

    async def delete(self, promo_id: int) -> None:
        """Raises PROMO_CODE_NOT_FOUND."""
        row = await self._promos.get(promo_id)
        await self._promos.delete(row.id)

    async def _free(self, text: str, *, owner: int | None = None) -> str:
        code = checked_promo(text)
        holder = await self._promos.by_text(code)
        if holder is not None and holder.id != owner:
            raise Conflict("this promo code exists already", reason="PROMO_CODE_EXISTS")
        return code
