"""Accounts as a file, and back (spec 8.4).

Stored secrets never leave in full (DESIGN 8): they leave sealed by this installation's key, together with
the address and the proxy that they are for, so that a file edited on the way cannot send them elsewhere.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from headgate.control.accounts.bulk_schemas import (
    ExportedAccount,
    ExportedProxy,
    ExportView,
    ImportBody,
    ImportedAccount,
    ImportedProxy,
    ImportIssue,
    ImportView,
)
from headgate.control.accounts.credentials import unsealed
from headgate.control.accounts.quota import shown_quota
from headgate.control.accounts.repository import AccountRepository
from headgate.control.accounts.schemas import AccountCreate
from headgate.control.accounts.service import AccountService
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.proxies.schemas import ProxyCreate
from headgate.control.proxies.service import ProxyService
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE
from headgate.errors import ApiError, BadRequest
from headgate.kit import json
from headgate.kit.crypto import SealBroken, Vault
from headgate.storage.directory_rows import PROXY_CONTEXT
from headgate.storage.models import AccountRow, ProxyRow

_CONTEXT = "account-export"
_KINDS = ("", "sub2api-data", "sub2api-bundle")


async def exported(work: Work, rows: Sequence[AccountRow], *, with_proxies: bool) -> ExportView:
    vault = work.deps.vault
    proxies = await AccountRepository(work.session).proxies([row.proxy_id for row in rows if row.proxy_id])
    return ExportView(
        exported_at=work.now(),
        proxies=[_proxy(vault, row) for row in proxies.values()] if with_proxies else [],
        accounts=[_account(work, row, proxies.get(row.proxy_id or 0)) for row in rows],
    )


async def imported(work: Work, body: ImportBody) -> ImportView:
    """Every account is created anew; what is wrong with single ones is in the answer. Raises
    IMPORT_VERSION_UNKNOWN."""
    if body.data.type not in _KINDS or body.data.version not in (0, 1):
        raise BadRequest(
            "the file must be of type sub2api-data and version 1", reason="IMPORT_VERSION_UNKNOWN"
        )
    result = ImportView()
    proxies = {
        proxy_key(row.protocol, row.host, row.port, row.username): row.id
        for row in await ProxyRepository(work.session).active()
    }
    for proxy in body.data.proxies:
        await _take_proxy(work, proxy, proxies, result)
    for account in body.data.accounts:
        await _take_account(work, account, body, proxies, result)
    return result


def proxy_key(protocol: str, host: str, port: int, username: str) -> str:
    """Names a proxy within a file; without the password, which is nobody's to read."""
    return f"{protocol}|{host}|{port}|{username}"


async def _take_proxy(work: Work, given: ImportedProxy, known: dict[str, int], result: ImportView) -> None:
    key = proxy_key(given.protocol, given.host, given.port, given.username)
    if (found := known.get(key)) is not None:
        known[given.proxy_key or key] = found
        result.proxy_reused += 1
        return
    try:
        async with work.session.begin_nested():
            password = _opened(work.deps.vault, given.password_sealed, key) or given.password
            fields = given.model_dump(include={"protocol", "host", "port", "username"})
            draft = ProxyCreate(name=given.name or "default", password=password, **fields)
            row = await ProxyService(work).create(draft)
    except (ApiError, ValidationError) as error:
        result.proxy_failed += 1
        result.errors.append(ImportIssue(kind="proxy", name=given.name, proxy_key=key, message=_told(error)))
        return
    known[key] = known[given.proxy_key or key] = row.id
    result.proxy_created += 1


async def _take_account(
    work: Work, given: ImportedAccount, body: ImportBody, proxies: dict[str, int], result: ImportView
) -> None:
    try:
        async with work.session.begin_nested():
            draft = _draft(work.deps.vault, given, body, proxies)
            row = await AccountService(work).create(draft)
            if body.skip_default_group_bind and not body.group_ids:
                await AccountRepository(work.session).replace_groups(row.id, [], work.now())
    except (ApiError, ValidationError) as error:
        result.account_failed += 1
        result.errors.append(
            ImportIssue(kind="account", name=given.name, proxy_key=given.proxy_key, message=_told(error))
        )
        return
    result.account_created += 1


def _draft(vault: Vault, given: ImportedAccount, body: ImportBody, proxies: dict[str, int]) -> AccountCreate:
    """Raises INVALID_INPUT for a proxy that neither the file nor the installation has, or a seal that is not
    ours or was made for another account."""
    if given.proxy_key and given.proxy_key not in proxies:
        raise BadRequest(f"proxy {given.proxy_key[:80]!r} is neither in the file nor here")
    credentials: dict[str, Any] = given.credentials
    if given.credentials_sealed:
        bound = json.loads(_opened(vault, given.credentials_sealed, _CONTEXT) or "{}")
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


def _proxy(vault: Vault, row: ProxyRow) -> ExportedProxy:
    key = proxy_key(row.protocol, row.host, row.port, row.username)
    return ExportedProxy(
        proxy_key=key,
        name=row.name,
        protocol=row.protocol,
        host=row.host,
        port=row.port,
        username=row.username,
        password_sealed=_password(vault, row, key),
        status=row.status,
    )


def _password(vault: Vault, row: ProxyRow, key: str) -> str | None:
    """None also for one that another master key sealed: it must be entered again."""
    if not row.password_sealed:
        return None
    try:
        return _sealed(vault, vault.unseal(row.password_sealed, context=PROXY_CONTEXT), key)
    except SealBroken:
        return None


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
        credentials_sealed=_sealed(work.deps.vault, json.dumps(bound), _CONTEXT),
        extra={**(row.extra or {}), **shown_quota(row, work.now_ms())},
        proxy_key=key,
        concurrency=row.concurrency,
        priority=row.priority,
        rate_multiplier=row.cost_multiplier / MULTIPLIER_ONE,
        expires_at=int(row.expires_at.timestamp()) if row.expires_at else None,
        auto_pause_on_expired=row.auto_pause_on_expired,
    )


def _sealed(vault: Vault, content: bytes, bound_to: str) -> str:
    return b64encode(vault.seal(content, context=f"export:{bound_to}")).decode()


def _opened(vault: Vault, sealed: str | None, bound_to: str) -> str | None:
    """None for nothing. Raises INVALID_INPUT for what was not sealed here, or for something else."""
    if not sealed:
        return None
    try:
        return vault.unseal(b64decode(sealed, validate=True), context=f"export:{bound_to}").decode()
    except (SealBroken, ValueError):
        raise BadRequest(
            "the sealed secret was made by another installation, or for something else"
        ) from None


def _told(error: ApiError | ValidationError) -> str:
    if isinstance(error, ApiError):
        return f"{error.message} ({error.reason})"
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:3])
