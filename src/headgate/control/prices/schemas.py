"""Bodies and answers about prices: USD per million tokens at the edge. Our own addition to the contract."""

from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from headgate.control.web.fields import MAX_ID, Multiplier, RequestBody
from headgate.core.money import to_usd
from headgate.core.pricing.price import Rates
from headgate.storage.models import PriceOverrideRow


def _model(value: str) -> str:
    """An exact name, or a prefix and one trailing `*`."""
    name = value.strip()
    if not name or "*" in name[:-1]:
        raise ValueError("must be a model name; `*` only as its last character")
    return name


UsdPerMtok = Annotated[float, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
ModelPattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_model)]
Tokens = Annotated[int, Field(ge=0, le=10_000_000_000)]


class PriceBody(RequestBody):
    """Absent cache prices mean the plain input price; an absent picture price means: by tokens."""

    model: ModelPattern
    input: UsdPerMtok
    output: UsdPerMtok
    cache_read: UsdPerMtok | None = None
    cache_write_5m: UsdPerMtok | None = None
    cache_write_1h: UsdPerMtok | None = None
    image: UsdPerMtok | None = None
    """USD per generated picture."""


class PriceView(BaseModel):
    id: int
    model: str
    input: float
    output: float
    cache_read: float | None
    cache_write_5m: float | None
    cache_write_1h: float | None
    image: float | None
    created_at: datetime
    updated_at: datetime


class PreviewBody(RequestBody):
    """What so much usage of a model would cost, optionally for a group's multiplier, optionally under a
    draft price."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    service_tier: Annotated[str, Field(max_length=32)] | None = None
    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_5m_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    image_count: Annotated[int, Field(ge=0, le=10_000)] = 0
    group_id: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    rate_multiplier: Multiplier | None = None
    draft: PriceBody | None = None


class RatesView(BaseModel):
    """USD per million tokens."""

    input: float
    output: float
    cache_read: float
    cache_write_5m: float
    cache_write_1h: float


class PreviewView(BaseModel):
    model: str
    source: str
    """draft | override | file | bundled | default"""
    entry: str
    price_version: str
    is_price_default: bool
    rates: RatesView
    input_cost: float
    output_cost: float
    cache_read_cost: float
    cache_creation_cost: float
    total_cost: float
    rate_multiplier: float
    actual_cost: float


def price_view(row: PriceOverrideRow) -> PriceView:
    return PriceView(
        id=row.id,
        model=row.model,
        input=to_usd(row.input_nano),
        output=to_usd(row.output_nano),
        cache_read=_usd(row.cache_read_nano),
        cache_write_5m=_usd(row.cache_write_5m_nano),
        cache_write_1h=_usd(row.cache_write_1h_nano),
        image=_usd(row.image_nano),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def rates_view(rates: Rates) -> RatesView:
    return RatesView(
        input=to_usd(rates.input),
        output=to_usd(rates.output),
        cache_read=to_usd(rates.cache_read),
        cache_write_5m=to_usd(rates.cache_write_5m),
        cache_write_1h=to_usd(rates.cache_write_1h),
    )


def _usd(amount: int | None) -> float | None:
    return None if amount is None else to_usd(amount)
