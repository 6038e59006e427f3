"""Bodies and answers about redeem codes (spec 1.25, 8.6, 11.2). Values are USD or slots here."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, Field

from headgate.control.codes.repository import state_of
from headgate.control.codes.terms import Kind
from headgate.control.groups.schemas import GroupView, group_view
from headgate.control.web.envelope import Page
from headgate.control.web.fields import MAX_ID, Amount, Days, Deadline, Notes, RequestBody
from headgate.core.money import to_usd
from headgate.storage.models import GroupRow, RedeemCodeRow, UserRow

MAX_GENERATED = 500
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
Ids = Annotated[list[Id], Field(max_length=10_000)]
CodeText = Annotated[str, Field(max_length=1000)]
"""What a code may look like is checked by `checked_code`, which has a reason of its own."""
Batch = Annotated[str, Field(max_length=64), AfterValidator(str.strip)]


class RedeemBody(RequestBody):
    code: CodeText


class GenerateBody(RequestBody):
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_GENERATED)]
    type: Kind
    value: Amount = 0
    group_id: Id | None = None
    validity_days: Days | None = None
    expires_at: Deadline = None
    batch: Batch = ""
    notes: Notes = ""


class CreateAndRedeemBody(RequestBody):
    code: CodeText
    type: Kind = "balance"
    value: Annotated[Amount, Field(gt=0)]
    user_id: Id
    group_id: Id | None = None
    validity_days: Days | None = None
    notes: Notes = ""


class SelectionBody(RequestBody):
    """Codes by id, or all of a batch, or both."""

    ids: Ids = Field(default_factory=list)
    batch: Batch = ""


class CodeUser(BaseModel):
    id: int
    email: str
    username: str


class RedeemCodeView(BaseModel):
    id: int
    code: str
    type: str
    value: float
    status: str
    used_by: int | None
    used_at: datetime | None
    created_at: datetime
    group_id: int | None
    validity_days: int
    expires_at: datetime | None
    user: CodeUser | None = None
    group: GroupView | None = None


class AdminRedeemCodeView(RedeemCodeView):
    notes: str
    batch: str
    actor_id: int | None
    """The administrator who made the code or the adjustment; null: the system or the command line."""


class RedeemedAnswer(BaseModel):
    redeem_code: AdminRedeemCodeView


class InvitationCheck(BaseModel):
    valid: bool
    error_code: str | None = None


class SelectionAnswer(BaseModel):
    deleted: int = 0
    expired: int = 0


class BalanceHistory(Page[AdminRedeemCodeView]):
    total_recharged: float


class CodeStats(BaseModel):
    total_codes: int
    active_codes: int
    used_codes: int
    expired_codes: int
    total_value_distributed: float
    """USD that balance codes have given."""
    outstanding_value: float
    """USD that unused balance codes would give."""
    by_type: Mapping[str, int]


def code_view(row: RedeemCodeRow, now: datetime, *, group: GroupRow | None = None) -> RedeemCodeView:
    """What its user sees."""
    return RedeemCodeView(**_fields(row, now), group=group_view(group) if group else None)


def admin_code_view(
    row: RedeemCodeRow, now: datetime, *, user: UserRow | None = None, group: GroupRow | None = None
) -> AdminRedeemCodeView:
    return AdminRedeemCodeView(
        **_fields(row, now),
        user=CodeUser(id=user.id, email=user.email, username=user.username) if user else None,
        group=group_view(group) if group else None,
        notes=row.notes,
        batch=row.batch,
        actor_id=row.created_by,
    )


def admin_code_views(rows: Sequence[RedeemCodeRow], now: datetime) -> list[AdminRedeemCodeView]:
    return [admin_code_view(row, now) for row in rows]


def _fields(row: RedeemCodeRow, now: datetime) -> dict[str, Any]:
    return {
        "id": row.id,
        "code": row.code,
        "type": row.type,
        "value": to_usd(row.value_nano),
        "status": state_of(row, now),
        "used_by": row.used_by,
        "used_at": row.used_at,
        "created_at": row.created_at,
        "group_id": row.group_id,
        "validity_days": row.validity_days,
        "expires_at": row.expires_at,
    }
