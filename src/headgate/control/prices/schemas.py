"""Bodies and answers about prices: USD per million tokens at the edge. Our own addition to the contract."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field

from headgate.control.token_usage import StatedUsage
from headgate.control.web.fields import MAX_ID, Multiplier, RequestBody
from headgate.core.money import to_usd
from headgate.core.pricing.price import Rates
from headgate.storage.models import PriceOverrideRow
from headgate.storage.models.system import ALWAYS


def _model(value: str) -> str:
    """An exact name, or a prefix and one trailing `*`."""
    name = value.strip()
    if not name or "*" in name[:-1]:
        raise ValueError("must be a model name; `*` only as its last character")
    return name


def _dated(value: datetime) -> datetime:
    """What can be stored and compared on both databases."""
    if not _FIRST_YEAR <= value.year <= _LAST_YEAR:
        raise ValueError(f"must be in the years {_FIRST_YEAR} to {_LAST_YEAR}")
    return value.astimezone(UTC)


def _number(value: object) -> object:
    """JSON's true is no price of 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


_FIRST_YEAR, _LAST_YEAR = 1971, 2999
UsdPerMtok = Annotated[float, BeforeValidator(_number), Field(ge=0, le=1_000_000, allow_inf_nan=False)]
ModelPattern = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_model)]


class PriceBody(RequestBody):
    """Absent cache and audio prices mean the plain input or output price; an absent picture price means: by
    tokens."""

    model: ModelPattern
    effective_from: Annotated[AwareDatetime, AfterValidator(_dated)] | None = None
    """From when on; absent: always. Until then the model's other prices apply."""
    input: UsdPerMtok
    output: UsdPerMtok
    cache_read: UsdPerMtok | None = None
    cache_write_5m: UsdPerMtok | None = None
    cache_write_1h: UsdPerMtok | None = None
    audio_input: UsdPerMtok | None = None
    audio_output: UsdPerMtok | None = None
    image: UsdPerMtok | None = None
    """USD per generated picture of 1K, and of any size without a price of its own (2K: one and a half times,
    4K: twice)."""
    image_2k: UsdPerMtok | None = None
    image_4k: UsdPerMtok | None = None
    web_search: UsdPerMtok | None = None
    """USD per web search; absent: 0.01."""


class PriceView(BaseModel):
    id: int
    model: str
    effective_from: datetime | None
    input: float
    output: float
    cache_read: float | None
    cache_write_5m: float | None
    cache_write_1h: float | None
    audio_input: float | None
    audio_output: float | None
    image: float | None
    image_2k: float | None
    image_4k: float | None
    web_search: float | None
    created_at: datetime
    updated_at: datetime


class PreviewBody(StatedUsage):
    """What so much usage of a model would cost, optionally for a group's multiplier, optionally under a
    draft price."""

    model: Annotated[str, Field(min_length=1, max_length=200)]
    service_tier: Annotated[str, Field(max_length=32)] | None = None
    at: Annotated[AwareDatetime, AfterValidator(_dated)] | None = None
    """Under the prices of that instant; absent: now."""
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
    audio_input: float
    audio_output: float


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
    other_cost: float
    """Pictures, audio, web searches."""
    total_cost: float
    rate_multiplier: float
    actual_cost: float


class FileStatus(BaseModel):
    """The price file in use."""

    source: str
    """URL or path."""
    sha256: str
    models: int
    installed_at: datetime
    age_s: float
    doubted: Sequence[str]
    """Models whose new price was not believed: they keep the one before."""


class AttemptStatus(BaseModel):
    """The last look for a newer file."""

    at: datetime
    source: str
    result: str
    """installed | unchanged | refused | failed"""
    error: str | None


class PriceStatus(BaseModel):
    """The prices in use. Sources in the order in which they are asked: overrides, file, bundled."""

    version: str
    bundled: str
    overrides: int
    file: FileStatus | None
    last_attempt: AttemptStatus | None
    unknown_model: str
    """refuse | default: what happens to models that no source knows, unless their group says otherwise."""


class ComparisonBody(RequestBody):
    """Prices that might come into use: drafts of overrides (one replaces the present one of its model and
    date), and a price file, either here or as the configured source has it now."""

    days: Annotated[int, Field(ge=1, le=31)] = 30
    overrides: Annotated[list[PriceBody], Field(max_length=1_000)] = []
    file: dict[str, Any] | None = None
    """In LiteLLM's format."""
    from_source: bool = False


class FileVerdict(BaseModel):
    """What would become of the price file."""

    refused: str | None
    """Why no price of it would be used."""
    models: int
    doubted: Sequence[str]
    """Models that would keep the price that they have."""


class ComparedModel(BaseModel):
    """USD at list price, before multipliers."""

    model: str
    upstream_model: str
    records: int
    booked: float
    """As it is on record."""
    present: float
    """Under today's prices."""
    candidate: float
    change: float
    """Candidate minus present."""
    present_source: str
    candidate_source: str


class ComparisonView(BaseModel):
    """The usage of the last days under today's prices and under the candidate's (an override of the future as
    if its date had come). Exact but for roundings per record, and for groups' own picture prices, which are
    left out."""

    days: int
    present_version: str
    candidate_version: str
    file: FileVerdict | None
    records: int
    booked: float
    present: float
    candidate: float
    change: float
    models: Sequence[ComparedModel]
    """Largest changes first."""
    more_models: int
    """Models that are in the sums and not in the list."""


def price_view(row: PriceOverrideRow) -> PriceView:
    return PriceView(
        id=row.id,
        model=row.model,
        effective_from=None if row.effective_from == ALWAYS else row.effective_from,
        input=to_usd(row.input_nano),
        output=to_usd(row.output_nano),
        cache_read=_usd(row.cache_read_nano),
        cache_write_5m=_usd(row.cache_write_5m_nano),
        cache_write_1h=_usd(row.cache_write_1h_nano),
        audio_input=_usd(row.audio_input_nano),
        audio_output=_usd(row.audio_output_nano),
        image=_usd(row.image_nano),
        image_2k=_usd(row.image_2k_nano),
        image_4k=_usd(row.image_4k_nano),
        web_search=_usd(row.web_search_nano),
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
        audio_input=to_usd(rates.audio_input),
        audio_output=to_usd(rates.audio_output),
    )


def _usd(amount: int | None) -> float | None:
    return None if amount is None else to_usd(amount)
