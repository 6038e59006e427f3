"""What new users begin with (spec 8.8, 8.10): as set here, else as the boot configuration says."""

from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import Amount, RequestBody
from headgate.control.work import Work

_CONCURRENCY, _BALANCE = "default_concurrency", "default_balance"


class NewUserFields(RequestBody):
    """Absent ones stay."""

    default_concurrency: Annotated[int, Field(strict=True, ge=1, le=1_000_000)] | None = None
    default_balance: Amount | None = None
    """USD; a line of the ledger like any other."""


class NewUserView(BaseModel):
    default_concurrency: int
    default_balance: float


async def view_new_users(work: Work) -> NewUserView:
    auth = work.deps.settings.auth
    found = await read_texts(work.session, (_CONCURRENCY, _BALANCE))
    return NewUserView(
        default_concurrency=int(found.get(_CONCURRENCY, auth.default_user_concurrency)),
        default_balance=float(found.get(_BALANCE, auth.default_user_balance_usd)),
    )


async def change_new_users(work: Work, given: NewUserFields) -> None:
    if given.default_concurrency is not None:
        await write_text(work, _CONCURRENCY, str(given.default_concurrency))
    if given.default_balance is not None:
        await write_text(work, _BALANCE, repr(given.default_balance))
