"""Identity providers as an operator sets them: any number, OIDC by discovery or plain OAuth2 (spec 7.8).

The client secret is sealed for the address that it is sent to.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError
from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.settings.values import has_secret, read_secret, write_secret, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest, NotFound
from headgate.kit import json
from headgate.kit.secret import Secret
from headgate.storage.models import SettingRow

_KEY, _SECRET = "oauth_provider:", "oauth_secret:"
MAX_PROVIDERS = 50
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
_PATH = re.compile(r"[A-Za-z0-9_.-]{0,200}")

Url = Annotated[str, Field(max_length=2048)]
JsonPath = Annotated[str, Field(max_length=200)]


class ProviderFields(RequestBody):
    """`oidc`: `issuer` says the rest. `oauth2`: the three addresses are given."""

    name: Annotated[str, Field(min_length=1, max_length=100)]
    """Shown on the login page."""
    kind: Literal["oidc", "oauth2"] = "oidc"
    enabled: bool = True
    client_id: Annotated[str, Field(min_length=1, max_length=500)]
    issuer: Url = ""
    authorize_url: Url = ""
    token_url: Url = ""
    userinfo_url: Url = ""
    scopes: Annotated[str, Field(max_length=500)] = "openid email profile"
    token_auth_method: Literal["client_secret_post", "client_secret_basic", "none"] = "client_secret_basic"  # noqa: S105 - the name of a method
    use_pkce: bool = True
    id_path: JsonPath = ""
    """Where user info holds the stable id, such as `data.id`; empty: the usual places."""
    email_path: JsonPath = ""
    username_path: JsonPath = ""
    trust_verified_email: bool = False
    """Whether an e-mail address that this provider calls verified is believed: newcomers get it, and an
    existing plain user with it is let in."""


class ProviderBody(ProviderFields):
    client_secret: Annotated[str, Field(max_length=2000)] = ""
    """Empty: the stored one stays."""


class Provider(ProviderFields):
    """As it is stored."""

    slug: str

    @property
    def authority(self) -> str:
        """Whose ids these are: two providers of one name never share a user (PAINS S3)."""
        return self.issuer.rstrip("/") if self.kind == "oidc" else self.userinfo_url

    @property
    def secret_place(self) -> str:
        """What the client secret is sealed for."""
        return _origin(self.issuer if self.kind == "oidc" else self.token_url)


class ProviderView(ProviderFields):
    slug: str
    client_secret_configured: bool
    callback_url: str
    """To be entered at the provider; empty while the address of this installation is not set."""


PRESETS: Mapping[str, Mapping[str, object]] = {
    "linuxdo": {
        "name": "LINUX DO",
        "kind": "oauth2",
        "authorize_url": "https://connect.linux.do/oauth2/authorize",
        "token_url": "https://connect.linux.do/oauth2/token",
        "userinfo_url": "https://connect.linux.do/api/user",
        "scopes": "user",
        "token_auth_method": "client_secret_post",
    }
}
"""Addresses of well-known providers under their slug; the client is the operator's own."""


async def all_providers(session: AsyncSession) -> Sequence[Provider]:
    """By slug; what cannot be read is left out."""
    query = (
        select(SettingRow).where(SettingRow.key.startswith(_KEY, autoescape=True)).order_by(SettingRow.key)
    )
    found = [_parsed(row) for row in await session.scalars(query)]
    return [provider for provider in found if provider is not None]


async def find_provider(session: AsyncSession, slug: str) -> Provider:
    """One that is switched on. Raises OAUTH_DISABLED (404)."""
    row = await session.get(SettingRow, _KEY + slug) if SLUG.fullmatch(slug) else None
    provider = _parsed(row) if row is not None else None
    if provider is None or not provider.enabled:
        raise NotFound("nobody signs in through this provider here", reason="OAUTH_DISABLED")
    return provider


async def secret_of(work: Work, provider: Provider) -> Secret:
    return await read_secret(work, _SECRET + provider.slug, place=provider.secret_place)


async def has_client_secret(session: AsyncSession, slug: str) -> bool:
    return await has_secret(session, _SECRET + slug)


async def put_provider(work: Work, slug: str, body: ProviderBody) -> Provider:
    """Create or replace it. Raises INVALID_INPUT, SECRET_REQUIRED; the addresses were looked at before."""
    before = await work.session.get(SettingRow, _KEY + slug)
    provider = checked_provider(slug, body)
    stored = _parsed(before) if before is not None else None
    if before is None and len(await all_providers(work.session)) >= MAX_PROVIDERS:
        raise BadRequest(f"there are {MAX_PROVIDERS} providers already")
    await write_text(work, _KEY + slug, json.dumps(provider.model_dump()).decode())
    if body.client_secret:
        await write_secret(work, _SECRET + slug, body.client_secret, place=provider.secret_place)
        return provider
    has_one = await has_secret(work.session, _SECRET + slug)
    if has_one and (stored is None or stored.secret_place != provider.secret_place):
        raise BadRequest(
            "the provider is at another address; send client_secret again: a stored secret is never sent to a"
            " new destination",
            reason="SECRET_REQUIRED",
        )
    if not has_one and provider.token_auth_method != "none":  # noqa: S105 - the name of a method
        raise BadRequest("client_secret is needed", reason="SECRET_REQUIRED")
    return provider


async def delete_provider(work: Work, slug: str) -> None:
    """Its users stay, and come in again when it is back. Raises PROVIDER_NOT_FOUND."""
    if await work.session.get(SettingRow, _KEY + slug) is None:
        raise NotFound("there is no such provider", reason="PROVIDER_NOT_FOUND")
    await work.session.execute(delete(SettingRow).where(SettingRow.key == _KEY + slug))
    await write_secret(work, _SECRET + slug, "", place="")


def checked_provider(slug: str, body: ProviderFields) -> Provider:
    """Raises INVALID_INPUT."""
    if not SLUG.fullmatch(slug):
        raise BadRequest("the slug has up to 32 of a-z, 0-9 and -, no - at either end")
    given = {key: value for key, value in body.model_dump(exclude={"client_secret"}).items()}
    preset = PRESETS.get(slug, {})
    sent = body.model_fields_set
    given |= {key: value for key, value in preset.items() if key not in sent or given[key] == ""}
    provider = Provider(slug=slug, **given)
    needed = ("issuer",) if provider.kind == "oidc" else ("authorize_url", "token_url", "userinfo_url")
    for name in needed:
        _require_url(name, getattr(provider, name))
    for name in ("id_path", "email_path", "username_path"):
        if not _PATH.fullmatch(getattr(provider, name)):
            raise BadRequest(f"{name} is names joined by dots, such as data.user.id")
    if provider.token_auth_method == "none" and not provider.use_pkce:  # noqa: S105
        raise BadRequest("without a client secret, use_pkce is needed")
    if provider.kind == "oidc" and "openid" not in provider.scopes.split():
        raise BadRequest("scopes of an OIDC provider contain openid")
    return provider


def addresses_of(provider: Provider) -> Sequence[str]:
    """Where this server itself will call."""
    return [url for url in (provider.issuer, provider.token_url, provider.userinfo_url) if url]


def _require_url(name: str, url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("https", "http") and bool(parts.hostname) and parts.username is None
    except ValueError:
        is_good = False
    if not is_good or parts.fragment or any(char.isspace() for char in url):
        raise BadRequest(f"{name} must be an absolute address such as https://id.example.com")


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _parsed(row: SettingRow) -> Provider | None:
    try:
        return Provider.model_validate(json.loads(row.value))
    except (ValidationError, json.JSONDecodeError):
        return None
