"""Accounts as a file, and back (spec 8.4).

Stored secrets never leave in full (DESIGN 8): they leave sealed by this installation's key, together with
the address and the proxy that they are for, so that a file edited on the way cannot send them elsewhere.
"""

from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from headgate.control.accounts.bulk_schemas import (
    ExportedAccount,
    ExportView,
    ImportBody,
    ImportedAccount,
)
from headgate.control.accounts.credentials import unsealed
from headgate.control.accounts.quota import shown_quota
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import AccountCreate
from headgate.control.accounts.service import AccountService
from headgate.control.proxies.exchange import (
    exported_proxy,
    opened,
    proxy_key,
    require_version,
    sealed,
    take_proxies,
    told,
)
from headgate.control.proxies.exchange_schemas import ImportIssue, ImportView
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE
from headgate.errors import ApiError, BadRequest
from headgate.kit import json
from headgate.kit.crypto import Vault
from headgate.storage.models import AccountRow, ProxyRow

_CONTEXT = "account-export"


async def exported(work: Work, rows: Sequence[AccountRow], *, with_proxies: bool) -> ExportView:
    vault = work.deps.vault
    proxies = await AccountRepository(work.session).proxies([row.proxy_id for row in rows if row.proxy_id])
    return ExportView(
        exported_at=work.now(),
        proxies=[exported_proxy(vault, row) for row in proxies.values()] if with_proxies else [],
        accounts=[_account(work, row, proxies.get(row.proxy_id or 0)) for row in rows],
    )


async def imported(work: Work, body: ImportBody) -> ImportView:
    """Every account is created anew; what is wrong with single ones is in the answer. Raises
    IMPORT_VERSION_UNKNOWN."""
    require_version(body.data.type, body.data.version)
    result = ImportView()
    proxies = await take_proxies(work, body.data.proxies, result)
    for account in body.data.accounts:
        await take_account(work, account, body, proxies, result)
    return result


async def take_account(
    work: Work, given: ImportedAccount, body: ImportBody, proxies: dict[str, int], result: ImportView
) -> int | None:
    """Its id here; None: the result says what was wrong with it."""
    try:
        async with work.session.begin_nested():
            draft = _draft(work.deps.vault, given, body, proxies)
            row = await AccountService(work).create(draft)
            if body.skip_default_group_bind and not body.group_ids:
                await AccountRepository(work.session).replace_groups(row.id, [], work.now())
    except (ApiError, ValidationError) as error:
        result.account_failed += 1
        result.errors.append(
            ImportIssue(kind="account", name=given.name, proxy_key=given.proxy_key, message=told(error))
        )
        return None
    result.account_created += 1
    return row.id


def _draft(vault: Vault, given: ImportedAccount, body: ImportBody, proxies: dict[str, int]) -> AccountCreate:
    """Raises INVALID_INPUT for a proxy that neither the file nor the installation has, or a seal that is not
    ours or was made for another account."""
    if given.proxy_key and given.proxy_key not in proxies:
        raise BadRequest(f"proxy {given.proxy_key[:80]!r} is neither in the file nor here")
    credentials: dict[str, Any] = given.credentials
    if given.credentials_sealed:
        bound = json.loads(opened(vault, given.credentials_sealed, _CONTEXT) or "{}")
        if bound.get("platform") != given.platform or bound.get("proxy_key") != given.proxy_key:
            raise BadRequest("credentials_sealed was made for another platform or proxy")
        credentials = bound["credentials"]
    fields = given.model_dump(exclude={"credentials", "credentials_sealed", "proxy_key"}, exclude_none=True)
    return AccountCreate(
        **fields,
        credentials=credentials,
        proxy_id=proxies[given.proxy_key] if given.proxy_key else None,
        group_ids=body.group_ids or None,
    )


def _account(work: Work, row: AccountRow, proxy: ProxyRow | None) -> ExportedAccount:
    stored = unsealed(work.deps.vault, row.credentials_sealed, row.credentials_open)
    key = proxy_key(proxy.protocol, proxy.host, proxy.port, proxy.username) if proxy else None
    bound = {
        "platform": row.platform,
        "proxy_key": key,
        "credentials": {**stored.open, **stored.secret},
    }
    return ExportedAccount(
        name=row.name,
        notes=row.notes,
        platform=row.platform,
        type=row.type,
        credentials=stored.shown(),
        credentials_sealed=sealed(work.deps.vault, json.dumps(bound), _CONTEXT),
        extra={**(row.extra or {}), **shown_quota(row, work.now_ms())},
        proxy_key=key,
        concurrency=row.concurrency,
        priority=row.priority,
        rate_multiplier=row.cost_multiplier / MULTIPLIER_ONE,
        expires_at=int(row.expires_at.timestamp()) if row.expires_at else None,
        auto_pause_on_expired=row.auto_pause_on_expired,
    )
