"""The operator's own prices, and what a request would cost under the price book (DESIGN 5)."""

from collections.abc import Sequence

from sqlalchemy import func, select

from headgate.control.groups.repository import GroupRepository
from headgate.control.prices.schemas import PreviewBody, PreviewView, PriceBody, rates_view
from headgate.control.search import contains
from headgate.control.web.envelope import Paging
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE, from_usd, multiplier_from, to_usd
from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.cost import Quote, price_usage
from headgate.core.pricing.price import Price, Tariff, rates_of
from headgate.errors import BadRequest, Conflict, NotFound
from headgate.storage.models import PriceOverrideRow
from headgate.storage.models.system import ALWAYS


class PriceService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def page(self, search: str, paging: Paging) -> tuple[Sequence[PriceOverrideRow], int]:
        query = select(PriceOverrideRow)
        if search:
            query = query.where(contains(search, PriceOverrideRow.model))
        session = self._work.session
        total = await session.scalar(select(func.count()).select_from(query.subquery()))
        rows = await session.scalars(
            query.order_by(PriceOverrideRow.model, PriceOverrideRow.effective_from)
            .limit(paging.page_size)
            .offset(paging.offset)
        )
        return rows.all(), total or 0

    async def get(self, price_id: int) -> PriceOverrideRow:
        """Raises PRICE_NOT_FOUND."""
        row = await self._work.session.get(PriceOverrideRow, price_id)
        if row is None:
            raise NotFound("price not found", reason="PRICE_NOT_FOUND")
        return row

    async def create(self, body: PriceBody) -> PriceOverrideRow:
        """Raises PRICE_EXISTS (for this model from this instant on)."""
        await self._require_free(body, owner=None)
        row = PriceOverrideRow(created_at=self._work.now())
        self._fill(row, body)
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def update(self, price_id: int, body: PriceBody) -> PriceOverrideRow:
        """Replaces the whole price. Raises PRICE_NOT_FOUND, PRICE_EXISTS."""
        row = await self.get(price_id)
        await self._require_free(body, owner=row.id)
        self._fill(row, body)
        return row

    async def delete(self, price_id: int) -> None:
        """Raises PRICE_NOT_FOUND. The bundled price applies again."""
        await self._work.session.delete(await self.get(price_id))
        self._work.touch_directory()

    async def preview(self, body: PreviewBody, book: PriceBook) -> PreviewView:
        """Priced by the same code as real requests. Raises PRICE_UNKNOWN, GROUP_NOT_FOUND."""
        quote = self._quote(body, book)
        multiplier = await self._multiplier(body)
        usage = body.usage()
        lines = price_usage(
            quote.price,
            usage,
            charge_multiplier=multiplier,
            cost_multiplier=MULTIPLIER_ONE,
            service_tier=body.service_tier,
            is_default=quote.is_default,
        )
        context = usage.total - usage.output - usage.audio_output
        rates, _ = quote.price.rates_for(body.service_tier, context)
        return PreviewView(
            model=body.model,
            source=quote.source,
            entry=quote.entry,
            price_version=quote.version,
            is_price_default=quote.is_default,
            rates=rates_view(rates),
            input_cost=to_usd(lines.input),
            output_cost=to_usd(lines.output),
            cache_read_cost=to_usd(lines.cache_read),
            cache_creation_cost=to_usd(lines.cache_write),
            other_cost=to_usd(lines.other),
            total_cost=to_usd(lines.list_cost),
            rate_multiplier=multiplier / MULTIPLIER_ONE,
            actual_cost=to_usd(lines.charge),
        )

    def _quote(self, body: PreviewBody, book: PriceBook) -> Quote:
        if body.draft is not None:
            price = price_of(body.draft)
            return Quote(price=price, version="draft", source="draft", entry=body.draft.model)
        at_ms = self._work.now_ms() if body.at is None else round(body.at.timestamp() * 1000)
        quote = book.quote(body.model, at_ms=at_ms)
        if isinstance(quote, PriceUnknown):
            raise BadRequest(
                f"no price is known for {body.model!r} and unknown models are refused; add one",
                reason="PRICE_UNKNOWN",
            )
        return quote

    async def _multiplier(self, body: PreviewBody) -> int:
        if body.rate_multiplier is not None:
            return multiplier_from(body.rate_multiplier)
        if body.group_id is not None:
            return (await GroupRepository(self._work.session).get(body.group_id)).charge_multiplier
        return MULTIPLIER_ONE

    def _fill(self, row: PriceOverrideRow, body: PriceBody) -> None:
        row.model = body.model
        row.effective_from = body.effective_from or ALWAYS
        row.input_nano, row.output_nano = from_usd(body.input), from_usd(body.output)
        for name in _OPTIONAL:
            setattr(row, f"{name}_nano", _nano(getattr(body, name)))
        row.updated_at = self._work.now()
        self._work.touch_directory()

    async def _require_free(self, body: PriceBody, *, owner: int | None) -> None:
        row, since = PriceOverrideRow, body.effective_from or ALWAYS
        holder = await self._work.session.scalar(
            select(row.id).where(func.lower(row.model) == body.model.lower(), row.effective_from == since)
        )
        if holder is not None and holder != owner:
            when = "" if body.effective_from is None else f" from {since.isoformat()} on"
            raise Conflict(f"there is a price for {body.model!r}{when} already", reason="PRICE_EXISTS")


_OPTIONAL = (
    "cache_read", "cache_write_5m", "cache_write_1h", "audio_input", "audio_output", "image", "image_2k",
    "image_4k", "web_search",
)  # fmt: skip


def price_of(body: PriceBody) -> Price:
    rates = rates_of(
        input=from_usd(body.input),
        output=from_usd(body.output),
        cache_read=_nano(body.cache_read),
        cache_write_5m=_nano(body.cache_write_5m),
        cache_write_1h=_nano(body.cache_write_1h),
        audio_input=_nano(body.audio_input),
        audio_output=_nano(body.audio_output),
    )
    return Price(
        standard=Tariff(rates=rates),
        image=_nano(body.image),
        image_2k=_nano(body.image_2k),
        image_4k=_nano(body.image_4k),
        web_search=_nano(body.web_search),
    )


def _nano(amount: float | None) -> int | None:
    return None if amount is None else from_usd(amount)
