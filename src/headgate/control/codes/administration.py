"""What administrators do with codes: generate, expire, delete, count (spec 8.6)."""

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import ColumnElement, or_

from headgate.control.codes.repository import EXPIRED, UNUSED, USED, CodeRepository, found
from headgate.control.codes.schemas import CodeStats, GenerateBody, SelectionBody
from headgate.control.codes.terms import BALANCE, SUBSCRIPTION, checked_terms
from headgate.control.codes.text import fresh_code
from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.web.fields import deadline
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import RedeemCodeRow


class CodeAdministration:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._codes = CodeRepository(work.session)

    async def generate(self, body: GenerateBody) -> Sequence[RedeemCodeRow]:
        """Raises INVALID_INPUT, INVALID_GROUP_ID, GROUP_NOT_FOUND, GROUP_NOT_SUBSCRIPTION_TYPE."""
        terms = checked_terms(
            kind=body.type, value=body.value, group_id=body.group_id, validity_days=body.validity_days
        )
        if terms.kind == SUBSCRIPTION:
            await SubscriptionRepository(self._work.session).group_to_subscribe(terms.group_id or 0)
        now = self._work.now()
        ends = deadline(body.expires_at)
        if ends is not None and ends <= now:
            raise BadRequest("expires_at must be in the future")
        return await self._codes.add(
            [fresh_code() for _ in range(body.count)],
            terms,
            expires_at=ends,
            batch=body.batch,
            notes=body.notes,
            created_by=self._work.actor_id,
            created_at=now,
            updated_at=now,
        )

    async def delete(self, code_id: int) -> None:
        """Raises REDEEM_CODE_NOT_FOUND, REDEEM_CODE_DELETE_USED."""
        if await self._codes.delete_not_used(RedeemCodeRow.id == code_id):
            return
        found(await self._codes.get(code_id))
        raise Conflict("a used code is history and stays", reason="REDEEM_CODE_DELETE_USED")

    async def expire(self, code_id: int) -> RedeemCodeRow:
        """Void an unused code; one that is void stays so. Raises REDEEM_CODE_NOT_FOUND, REDEEM_CODE_USED."""
        await self._codes.expire(RedeemCodeRow.id == code_id, now=self._work.now())
        row = await self._codes.get(code_id)
        if row.status == USED:
            raise Conflict("this code has been used", reason="REDEEM_CODE_USED")
        return row

    async def delete_many(self, body: SelectionBody) -> int:
        """How many were deleted: used ones stay."""
        return await self._codes.delete_not_used(_selected(body))

    async def expire_many(self, body: SelectionBody) -> int:
        """How many were voided."""
        return await self._codes.expire(_selected(body), now=self._work.now())

    async def stats(self) -> CodeStats:
        totals = await self._codes.totals(self._work.now())
        states: Counter[str] = Counter()
        kinds: Counter[str] = Counter()
        money: Counter[str] = Counter()
        for part in totals:
            states[part.status] += part.count
            kinds[part.kind] += part.count
            if part.kind == BALANCE:
                money[part.status] += part.value_nano
        return CodeStats(
            total_codes=states.total(),
            active_codes=states[UNUSED],
            used_codes=states[USED],
            expired_codes=states[EXPIRED],
            total_value_distributed=to_usd(money[USED]),
            outstanding_value=to_usd(money[UNUSED]),
            by_type=dict(kinds),
        )


def _selected(body: SelectionBody) -> ColumnElement[bool]:
    row = RedeemCodeRow
    chosen: list[ColumnElement[bool]] = []
    if body.ids:
        chosen.append(row.id.in_(body.ids))
    if body.batch:
        chosen.append(row.batch == body.batch)
    if not chosen:
        raise BadRequest("name ids, a batch, or both")
    return or_(*chosen)
