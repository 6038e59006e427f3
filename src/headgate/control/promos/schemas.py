"""Bodies and answers about promo codes (spec 1.25, 7.1, 8.6). Money is USD here, nano-USD inside."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from headgate.control.codes.schemas import CodeUser
from headgate.control.web.fields import Amount, Count, Deadline, Notes, RequestBody
from headgate.core.money import to_usd
from headgate.storage.models import PromoCodeRow, PromoCodeUsageRow, UserRow

CodeText = Annotated[str, Field(max_length=1000)]
"""What a code may look like is checked by `checked_promo`, which has a reason of its own."""
Status = Literal["active", "disabled"]


class PromoCreate(RequestBody):
    code: CodeText = ""
    """Empty: one is made."""
    bonus_amount: Amount
    max_uses: Count = 0
    """0: unlimited."""
    expires_at: Deadline = None
    notes: Notes = ""
    status: Status = "active"


class PromoUpdate(RequestBody):
    """Absent fields and null stay; an `expires_at` of 0 or "" means no end any more."""

    code: CodeText | None = None
    bonus_amount: Amount | None = None
    max_uses: Count | None = None
    expires_at: Deadline = None
    notes: Notes | None = None
    status: Status | None = None


class PromoView(BaseModel):
    id: int
    code: str
    bonus_amount: float
    max_uses: int
    used_count: int
    status: str
    expires_at: datetime | None
    notes: str
    created_at: datetime
    updated_at: datetime


class PromoUsageView(BaseModel):
    id: int
    promo_code_id: int
    user_id: int
    bonus_amount: float
    used_at: datetime
    user: CodeUser


class ValidateBody(RequestBody):
    code: CodeText


class PromoCheck(BaseModel):
    valid: bool
    bonus_amount: float | None = None
    error_code: str | None = None
    message: str | None = None


def promo_view(row: PromoCodeRow) -> PromoView:
    return PromoView(
        id=row.id,
        code=row.code,
        bonus_amount=to_usd(row.bonus_nano),
        max_uses=row.max_uses,
        used_count=row.used_count,
        status=row.status,
        expires_at=row.expires_at,
        notes=row.notes,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def usage_view(row: PromoCodeUsageRow, user: UserRow) -> PromoUsageView:
    return PromoUsageView(
        id=row.id,
        promo_code_id=row.promo_code_id,
        user_id=row.user_id,
        bonus_amount=to_usd(row.bonus_nano),
        used_at=row.used_at,
        user=CodeUser(id=user.id, email=user.email, username=user.username),
    )
