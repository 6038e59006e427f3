"""Egress proxies as a file, and back (spec 8.4, 8.5).

Stored passwords never leave in full (DESIGN 8): they leave sealed by this installation's key, together with
the address that they are for, so that a file edited on the way cannot send them elsewhere.
"""

import asyncio
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence

import yaml
from pydantic import ValidationError

from headgate.control.proxies.exchange_schemas import (
    ExportedProxy,
    ImportedProxy,
    ImportIssue,
    ImportView,
    ProxyImportBody,
)
from headgate.control.proxies.repository import ProxyRepository
from headgate.control.proxies.schemas import ProxyCreate
from headgate.control.proxies.service import ProxyService
from headgate.control.web.routing import Deps
from headgate.control.work import Work
from headgate.errors import ApiError, BadRequest
from headgate.kit.crypto import SealBroken, Vault
from headgate.storage.directory_rows import PROXY_CONTEXT
from headgate.storage.models import ProxyRow
from headgate.upstream.web import WebFailed, WebRequest

_KINDS = ("", "sub2api-data", "sub2api-bundle")
MAX_PROXIES = 1000


def require_version(kind: str, version: int) -> None:
    """Raises IMPORT_VERSION_UNKNOWN, before anything is done."""
    if kind not in _KINDS or version not in (0, 1):
        raise BadRequest(
            "the file must be of type sub2api-data and version 1", reason="IMPORT_VERSION_UNKNOWN"
        )


async def import_proxies(work: Work, deps: Deps, body: ProxyImportBody) -> ImportView:
    """Raises IMPORT_VERSION_UNKNOWN, SUBSCRIPTION_UNREADABLE; what is wrong with single ones is in the
    answer."""
    result = ImportView()
    if body.data is not None:
        require_version(body.data.type, body.data.version)
        await take_proxies(work, body.data.proxies, result)
        return result
    await work.release_connection()
    nodes = await _downloaded(deps, body.subscription_url.strip())
    wanted = [given for node in nodes if (given := clash_proxy(node)) is not None]
    result.proxy_skipped = len(nodes) - len(wanted)
    if len(wanted) > MAX_PROXIES:
        raise BadRequest(f"the list has more than {MAX_PROXIES} proxies", reason="SUBSCRIPTION_UNREADABLE")
    await take_proxies(work, wanted, result)
    return result


async def take_proxies(work: Work, given: Sequence[ImportedProxy], result: ImportView) -> dict[str, int]:
    """Ids by key, with those that were here before; a key of a file that could not be taken is absent."""
    known = await known_proxies(work, ())
    for proxy in given:
        await _take_proxy(work, proxy, known, result)
    return known


async def known_proxies(work: Work, given: Sequence[ImportedProxy]) -> dict[str, int]:
    """Ids of the proxies that are here, by key, also under the names that a file gives them."""
    known = {
        proxy_key(row.protocol, row.host, row.port, row.username): row.id
        for row in await ProxyRepository(work.session).active()
    }
    for proxy in given:
        key = proxy_key(proxy.protocol, proxy.host, proxy.port, proxy.username)
        if proxy.proxy_key and key in known:
            known[proxy.proxy_key] = known[key]
    return known


def clash_proxy(node: object) -> ImportedProxy | None:
    """One entry of Clash's `proxies`; None for what is neither HTTP nor SOCKS5, or makes no sense."""
    if not isinstance(node, Mapping):
        return None
    kind = node.get("type")
    protocol = "https" if kind == "http" and node.get("tls") is True else kind
    if protocol not in ("http", "https", "socks5", "socks5h"):
        return None
    try:
        return ImportedProxy(
            name=str(node.get("name") or "")[:100],
            protocol=str(protocol),
            host=str(node.get("server") or ""),
            port=int(node.get("port") or 0),
            username=str(node.get("username") or ""),
            password=str(node.get("password") or ""),
        )
    except (ValueError, TypeError):
        return None


async def _downloaded(deps: Deps, url: str) -> Sequence[object]:
    request = WebRequest("GET", url, {"accept": "application/yaml, text/yaml, */*"})
    try:
        answer = await deps.web.send(request, timeout_s=deps.settings.proxy_probe.subscription_timeout_s)
    except WebFailed as failure:
        raise _unreadable(str(failure)) from None
    if answer.status != 200:
        raise _unreadable(f"the server answered {answer.status}")
    try:
        document = await asyncio.to_thread(yaml.load, answer.body, _LOADER)
    except (yaml.YAMLError, RecursionError, ValueError):
        raise _unreadable("it is no YAML") from None
    nodes = document.get("proxies") if isinstance(document, dict) else None
    if not isinstance(nodes, list):
        raise _unreadable("it has no list of proxies")
    return nodes


_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The safe one, in C where it was built: a list of a thousand proxies takes the other a second."""


def _unreadable(why: str) -> BadRequest:
    return BadRequest(f"the list of proxies cannot be read: {why}", reason="SUBSCRIPTION_UNREADABLE")


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
            password = opened(work.deps.vault, given.password_sealed, key) or given.password
            fields = given.model_dump(include={"protocol", "host", "port", "username"})
            draft = ProxyCreate(name=given.name or "default", password=password, **fields)
            row = await ProxyService(work).create(draft)
    except (ApiError, ValidationError) as error:
        result.proxy_failed += 1
        result.errors.append(ImportIssue(kind="proxy", name=given.name, proxy_key=key, message=told(error)))
        return
    known[key] = known[given.proxy_key or key] = row.id
    result.proxy_created += 1


def exported_proxy(vault: Vault, row: ProxyRow) -> ExportedProxy:
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
        return sealed(vault, vault.unseal(row.password_sealed, context=PROXY_CONTEXT), key)
    except SealBroken:
        return None


def sealed(vault: Vault, content: bytes, bound_to: str) -> str:
    return b64encode(vault.seal(content, context=f"export:{bound_to}")).decode()


def opened(vault: Vault, sealed: str | None, bound_to: str) -> str | None:
    """None for nothing. Raises INVALID_INPUT for what was not sealed here, or for something else."""
    if not sealed:
        return None
    try:
        return vault.unseal(b64decode(sealed, validate=True), context=f"export:{bound_to}").decode()
    except (SealBroken, ValueError):
        raise BadRequest(
            "the sealed secret was made by another installation, or for something else"
        ) from None


def told(error: ApiError | ValidationError) -> str:
    if isinstance(error, ApiError):
        return f"{error.message} ({error.reason})"
    return "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()[:3])
