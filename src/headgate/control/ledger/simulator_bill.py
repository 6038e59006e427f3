"""The simulator's bill (`/__bill`) as a provider's: its tokens, at our prices, since it knows none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.cost import price_usage
from headgate.core.provider_bill import MAX_COUNT, BillFileInvalid
from headgate.core.usage import TokenUsage
from headgate.core.world import Account
from headgate.storage.ledger_verify import snapshot
from headgate.storage.metered_calls import DAY_MS, metered_calls
from headgate.storage.scratch_bill import BillRow

Count = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]


class SimulatedUsage(msgspec.Struct, frozen=True, kw_only=True):
    input: Count = 0
    cache_read: Count = 0
    cache_write_5m: Count = 0
    cache_write_1h: Count = 0
    output: Count = 0
    reasoning: Count = 0
    images: Count = 0


class SimulatedLine(msgspec.Struct, frozen=True, kw_only=True):
    request_id: str
    key: str
    asked_model: str
    started_ms: Annotated[int, msgspec.Meta(ge=0, le=10**14)]
    usage: SimulatedUsage


class SimulatedBill(msgspec.Struct, frozen=True, kw_only=True):
    lines: list[SimulatedLine]


@dataclass(frozen=True, slots=True)
class SimulatorRows:
    rows: Sequence[BillRow]
    unknown: int
    """Calls with keys that none of our accounts holds."""


def parse_simulator_bill(body: bytes) -> SimulatedBill:
    """Raises BillFileInvalid."""
    try:
        return msgspec.json.decode(body, type=SimulatedBill)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BillFileInvalid(f"the answer is no simulator's bill: {error}") from None


async def simulator_rows(
    engine: AsyncEngine, bill: SimulatedBill, accounts: Sequence[Account], book: PriceBook
) -> SimulatorRows:
    """Each line with the account that holds its key; where several hold it, the one that our record says."""
    holders: dict[str, list[Account]] = {}
    for account in accounts:
        if key := account.secret.reveal():
            holders.setdefault(key, []).append(account)
    recorded = await _recorded(engine, bill, holders)
    rows = list(_rows(bill, holders, recorded, book))
    return SimulatorRows(rows, len(bill.lines) - len(rows))


def _rows(
    bill: SimulatedBill, holders: Mapping[str, list[Account]], recorded: Mapping[str, int], book: PriceBook
) -> Iterator[BillRow]:
    for line in bill.lines:
        found = holders.get(line.key)
        if not found:
            continue
        account = next((a for a in found if a.id == recorded.get(line.request_id)), found[0])
        yield _row(line, account, book)


def _row(line: SimulatedLine, account: Account, book: PriceBook) -> BillRow:
    usage = TokenUsage(**msgspec.structs.asdict(line.usage))
    quote = book.quote(line.asked_model, at_ms=line.started_ms)
    if isinstance(quote, PriceUnknown):
        quote = book.default_quote()
    cost = price_usage(
        quote.price,
        usage,
        charge_multiplier=0,
        cost_multiplier=account.cost_multiplier,
        is_default=quote.is_default,
    )
    return BillRow(
        day=line.started_ms // DAY_MS,
        account=account.id,
        model=line.asked_model,
        request_id=line.request_id,
        calls=1,
        usage=usage,
        cost_nano=cost.account_cost,
    )


async def _recorded(
    engine: AsyncEngine, bill: SimulatedBill, holders: Mapping[str, list[Account]]
) -> dict[str, int]:
    """Request id -> account, of calls with keys that several accounts hold."""
    shared = {key for key, found in holders.items() if len(found) > 1}
    wanted = {line.request_id: line.started_ms for line in bill.lines if line.key in shared}
    if not wanted:
        return {}
    accounts = [int(account.id) for key in shared for account in holders[key]]
    days = (min(wanted.values()) // DAY_MS - 1, max(wanted.values()) // DAY_MS + 1)
    async with snapshot(engine) as connection:
        return {
            call.upstream_request_id: call.account
            async for call in metered_calls(connection, accounts, days)
            if call.upstream_request_id in wanted
        }
