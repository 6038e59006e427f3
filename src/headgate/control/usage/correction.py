"""Putting right what a record was charged, once somebody knows what was really used.

The record keeps what was measured and charged then. The corrected usage is priced as the record was: with the
price book, the tier and the multipliers that stand on its ledger lines; the differences are new lines.
"""

from dataclasses import dataclass

from sqlalchemy import select

from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE, div_half_even
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cost import CostLines, Quote, price_usage
from headgate.core.usage import TokenUsage
from headgate.errors import BadRequest, Conflict
from headgate.storage.directory_rows import group_from
from headgate.storage.journal_money import tariff
from headgate.storage.ledger_corrections import ChargeMoved, Correction, correct_charge
from headgate.storage.models import GroupRow, LedgerEntryRow, UsageRecordRow
from headgate.storage.price_books import read_price_book


@dataclass(frozen=True, slots=True, kw_only=True)
class Corrected:
    """What the usage costs, and by how much the charge changed (nano-USD)."""

    list_cost: int
    charge: int
    change: int


async def correct_record(work: Work, row: UsageRecordRow, usage: TokenUsage, *, note: str) -> Corrected:
    """Raises PRICE_VERSION_UNKNOWN, CHARGE_CORRECTED (by `headgate ledger`, before this review)."""
    cost = await _priced(work, row, usage)
    lines = await _lines(work, row)
    charge, changed = _new_amount(lines, "charge", row, cost.list_cost)
    _, for_key = _new_amount(lines, "key", row, cost.list_cost)
    _, for_account = _new_amount(lines, "cost", row, cost.list_cost)
    correction = Correction(
        exchange_id=row.exchange_id,
        attempt=row.attempt,
        charge_nano=changed,
        key_nano=for_key,
        account_nano=for_account,
        reason=f"review of record {row.id}: {note}" if note else f"review of record {row.id}",
        actor_id=work.actor_id,
        now_ms=work.now_ms(),
        price_version=row.price_version,
        tariff=tariff(cost),
        paid_before_nano=charge - changed,
    )
    try:
        bounds = await correct_charge(work.session, correction)
    except ChargeMoved as error:
        raise Conflict(str(error), reason="CHARGE_CORRECTED") from None
    work.bounds_changed(*bounds)
    return Corrected(list_cost=cost.list_cost, charge=charge, change=changed)


async def _priced(work: Work, row: UsageRecordRow, usage: TokenUsage) -> CostLines:
    book = await read_price_book(work.session, row.price_version)
    if book is None:
        raise BadRequest(
            f"the prices of version {row.price_version!r} are not kept here: correct the balance instead",
            reason="PRICE_VERSION_UNKNOWN",
        )
    started_at_ms = row.created_at_ms - row.duration_ms
    found = book.quote(row.client_model, row.upstream_model, at_ms=started_at_ms)
    quote: Quote = book.default_quote() if isinstance(found, PriceUnknown) else found
    return price_usage(
        quote.price,
        usage,
        charge_multiplier=row.charge_multiplier,
        cost_multiplier=row.cost_multiplier,
        service_tier=row.service_tier,
        price_version=quote.version,
        is_default=quote.is_default,
        image_prices=await _image_prices(work, row.group_id),
    )


async def _image_prices(work: Work, group_id: int) -> dict[str, int]:
    row = await work.session.get(GroupRow, group_id)
    group = None if row is None else group_from(row)
    return {} if group is None else dict(group.image_prices_nano)


async def _lines(work: Work, row: UsageRecordRow) -> dict[str, LedgerEntryRow]:
    entry = LedgerEntryRow
    found = await work.session.scalars(
        select(entry).where(entry.exchange_id == row.exchange_id, entry.attempt == row.attempt)
    )
    return {line.kind: line for line in found}


def _new_amount(
    lines: dict[str, LedgerEntryRow], kind: str, row: UsageRecordRow, list_cost: int
) -> tuple[int, int]:
    """What the line should say, and the difference to what it says. A line that is missing was of 0: then the
    record's multiplier applies; keys are counted only where they were, failed attempts are not charged."""
    line = lines.get(kind)
    if line is not None and line.multiplier is not None:
        multiplier, booked = line.multiplier, line.amount_nano
    elif kind == "key" or (kind == "charge" and row.outcome == "failed"):
        multiplier, booked = 0, 0
    else:
        multiplier, booked = (row.charge_multiplier if kind == "charge" else row.cost_multiplier), 0
    amount = div_half_even(list_cost * multiplier, MULTIPLIER_ONE)
    return amount, amount - booked
