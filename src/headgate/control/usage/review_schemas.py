"""Bodies and answers of reviews. USD here, nano-USD inside."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from headgate.control.usage.correction import Corrected
from headgate.control.usage.schemas import AdminUsageView, References, admin_usage_view
from headgate.control.web.fields import RequestBody
from headgate.core.money import to_usd
from headgate.core.usage import TokenUsage
from headgate.storage.models import UsageRecordRow

Tokens = Annotated[int, Field(ge=0, le=10_000_000)]


class CorrectedUsage(RequestBody):
    """What was really used, in disjoint buckets."""

    input_tokens: Tokens = 0
    output_tokens: Tokens = 0
    cache_read_tokens: Tokens = 0
    cache_write_5m_tokens: Tokens = 0
    cache_write_1h_tokens: Tokens = 0
    audio_input_tokens: Tokens = 0
    audio_output_tokens: Tokens = 0
    image_count: Annotated[int, Field(ge=0, le=1_000)] = 0
    image_size: Literal["1K", "2K", "4K"] | None = None
    web_search_calls: Annotated[int, Field(ge=0, le=1_000)] = 0


class ReviewBody(RequestBody):
    note: Annotated[str, Field(max_length=500)] = ""
    """For the ledger."""
    corrected: CorrectedUsage | None = None
    """Absent: the record is right, or nobody knows better."""


class CorrectionView(BaseModel):
    """USD. The difference stands in the ledger as new lines."""

    total_cost: float
    actual_cost: float
    change: float


class ReviewedView(AdminUsageView):
    correction: CorrectionView | None


def usage_of(body: CorrectedUsage) -> TokenUsage:
    return TokenUsage(
        input=body.input_tokens,
        cache_read=body.cache_read_tokens,
        cache_write_5m=body.cache_write_5m_tokens,
        cache_write_1h=body.cache_write_1h_tokens,
        output=body.output_tokens,
        audio_input=body.audio_input_tokens,
        audio_output=body.audio_output_tokens,
        images=body.image_count,
        image_size=body.image_size,
        web_search_calls=body.web_search_calls,
    )


def reviewed_view(row: UsageRecordRow, names: References, corrected: Corrected | None) -> ReviewedView:
    correction = None
    if corrected is not None:
        correction = CorrectionView(
            total_cost=to_usd(corrected.list_cost),
            actual_cost=to_usd(corrected.charge),
            change=to_usd(corrected.change),
        )
    return ReviewedView(**admin_usage_view(row, names).model_dump(), correction=correction)
