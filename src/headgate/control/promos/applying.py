"""A promo code's bonus reaches a new user once, and never more often than it may (spec 7.11).

Locks the user, then the code (the order of redeeming): whoever applies one code waits for the others.
"""

from datetime import datetime

from headgate.control.promos.repository import ACTIVE, PromoRepository, found_promo
from headgate.control.promos.text import checked_promo
from headgate.control.users.balance import BalanceService
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import PromoCodeRow


async def usable_promo(work: Work, text: str) -> PromoCodeRow:
    """The code, if it would work now. Raises PROMO_CODE_INVALID, PROMO_CODE_NOT_FOUND, PROMO_CODE_DISABLED,
    PROMO_CODE_EXPIRED, PROMO_CODE_MAX_USED."""
    promo = found_promo(await PromoRepository(work.session).by_text(checked_promo(text)))
    _require_usable(promo, work.now())
    return promo


async def apply_promo(work: Work, user_id: int, text: str) -> PromoCodeRow:
    """Give the user the bonus, in the caller's transaction.

    Raises USER_NOT_FOUND, PROMO_CODE_ALREADY_USED, INVALID_INPUT (the balance would not fit) and what
    `usable_promo` raises; all of them before anything is written, so that registration may go on without.
    """
    promos, balances = PromoRepository(work.session), BalanceService(work)
    user = await UserRepository(work.session).locked(user_id)
    promo = await usable_promo(work, text)
    if await promos.was_used_by(promo.id, user_id):
        raise Conflict("you have used this promo code already", reason="PROMO_CODE_ALREADY_USED")
    balances.require_room(user, promo.bonus_nano)
    if not await promos.count_use(promo.id, work.now()):
        promo = await promos.get(promo.id)
        _require_usable(promo, work.now())
        raise _max_used()
    await promos.add_usage(promo, user_id, work.now())
    operation_id = f"promo:{promo.id}:{user_id}:{round(promo.created_at.timestamp() * 1000)}"
    await balances.move(user, promo.bonus_nano, note=f"promo code {promo.code}", operation_id=operation_id)
    return await promos.get(promo.id)


def _require_usable(promo: PromoCodeRow, now: datetime) -> None:
    if promo.status != ACTIVE:
        raise BadRequest("this promo code is switched off", reason="PROMO_CODE_DISABLED")
    if promo.expires_at is not None and promo.expires_at <= now:
        raise BadRequest("this promo code has expired", reason="PROMO_CODE_EXPIRED")
    if promo.max_uses and promo.used_count >= promo.max_uses:
        raise _max_used()


def _max_used() -> BadRequest:
    return BadRequest("this promo code has been used up", reason="PROMO_CODE_MAX_USED")
