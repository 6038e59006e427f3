"""Bodies and answers about users (spec 1.25, 8.2). Money is USD here, nano-USD inside."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from headgate.control.auth.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from headgate.control.subscriptions.schemas import AdminSubscriptionView
from headgate.control.users.view import UserView, user_fields
from headgate.control.web.fields import (
    MAX_ID,
    Amount,
    Concurrency,
    Multiplier,
    Notes,
    OptionalId,
    PerMinute,
    RequestBody,
    Usd,
)
from headgate.control.web.permissions import Role
from headgate.core.money import MULTIPLIER_ONE, from_usd
from headgate.storage.models import UserRow

Email = Annotated[str, Field(min_length=3, max_length=255)]
Password = Annotated[str, Field(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]
Username = Annotated[str, Field(max_length=100)]
GroupIds = Annotated[list[Annotated[int, Field(ge=1, le=MAX_ID)]], Field(max_length=1000)]


class AdminUserView(UserView):
    notes: str
    group_rates: Mapping[int, float]
    current_concurrency: int = 0
    subscriptions: Sequence[AdminSubscriptionView] = ()
    """Newest first, each with its group; those that are over too."""


class UserCreate(RequestBody):
    email: Email
    password: Password
    username: Username = ""
    notes: Notes = ""
    balance: Usd | None = None
    concurrency: Concurrency | None = None
    rpm_limit: PerMinute = 0
    tpm_limit: PerMinute = 0
    allowed_groups: GroupIds = Field(default_factory=list)
    role: Role = "user"
    promo_code: Annotated[str, Field(max_length=1000)] = ""
    """Its bonus is added to the balance; one that does not work is an error here."""


class UserUpdate(RequestBody):
    """Absent fields stay. `balance` is not among them: see POST :id/balance."""

    email: Email | None = None
    password: Password | None = None
    username: Username | None = None
    notes: Notes | None = None
    concurrency: Concurrency | None = None
    rpm_limit: PerMinute | None = None
    tpm_limit: PerMinute | None = None
    status: Literal["active", "disabled"] | None = None
    role: Role | None = None
    allowed_groups: GroupIds | None = None
    group_rates: Annotated[
        dict[Annotated[int, Field(ge=1, le=MAX_ID)], Multiplier | None], Field(max_length=1000)
    ] | (None) = None


class BalanceBody(RequestBody):
    """`set` may be to 0; adding or subtracting nothing is a mistake."""

    balance: Amount
    operation: Literal["set", "add", "subtract"]
    notes: Notes = ""

    @model_validator(mode="after")
    def _moves_something(self) -> Self:
        if self.operation != "set" and from_usd(self.balance) == 0:
            raise ValueError("balance must be greater than 0")
        return self


class KeyGroupBody(RequestBody):
    """null or absent: no change; 0: unbind; else the group to bind to."""

    group_id: OptionalId | None = None


def admin_user_view(
    row: UserRow,
    allowed_groups: Sequence[int],
    multipliers: Mapping[int, int],
    *,
    in_use: int = 0,
    subscriptions: Sequence[AdminSubscriptionView] = (),
) -> AdminUserView:
    return AdminUserView(
        **user_fields(row, allowed_groups),
        notes=row.notes,
        group_rates={group: value / MULTIPLIER_ONE for group, value in multipliers.items()},
        current_concurrency=in_use,
        subscriptions=subscriptions,
    )
