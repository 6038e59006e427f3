"""HTTP of the ledger: its lines, and its proof. There is no way to change it here."""

from typing import Annotated, Literal

from fastapi import Query

from headgate.control.ledger.entries import LedgerEntries, Wanted
from headgate.control.ledger.proof import prove
from headgate.control.ledger.schemas import LedgerLinesView, LedgerProofView
from headgate.control.web.fields import MAX_ID
from headgate.control.web.routing import CurrentWork, Deps, Permission, RouteTable

routes = RouteTable("/admin/ledger", tag="ledger")

_BOOK = r"^$|^(user|account|key|subscription):[1-9][0-9]{0,17}$|^(revenue|cost|usage|equity)$"
Book = Annotated[
    str,
    Query(
        pattern=_BOOK,
        description="user:<id>, account:<id>, key:<id>, subscription:<id>, revenue, cost, usage or equity",
    ),
]
Exchange = Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9_:.-]*$")]
Kind = Literal["", "charge", "cost", "key", "adjustment", "correction"]


@routes.route("GET", "", Permission.AMOUNTS)
async def lines(
    work: CurrentWork,
    book: Book = "",
    kind: Kind = "",
    exchange_id: Exchange = "",
    cursor: Annotated[int | None, Query(ge=1, le=MAX_ID)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> LedgerLinesView:
    """Movements of money, newest first: of a book, of a kind, of one exchange, or all. Follow
    `next_cursor`."""
    wanted = Wanted(book=book, kind=kind, exchange_id=exchange_id, cursor=cursor, limit=limit)
    return await LedgerEntries(work.session).page(wanted)


@routes.route("GET", "/verify", Permission.AMOUNTS)
async def verify(work: CurrentWork, deps: Deps) -> LedgerProofView:
    """Prove the ledger, as `headgate ledger verify` does: chains, sums against balances and quotas, lines
    against usage records. Reads everything; 409 while somebody else's proof runs."""
    return await prove(work, deps)
