"""Replay: a period billed again with another price book, shown or booked as corrections (DESIGN 5).

Looking reads one consistent picture of the database. Booking goes page by page, each its own transaction;
what is right already is left alone, so that a replay which was cut short is completed by the next.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from headgate.control.audit.record import Call, record_change
from headgate.control.audit.trail import ChangeTrail
from headgate.control.deps import UnitOfWorkFactory
from headgate.control.work import SYSTEM
from headgate.core.money import to_usd
from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.rebilling import BilledCall, Rebilled, rebill
from headgate.kit import json
from headgate.storage.billed_calls import Period, Place, billed_page
from headgate.storage.journal_money import tariff
from headgate.storage.ledger_corrections import Correction, correct_charge
from headgate.storage.ledger_verify import snapshot
from headgate.storage.models import ApiKeyRow, SubscriptionRow, UserRow

MAX_NAMES = 10_000
"""Models told apart; clients may invent names."""
OTHERS = "(other models)"
MAX_SHOWN = 50

ImagePrices = Mapping[int, Mapping[str, int]]
"""Group id -> size -> nano-USD: the groups' own prices per picture, as they are now."""


@dataclass(slots=True)
class ReplayLine:
    """Sums over calls, nano-USD."""

    calls: int = 0
    changed: int = 0
    booked: int = 0
    replayed: int = 0
    cost_booked: int = 0
    cost_replayed: int = 0

    @property
    def difference(self) -> int:
        return self.replayed - self.booked

    def add(self, call: BilledCall, new: Rebilled) -> None:
        self.calls += 1
        self.changed += not new.is_same
        self.booked += call.paid_nano
        self.replayed += new.paid_nano
        self.cost_booked += call.account_nano
        self.cost_replayed += new.cost.account_cost


@dataclass(slots=True)
class ReplayReport:
    version: str
    total: ReplayLine = field(default_factory=ReplayLine)
    by_model: dict[str, ReplayLine] = field(default_factory=dict)
    by_user: dict[int, ReplayLine] = field(default_factory=dict)
    emails: dict[int, str] = field(default_factory=dict)
    """Of the users who differ most."""

    def most_changed_users(self) -> list[int]:
        """At most `MAX_SHOWN`, the largest difference first."""
        lines = self.by_user
        return sorted(lines, key=lambda user: (-abs(lines[user].difference), user))[:MAX_SHOWN]

    def add(self, call: BilledCall, new: Rebilled) -> None:
        model = call.client_model
        if model not in self.by_model and len(self.by_model) >= MAX_NAMES:
            model = OTHERS
        for line in (
            self.total,
            self.by_model.setdefault(model, ReplayLine()),
            self.by_user.setdefault(call.user_id, ReplayLine()),
        ):
            line.add(call, new)


async def preview(
    engine: AsyncEngine, book: PriceBook, period: Period, image_prices: ImagePrices
) -> ReplayReport:
    """What a replay would change. Writes nothing."""
    report = ReplayReport(book.version)
    async with snapshot(engine) as connection:
        calls, place = await billed_page(connection, period, None)
        while place is not None:
            for call in calls:
                report.add(call, rebill(call, book, image_prices.get(call.group_id, {})))
            calls, place = await billed_page(connection, period, place)
        shown = select(UserRow.id, UserRow.email).where(UserRow.id.in_(report.most_changed_users()))
        report.emails.update({number: email for number, email in await connection.execute(shown)})
    return report


async def book_corrections(
    uow_factory: UnitOfWorkFactory, book: PriceBook, period: Period, image_prices: ImagePrices, *, now_ms: int
) -> ReplayReport:
    """Book the difference of every call of the period; returns what was corrected."""
    report = ReplayReport(book.version)
    place: Place | None = None
    while True:
        async with uow_factory() as uow:
            connection = await uow.session.connection()
            calls, place = await billed_page(connection, period, place)
            rebilled = [(call, rebill(call, book, image_prices.get(call.group_id, {}))) for call in calls]
            changed = [(call, new) for call, new in rebilled if not new.is_same]
            if changed:
                await _correct(uow.session, changed, now_ms)
                uow.touch_directory()  # a running gateway reads balances and quotas anew
        for call, new in changed:
            report.add(call, new)
        if place is None:
            return report


async def _correct(session: AsyncSession, changed: list[tuple[BilledCall, Rebilled]], now_ms: int) -> None:
    trail = ChangeTrail(session)
    await _lock(session, [call for call, _ in changed])
    for call, new in changed:
        await correct_charge(
            session,
            Correction(
                exchange_id=call.exchange_id,
                attempt=call.attempt,
                charge_nano=new.paid_more,
                key_nano=new.key_more,
                account_nano=new.account_more,
                reason=f"replay with price book {new.cost.price_version}",
                actor_id=None,
                now_ms=now_ms,
                price_version=new.cost.price_version,
                tariff=tariff(new.cost),
                paid_before_nano=call.paid_nano,
            ),
        )
    await record_change(session, _audited(changed), SYSTEM, trail, now_ms=now_ms, always=True)


def _audited(changed: list[tuple[BilledCall, Rebilled]]) -> Call:
    """One page of a replay, as the audit log names it; the ledger's lines say which calls."""
    asked = {
        "price_book": changed[0][1].cost.price_version,
        "calls": len(changed),
        "charged_more_usd": to_usd(sum(new.paid_more for _, new in changed)),
    }
    return Call(action="headgate ledger replay", target_kind="ledger", asked=json.dumps(asked).decode())


async def _lock(session: AsyncSession, calls: Sequence[BilledCall]) -> None:
    """All rows that will move, in the order in which the journal takes them, and before the head of the
    chain: nobody can wait for us who makes us wait."""
    for row, numbers in (
        (UserRow, {call.user_id for call in calls}),
        (ApiKeyRow, {call.key_id for call in calls if call.key_nano is not None}),
        (SubscriptionRow, {call.subscription_id for call in calls if call.subscription_id is not None}),
    ):
        wanted = select(row.id).where(row.id.in_(sorted(numbers))).order_by(row.id).with_for_update()
        await session.execute(wanted)
