"""Lines of the ledger for the browser: newest first, by cursor.

The journal pays for every index of the ledger with each exchange, so there is none by book: a page looks at
the next `WINDOW` lines only, and says how far it came. Lines of one exchange, and adjustments, have
their index.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from headgate.control.ledger.schemas import BookView, LedgerEntryView, LedgerLinesView
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.kit.clock import instant
from headgate.storage.models import AccountRow, ApiKeyRow, LedgerEntryRow, UserRow

WINDOW = 50_000
"""Lines looked at for one page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    book: str = ""
    kind: str = ""
    """`correction` finds the later corrections as well."""
    exchange_id: str = ""
    cursor: int | None = None
    """Only lines with a smaller id."""
    limit: int = 50

    @property
    def has_index(self) -> bool:
        return bool(self.exchange_id) or self.kind == "adjustment"

    @property
    def is_filtered(self) -> bool:
        return bool(self.book or self.kind or self.exchange_id)


class LedgerEntries:
    def __init__(self, session: AsyncSession) -> None:
        self._session = session

    async def page(self, wanted: Wanted) -> LedgerLinesView:
        top = wanted.cursor
        if top is None:
            top = (await self._session.scalar(select(func.max(LedgerEntryRow.id))) or 0) + 1
        is_windowed = wanted.is_filtered and not wanted.has_index
        floor = max(1, top - WINDOW) if is_windowed else 1
        query = select(LedgerEntryRow).where(
            LedgerEntryRow.id < top, LedgerEntryRow.id >= floor, *_tests(wanted)
        )
        rows = await self._rows(query, wanted.limit + 1)
        shown, has_more = rows[: wanted.limit], len(rows) > wanted.limit
        cursor = shown[-1].id if has_more else floor if floor > 1 else None
        return LedgerLinesView(
            items=await self._views(shown),
            next_cursor=cursor,
            searched_to=None if cursor is None else await self._age(cursor),
        )

    async def _rows(self, query: Select[LedgerEntryRow], limit: int) -> Sequence[LedgerEntryRow]:
        found = await self._session.scalars(query.order_by(LedgerEntryRow.id.desc()).limit(limit))
        return found.all()

    async def _age(self, floor: int) -> datetime | None:
        query = select(LedgerEntryRow.created_at_ms).where(LedgerEntryRow.id >= floor)
        at_ms = await self._session.scalar(query.order_by(LedgerEntryRow.id).limit(1))
        return None if at_ms is None else instant(at_ms)

    async def _views(self, rows: Sequence[LedgerEntryRow]) -> Sequence[LedgerEntryView]:
        books = {book for row in rows for book in (row.debit_book, row.credit_book)}
        names = await self._names(books)
        actors = {row.actor_id for row in rows if row.actor_id}
        emails = await self._texts(UserRow.id, UserRow.email, actors)
        return [_view(row, names, emails.get(row.actor_id or 0, "")) for row in rows]

    async def _names(self, books: Iterable[str]) -> Mapping[str, str]:
        ids: dict[str, set[int]] = {}
        for book in books:
            kind, _, number = book.partition(":")
            if number.isdigit():
                ids.setdefault(kind, set()).add(int(number))
        columns = {
            "user": (UserRow.id, UserRow.email),
            "account": (AccountRow.id, AccountRow.name),
            "key": (ApiKeyRow.id, ApiKeyRow.name),
        }
        return {
            f"{kind}:{id_}": name
            for kind, (id_column, column) in columns.items()
            for id_, name in (await self._texts(id_column, column, ids.get(kind, ()))).items()
        }

    async def _texts(
        self, id_column: InstrumentedAttribute[int], column: InstrumentedAttribute[str], ids: Iterable[int]
    ) -> Mapping[int, str]:
        """Also of what was deleted: its past stays."""
        wanted = list(ids)
        if not wanted:
            return {}
        found = await self._session.execute(select(id_column, column).where(id_column.in_(wanted)))
        return {id_: text for id_, text in found}


def _tests(wanted: Wanted) -> list[ColumnElement[bool]]:
    row, tests = LedgerEntryRow, list[ColumnElement[bool]]()
    if wanted.exchange_id:
        tests.append(row.exchange_id == wanted.exchange_id)
    if wanted.book:
        tests.append(or_(row.debit_book == wanted.book, row.credit_book == wanted.book))
    if wanted.kind == "correction":
        tests.append(row.kind.startswith("correction"))
    elif wanted.kind:
        tests.append(row.kind == wanted.kind)
    return tests


def _view(row: LedgerEntryRow, names: Mapping[str, str], actor: str) -> LedgerEntryView:
    return LedgerEntryView(
        id=row.id,
        created_at=instant(row.created_at_ms),
        kind=row.kind,
        exchange_id=row.exchange_id,
        attempt=row.attempt,
        debit=BookView(book=row.debit_book, name=names.get(row.debit_book, "")),
        credit=BookView(book=row.credit_book, name=names.get(row.credit_book, "")),
        amount=to_usd(row.amount_nano),
        tariff=_tariff(row.tariff),
        multiplier=None if row.multiplier is None else row.multiplier / MULTIPLIER_ONE,
        price_version=row.price_version,
        note=row.note,
        actor_id=row.actor_id,
        actor=actor,
        chain=row.chain,
        seq=row.seq,
        hash="" if row.hash is None else bytes(row.hash).hex(),
    )


def _tariff(text: str) -> Mapping[str, float]:
    """What nobody can read is `verify`'s to report."""
    pairs = (line.partition("=") for line in text.split())
    return {name: to_usd(int(nano)) for name, _, nano in pairs if nano.isdigit()}
