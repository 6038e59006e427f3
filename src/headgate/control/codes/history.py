"""What raised and lowered a user's balance and concurrency besides usage (spec 8.2)."""

from headgate.control.codes.repository import CodeRepository
from headgate.control.codes.schemas import BalanceHistory, admin_code_views
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.core.money import to_usd


async def history_of(work: Work, user_id: int, paging: Paging, *, kind: str = "") -> BalanceHistory:
    """Codes used by the user, audit rows among them, newest first; `kind` picks one type.

    `total_recharged` is the sum of what raised the balance, whatever the page and the kind."""
    codes = CodeRepository(work.session)
    rows, total = await codes.used_by(user_id, paging, kind)
    page = paging.wrap(admin_code_views(rows, work.now()), total)
    return BalanceHistory(**dict(page), total_recharged=to_usd(await codes.recharged_nano(user_id)))
