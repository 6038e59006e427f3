"""Many accounts at once: each on its own, so that one that fails takes nobody along (spec 8.4)."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from headgate.control.accounts.bulk_schemas import (
    AccountResult,
    BatchBody,
    BatchView,
    BulkUpdateBody,
    BulkView,
    CreateResult,
)
from headgate.control.accounts.credentials import unsealed
from headgate.control.accounts.operable import require_operable
from headgate.control.accounts.quota import shown_quota
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import AccountUpdate
from headgate.control.accounts.service import AccountService
from headgate.control.work import Work
from headgate.errors import ApiError
from headgate.storage.models import AccountRow


async def create_many(work: Work, body: BatchBody) -> BatchView:
    """In the order given."""
    results = []
    for draft in body.accounts:
        try:
            async with work.session.begin_nested():
                row = await AccountService(work).create(draft)
        except ApiError as error:
            results.append(CreateResult(name=draft.name, success=False, error=_told(error)))
        else:
            results.append(CreateResult(name=draft.name, id=row.id, success=True))
    done = sum(result.success for result in results)
    return BatchView(success=done, failed=len(results) - done, results=results)


async def for_each(
    work: Work, account_ids: Sequence[int], change: Callable[[int], Awaitable[object]]
) -> BulkView:
    """Every account once, in a savepoint of its own."""
    results = []
    for account_id in dict.fromkeys(account_ids):
        try:
            async with work.session.begin_nested():
                await change(account_id)
        except ApiError as error:
            results.append(AccountResult(account_id=account_id, success=False, error=_told(error)))
        else:
            results.append(AccountResult(account_id=account_id, success=True))
    done = [result.account_id for result in results if result.success]
    lost = [result.account_id for result in results if not result.success]
    return BulkView(success=len(done), failed=len(lost), success_ids=done, failed_ids=lost, results=results)


async def update_many(work: Work, body: BulkUpdateBody) -> BulkView:
    """Credentials and extra are merged by key into what each account has. Raises INSUFFICIENT_PERMISSIONS."""
    plain = body.model_dump(
        exclude_unset=True, exclude={"account_ids", "schedulable", "credentials", "extra"}
    )
    merged = [name for name in ("credentials", "extra") if getattr(body, name) is not None]
    require_operable(work.actor.role, AccountUpdate(**plain, **{name: {} for name in merged}))
    service, accounts = AccountService(work), AccountRepository(work.session)

    async def change(account_id: int) -> None:
        row = await accounts.get(account_id)
        await service.update(account_id, AccountUpdate(**plain, **_merged(work, row, body)))
        if body.schedulable is not None:
            await service.set_schedulable(account_id, schedulable=body.schedulable)

    return await for_each(work, body.account_ids, change)


def _merged(work: Work, row: AccountRow, body: BulkUpdateBody) -> dict[str, Any]:
    """Secrets that are not named stay: an update keeps what is absent."""
    merged: dict[str, Any] = {}
    if body.credentials is not None:
        stored = unsealed(work.deps.vault, row.credentials_sealed, row.credentials_open)
        merged["credentials"] = {**stored.open, **body.credentials}
    if body.extra is not None:
        merged["extra"] = {**(row.extra or {}), **shown_quota(row, work.now_ms()), **body.extra}
    return merged


def _told(error: ApiError) -> str:
    return f"{error.message} ({error.reason})"
