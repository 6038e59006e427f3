"""The proof of the books for who asks in the browser, and the bound that balances are held to there and on
the command line."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from headgate.control.deps import ControlDeps
from headgate.control.ledger.schemas import ChainView, FindingView, LedgerProofView
from headgate.control.settings.spending_bounds import group_bound
from headgate.control.work import Work
from headgate.core.money import from_usd, to_usd
from headgate.core.pricing.book import PriceBook
from headgate.errors import Conflict
from headgate.storage.ledger_verify import NegativeBound, overdraft_bound, verify
from headgate.storage.models import GroupRow


async def prove(work: Work, deps: ControlDeps) -> LedgerProofView:
    """Reads the whole ledger, one reader at a time in each process. Raises LEDGER_VERIFY_RUNNING."""
    if deps.proving.locked():
        raise Conflict("The ledger is being verified already; try again when that has ended",
                       reason="LEDGER_VERIFY_RUNNING")  # fmt: skip
    async with deps.proving:
        engine = work.session.bind
        assert isinstance(engine, AsyncEngine), "sessions are made of the engine"
        await work.release_connection()
        bound = await negative_bound(
            engine, deps.prices(), deps.settings.limits.first_output_slice_tokens, now_ms=work.now_ms()
        )
        started_ms = work.now_ms()
        report = await verify(engine, ledger_key=deps.vault.ledger_key(), negative=bound)
    return LedgerProofView(
        is_sound=report.is_sound,
        entries=report.entries,
        unchained=report.unchained,
        chains=[
            ChainView(chain=end.chain, entries=end.entries, is_whole=end.is_whole, newest_hash=end.hash.hex())
            for end in report.chains
        ],
        counts=report.counts,
        findings=[FindingView(check=finding.check, text=finding.text) for finding in report.findings],
        overdraft_usd=to_usd(bound.flat_nano),
        per_stream_usd=to_usd(bound.per_stream_nano),
        took_ms=work.now_ms() - started_ms,
    )


async def negative_bound(
    engine: AsyncEngine, book: PriceBook, slice_tokens: int, *, now_ms: int, allowed_nano: int = 0
) -> NegativeBound:
    """The groups' largest overdraft and what the operator allows besides; per stream, the dearest slice of
    output that a provider can bill unseen (docs/decisions/0017)."""
    async with AsyncSession(engine) as session:
        groups = await session.scalars(select(GroupRow).where(GroupRow.deleted_at.is_(None)))
        slices = [
            group_bound(row, book, slice_tokens, now_ms=now_ms).overshoot_per_stream_usd for row in groups
        ]
    flat = await overdraft_bound(engine) + allowed_nano
    return NegativeBound(flat_nano=flat, per_stream_nano=from_usd(max(slices, default=0)))
