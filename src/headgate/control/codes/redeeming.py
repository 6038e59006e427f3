"""Redeeming a code: what it gives and the mark that it is used are one transaction (spec 7.11, 11.2).

The user is locked first, the code second, as everywhere (user before what belongs to it): a thousand who try
at once wait for one another, one of them flips the code, and the others find it used.
"""

from headgate.control.codes.repository import USED, CodeRepository, found, state_of
from headgate.control.codes.schemas import CreateAndRedeemBody
from headgate.control.codes.terms import (
    BALANCE,
    CONCURRENCY,
    INVITATION,
    MAX_CONCURRENCY,
    SUBSCRIPTION,
    CodeTerms,
    checked_terms,
)
from headgate.control.codes.text import checked_code
from headgate.control.subscriptions.granting import assign_or_extend
from headgate.control.subscriptions.repository import SubscriptionRepository
from headgate.control.users.balance import BalanceService
from headgate.control.users.repository import UserRepository
from headgate.control.webhooks.events import EventType
from headgate.control.webhooks.outbox import tell
from headgate.control.work import Work
from headgate.core.money import NANO_PER_USD, to_usd
from headgate.errors import BadRequest, Conflict
from headgate.storage.models import RedeemCodeRow, UserRow


class Redeeming:
    def __init__(self, work: Work) -> None:
        self._work = work
        self._codes = CodeRepository(work.session)
        self._users = UserRepository(work.session)

    async def redeem(self, user_id: int, text: str) -> RedeemCodeRow:
        """Give the user what the code is worth, once. Raises REDEEM_CODE_INVALID, REDEEM_CODE_NOT_FOUND,
        REDEEM_CODE_USED, and what granting a subscription raises."""
        code = found(await self._codes.by_text(checked_code(text)))
        self._require_redeemable(code, user_id)
        user = await self._users.locked(user_id)
        return await self._use(code, user)

    async def create_and_redeem(self, body: CreateAndRedeemBody) -> RedeemCodeRow:
        """Make the code and redeem it for the user; a repetition finds it redeemed and answers the same.

        Raises REDEEM_CODE_INVALID, USER_NOT_FOUND, REDEEM_CODE_CONFLICT (somebody else used it, or it was
        made to give something else), REDEEM_CODE_USED (expired), and what granting a subscription raises.
        """
        text, terms = checked_code(body.code), _sold_terms(body)
        user = await self._users.locked(body.user_id)
        code = await self._codes.by_text(text) or await self._create(text, terms, notes=body.notes)
        if code.status == USED and code.used_by == user.id:
            return code
        if code.status == USED or not terms.describes(code):
            raise Conflict(
                "this code was used by another user, or gives something else; make a new one",
                reason="REDEEM_CODE_CONFLICT",
            )
        used = await self._use(code, user)
        await self._tell(used, user)
        return used

    async def _tell(self, code: RedeemCodeRow, user: UserRow) -> None:
        data = {
            "user_id": user.id,
            "email": user.email,
            "kind": code.type,
            "amount_usd": to_usd(code.value_nano) if code.type == BALANCE else None,
            "group_id": code.group_id,
            "validity_days": code.validity_days if code.type == SUBSCRIPTION else None,
            "redeem_code_id": code.id,
        }
        await tell(self._work.session, EventType.PAYMENT_CREDITED, data, now_ms=self._work.now_ms())

    async def _create(self, text: str, terms: CodeTerms, *, notes: str) -> RedeemCodeRow:
        """The new code, or the one that another user's sale made meanwhile."""
        if terms.group_id is not None:
            await SubscriptionRepository(self._work.session).group_to_subscribe(terms.group_id)
        now = self._work.now()
        actor_id = self._work.actor_id
        await self._codes.add_missing(
            text, terms, notes=notes, created_by=actor_id, created_at=now, updated_at=now
        )
        return found(await self._codes.by_text(text))

    async def _use(self, code: RedeemCodeRow, user: UserRow) -> RedeemCodeRow:
        if not await self._codes.use(code.id, user_id=user.id, now=self._work.now()):
            code = found(await self._codes.by_text(code.code))
            self._require_redeemable(code, user.id)
            raise _used()
        await self._give(code, user)
        return await self._codes.get(code.id)

    async def _give(self, code: RedeemCodeRow, user: UserRow) -> None:
        match code.type:
            case "balance":
                await BalanceService(self._work).move(
                    user, code.value_nano, note=f"redeem code {code.id}", operation_id=f"redeem:{code.id}"
                )
            case "concurrency":
                user.concurrency = _more_slots(user.concurrency, code.value_nano // NANO_PER_USD)
                user.updated_at = self._work.now()
                self._work.touch_directory()
            case "subscription":
                await assign_or_extend(
                    self._work,
                    user_id=user.id,
                    group_id=code.group_id or 0,
                    days=code.validity_days,
                    notes=f"redeem code {code.id}",
                )
            case kind:
                raise AssertionError(f"a code of type {kind} is not redeemed")

    def _require_redeemable(self, code: RedeemCodeRow, user_id: int) -> None:
        if code.type not in (BALANCE, CONCURRENCY, SUBSCRIPTION) and code.status != USED:
            raise _only_for_registration()
        match state_of(code, self._work.now()):
            case "used":
                raise _used(by_caller=code.used_by == user_id)
            case "expired":
                raise Conflict("this code has expired", reason="REDEEM_CODE_USED")


def _sold_terms(body: CreateAndRedeemBody) -> CodeTerms:
    """What was paid for: a subscription says its days, and nobody sells an invitation to who is here."""
    if body.type == INVITATION:
        raise _only_for_registration()
    if body.type == SUBSCRIPTION and (body.validity_days or 0) <= 0:
        raise BadRequest("validity_days must be greater than 0 for a subscription")
    return checked_terms(
        kind=body.type, value=body.value, group_id=body.group_id, validity_days=body.validity_days
    )


def _more_slots(present: int, slots: int) -> int:
    """Unlimited (0 or less) stays; taking away ends at 1, because 0 would be unlimited. Raises
    INVALID_INPUT."""
    if present <= 0:
        return present
    if present + slots > MAX_CONCURRENCY:
        raise BadRequest(f"concurrency would be larger than {MAX_CONCURRENCY}")
    return max(1, present + slots)


def _used(*, by_caller: bool = False) -> Conflict:
    who = "you have redeemed this code already" if by_caller else "this code has been used"
    return Conflict(who, reason="REDEEM_CODE_USED")


def _only_for_registration() -> BadRequest:
    return BadRequest(
        "this is an invitation: it is used at registration, not here", reason="REDEEM_CODE_INVALID"
    )
