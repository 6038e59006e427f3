"""Bodies and answers of reviews. USD here, nano-USD inside."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from headgate.control.token_usage import StatedUsage
from headgate.control.usage.correction import Corrected
from headgate.control.usage.schemas import AdminUsageView, References, admin_usage_view
from headgate.control.web.fields import RequestBody
from headgate.core.money import to_usd
from headgate.storage.models import UsageRecordRow

MOST_TOKENS = 10_000_000


class CorrectedUsage(StatedUsage):
    """What one call really used."""

    @model_validator(mode="after")
    def _of_one_call(self) -> Self:
        if self.usage().total > MOST_TOKENS:
            raise ValueError(f"a call uses at most {MOST_TOKENS} tokens")
        return self


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


def reviewed_view(row: UsageRecordRow, names: References, corrected: Corrected | None) -> ReviewedView:
    correction = None
    if corrected is not None:
        correction = CorrectionView(
            total_cost=to_usd(corrected.list_cost),
            actual_cost=to_usd(corrected.charge),
            change=to_usd(corrected.change),
        )
    return ReviewedView(**admin_usage_view(row, names).model_dump(), correction=correction)
