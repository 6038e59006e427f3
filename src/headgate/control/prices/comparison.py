"""What other prices would have changed over the last days: sums of records, priced under both books.

Records are added up in SQL by everything that a price can depend on, so that a month is a few hundred groups,
however many records it has.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, select

from headgate.control.prices.schemas import (
    ComparedModel,
    ComparisonBody,
    ComparisonView,
    FileVerdict,
)
from headgate.control.prices.service import price_of
from headgate.control.work import Work
from headgate.core.money import to_usd
from headgate.core.pricing.acceptance import Accepted, Refused, accept
from headgate.core.pricing.book import Dates, PriceBook, PriceList, PriceUnknown
from headgate.core.pricing.catalogue import Dated
from headgate.core.pricing.comparison import UsageSum, list_cost, thresholds_of
from headgate.core.pricing.cost import Quote
from headgate.core.pricing.price import Price
from headgate.core.pricing.price_file import PriceFileInvalid, parse_price_file
from headgate.core.usage import TokenUsage
from headgate.errors import BadRequest
from headgate.kit import json
from headgate.storage.models import UsageRecordRow

DAY_MS = 86_400_000
MAX_GROUPS = 20_000
SHOWN = 200
"""Models in the answer, the largest changes first; the sums are over all."""

_ROW = UsageRecordRow
_CONTEXT = (
    _ROW.input_tokens
    + _ROW.cache_read_tokens
    + _ROW.cache_write_5m_tokens
    + _ROW.cache_write_1h_tokens
    + _ROW.audio_input_tokens
)
_SUMMED = {
    "input": _ROW.input_tokens,
    "output": _ROW.output_tokens,
    "reasoning": _ROW.reasoning_tokens,
    "cache_read": _ROW.cache_read_tokens,
    "cache_write_5m": _ROW.cache_write_5m_tokens,
    "cache_write_1h": _ROW.cache_write_1h_tokens,
    "audio_input": _ROW.audio_input_tokens,
    "audio_output": _ROW.audio_output_tokens,
    "images": _ROW.image_count,
    "web_search_calls": _ROW.web_search_calls,
}


async def compare_prices(
    work: Work, body: ComparisonBody, book: PriceBook, file: bytes | None
) -> ComparisonView:
    """`file`: a price file to judge and to use, as it would be when it is installed. Raises
    PRICE_FILE_INVALID, TOO_MUCH_TO_COMPARE."""
    now_ms = work.now_ms()
    from_ms = now_ms - body.days * DAY_MS
    candidate, verdict = await asyncio.to_thread(_candidate, body, book, file)
    at_ms = max([now_ms, *(_since(dated) for dated in candidate.overrides.values())])
    quotes = _Quotes(book, candidate, now_ms=now_ms, at_ms=at_ms)
    names = await _names(work, from_ms)
    sums = await _sums(work, from_ms, quotes.thresholds(names))
    return _view(body, quotes, sums, verdict)


class _Quotes:
    """Present and candidate price of each pair of names."""

    def __init__(self, book: PriceBook, candidate: PriceBook, *, now_ms: int, at_ms: int) -> None:
        self.book, self.candidate = book, candidate
        self._now_ms, self._at_ms = now_ms, at_ms

    def of(self, client_model: str, upstream_model: str) -> tuple[Quote, Quote]:
        return (
            _quote(self.book, client_model, upstream_model, self._now_ms),
            _quote(self.candidate, client_model, upstream_model, self._at_ms),
        )

    def thresholds(self, names: Sequence[tuple[str, str]]) -> list[int]:
        found = {t for pair in names for quote in self.of(*pair) for t in thresholds_of(quote.price)}
        return sorted(found, reverse=True)


def _quote(book: PriceBook, client_model: str, upstream_model: str, at_ms: int) -> Quote:
    quote = book.quote(client_model, upstream_model, at_ms=at_ms)
    return book.default_quote() if isinstance(quote, PriceUnknown) else quote


def _candidate(
    body: ComparisonBody, book: PriceBook, file: bytes | None
) -> tuple[PriceBook, FileVerdict | None]:
    overrides: dict[str, Dates] = dict(book.overrides)
    for draft in body.overrides:
        since = 0 if draft.effective_from is None else round(draft.effective_from.timestamp() * 1000)
        name = draft.model.lower()
        others = [dated for dated in overrides.get(name, ()) if dated.from_ms != since]
        dates = [*others, Dated(from_ms=since, price=price_of(draft))]
        overrides[name] = tuple(sorted(dates, key=lambda dated: dated.from_ms))
    prices, verdict = (book.file, None) if file is None else _judged(file, book)
    return (
        PriceBook(
            catalogue=book.catalogue,
            default=book.default_price,
            refuse_unknown=book.refuses_unknown,
            overrides=overrides,
            file=prices,
        ),
        verdict,
    )


def _judged(file: bytes, book: PriceBook) -> tuple[PriceList, FileVerdict]:
    """What installing this file would do. Raises PRICE_FILE_INVALID."""
    try:
        parsed = parse_price_file(file)
    except PriceFileInvalid as error:
        raise BadRequest(f"this price file would be refused: {error}", reason="PRICE_FILE_INVALID") from None
    judged = accept(parsed, before=book.file, otherwise=_bundled(book))
    if isinstance(judged, Refused):
        return book.file, FileVerdict(refused=judged.reason, models=len(parsed), doubted=[])
    return judged.prices, _verdict(judged)


def _verdict(judged: Accepted) -> FileVerdict:
    return FileVerdict(refused=None, models=len(judged.prices.prices), doubted=judged.doubted)


def _bundled(book: PriceBook) -> Any:
    bundled = PriceBook(catalogue=book.catalogue, default=book.default_price, refuse_unknown=True)

    def price(model: str) -> Price | None:
        quote = bundled.quote(model, at_ms=2**62)
        return None if isinstance(quote, PriceUnknown) else quote.price

    return price


def _since(dated: Dates) -> int:
    return dated[-1].from_ms


async def _names(work: Work, from_ms: int) -> list[tuple[str, str]]:
    """Pairs of names in the period."""
    pair = (_ROW.client_model, _ROW.upstream_model)
    rows = await work.session.execute(select(*pair).where(_ROW.created_at_ms >= from_ms).group_by(*pair))
    return [(row[0], row[1]) for row in rows]


async def _sums(work: Work, from_ms: int, thresholds: Sequence[int]) -> list[UsageSum]:
    """Raises TOO_MUCH_TO_COMPARE."""
    side: ColumnElement[int] = literal(0)
    if thresholds:  # descending: the first that fits is the largest
        side = case(*((_CONTEXT > threshold, threshold + 1) for threshold in thresholds), else_=0)
    keys = (
        _ROW.client_model,
        _ROW.upstream_model,
        _ROW.service_tier,
        _ROW.image_size,
        _ROW.image_count > 0,
        side,
    )
    totals = [func.sum(column) for column in _SUMMED.values()]
    searching = func.sum(case((_ROW.web_search_calls > 0, 1), else_=0))
    query = (
        select(*keys, func.count(), searching, func.sum(_ROW.list_cost_nano), *totals)
        .where(_ROW.created_at_ms >= from_ms)
        .group_by(*keys)
        .limit(MAX_GROUPS + 1)
    )
    rows = (await work.session.execute(query)).all()
    if len(rows) > MAX_GROUPS:
        raise BadRequest(
            "the period has too many different models and tiers; choose fewer days",
            reason="TOO_MUCH_TO_COMPARE",
        )
    return [_sum_from(row) for row in rows]


def _sum_from(row: Sequence[Any]) -> UsageSum:
    """PostgreSQL sums BIGINT to NUMERIC: back to int."""
    counts = {name: int(value or 0) for name, value in zip(_SUMMED, row[9:], strict=True)}
    return UsageSum(
        client_model=row[0],
        upstream_model=row[1],
        service_tier=row[2],
        context_tokens=int(row[5]),
        usage=TokenUsage(**counts, image_size=row[3]),
        attempts=row[6],
        searching=int(row[7]),
        booked=int(row[8]),
    )


@dataclass(slots=True)
class _Totals:
    attempts: int = 0
    booked: int = 0
    present: int = 0
    candidate: int = 0

    def add(self, group: UsageSum, present: int, candidate: int) -> None:
        self.attempts += group.attempts
        self.booked += group.booked
        self.present += present
        self.candidate += candidate


def _view(
    body: ComparisonBody, quotes: _Quotes, sums: Sequence[UsageSum], verdict: FileVerdict | None
) -> ComparisonView:
    everything = _Totals()
    models: Mapping[tuple[str, str], _Totals] = defaultdict(_Totals)
    for group in sums:
        pair = (group.client_model, group.upstream_model)
        present, candidate = (list_cost(quote, group) for quote in quotes.of(*pair))
        models[pair].add(group, present, candidate)
        everything.add(group, present, candidate)
    ranked = sorted(models.items(), key=lambda item: -abs(item[1].candidate - item[1].present))
    return ComparisonView(
        days=body.days,
        present_version=quotes.book.version,
        candidate_version=quotes.candidate.version,
        file=verdict,
        records=everything.attempts,
        booked=to_usd(everything.booked),
        present=to_usd(everything.present),
        candidate=to_usd(everything.candidate),
        change=to_usd(everything.candidate - everything.present),
        models=[_model(pair, totals, quotes) for pair, totals in ranked[:SHOWN]],
        more_models=max(0, len(ranked) - SHOWN),
    )


def _model(pair: tuple[str, str], totals: _Totals, quotes: _Quotes) -> ComparedModel:
    present, candidate = quotes.of(*pair)
    return ComparedModel(
        model=pair[0],
        upstream_model=pair[1],
        records=totals.attempts,
        booked=to_usd(totals.booked),
        present=to_usd(totals.present),
        candidate=to_usd(totals.candidate),
        change=to_usd(totals.candidate - totals.present),
        present_source=f"{present.source}: {present.entry}",
        candidate_source=f"{candidate.source}: {candidate.entry}",
    )


def as_bytes(file: Mapping[str, Any]) -> bytes:
    """A price file that came inside a JSON body."""
    return json.dumps(file)
