"""Who may register: what the operator has set, and the checks that need nothing else (spec 7.2, 8.10).

Closed until an operator opens it: strangers can use what an installation gives to newcomers.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.mail.settings import ADDRESS, mail_config
from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.web.origins import require_public_origin
from headgate.control.work import Work
from headgate.errors import ApiError, BadRequest
from headgate.kit import json

DOMAINS, USER_LIMIT, FRONTEND = (
    "registration_email_suffix_whitelist",
    "registration_user_limit",
    "frontend_url",
)
_SWITCHES: Mapping[str, bool] = {
    "registration_enabled": False,
    "email_verify_enabled": False,
    "invitation_code_enabled": False,
    "promo_code_enabled": True,
    "password_reset_enabled": False,
    "oauth_registration_enabled": False,
    "oauth_invitation_code_enabled": False,
}
_DOMAIN = re.compile(r"@?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)+)")
MAX_DOMAINS = 200


class RegistrationFields(RequestBody):
    """Absent ones stay."""

    registration_enabled: bool | None = None
    email_verify_enabled: bool | None = None
    password_reset_enabled: bool | None = None
    oauth_registration_enabled: bool | None = None
    """Whether somebody unknown may come in through a provider."""
    oauth_invitation_code_enabled: bool | None = None
    registration_email_suffix_whitelist: (
        Annotated[list[Annotated[str, Field(max_length=255)]], Field(max_length=MAX_DOMAINS)] | None
    ) = None
    """`example.com` or `@example.com`; empty: every domain. Sub-domains do not match."""
    registration_user_limit: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None
    """How many users there may be before nobody registers any more; 0: no limit."""
    frontend_url: Annotated[str, Field(max_length=2048)] | None = None
    """Base of the links in letters; empty: `server.public_url`."""


class RegistrationView(BaseModel):
    registration_enabled: bool
    email_verify_enabled: bool
    password_reset_enabled: bool
    oauth_registration_enabled: bool
    oauth_invitation_code_enabled: bool
    registration_email_suffix_whitelist: Sequence[str]
    registration_user_limit: int
    frontend_url: str


@dataclass(frozen=True, slots=True)
class RegistrationPolicy:
    switches: Mapping[str, bool]
    domains: Sequence[str]
    """With a leading @, lower case; none: all."""
    user_limit: int
    frontend_url: str

    def is_on(self, switch: str) -> bool:
        return self.switches[switch]


async def registration_policy(session: AsyncSession) -> RegistrationPolicy:
    """What cannot be read counts as its default."""
    found = await read_texts(session, (*_SWITCHES, DOMAINS, USER_LIMIT, FRONTEND))
    words = {"true": True, "false": False}
    try:
        domains = json.loads(found.get(DOMAINS, "[]"))
    except json.JSONDecodeError:
        domains = ["@"]  # matches nobody: an unreadable list must not let everybody in
    limit = found.get(USER_LIMIT, "0")
    return RegistrationPolicy(
        switches={key: words.get(found.get(key, ""), default) for key, default in _SWITCHES.items()},
        domains=[str(domain) for domain in domains],
        user_limit=int(limit) if limit.isdigit() else 0,
        frontend_url=found.get(FRONTEND, ""),
    )


async def view_registration(work: Work) -> RegistrationView:
    policy = await registration_policy(work.session)
    shown = {key: on for key, on in policy.switches.items() if key in RegistrationView.model_fields}
    return RegistrationView(
        **shown,
        registration_email_suffix_whitelist=policy.domains,
        registration_user_limit=policy.user_limit,
        frontend_url=policy.frontend_url,
    )


async def change_registration(work: Work, given: RegistrationFields) -> None:
    """Raises INVALID_REGISTRATION_EMAIL_SUFFIX_WHITELIST, INVALID_INPUT, EMAIL_NOT_CONFIGURED (verification
    without a mail server lets nobody in), CONFIG_NOT_READY (reset without an address for its links)."""
    for name in _SWITCHES:
        if (on := getattr(given, name, None)) is not None:
            await write_text(work, name, "true" if on else "false")
    if given.registration_email_suffix_whitelist is not None:
        domains = checked_domains(given.registration_email_suffix_whitelist)
        await write_text(work, DOMAINS, json.dumps(domains).decode())
    if given.registration_user_limit is not None:
        await write_text(work, USER_LIMIT, str(given.registration_user_limit))
    if given.frontend_url is not None:
        await write_text(work, FRONTEND, require_public_origin("frontend_url", given.frontend_url))
    policy = await registration_policy(work.session)
    if given.email_verify_enabled or given.password_reset_enabled:
        await _require_mail(work)
    if given.password_reset_enabled and not link_base(work, policy):
        raise BadRequest(
            "password_reset_enabled needs frontend_url or server.public_url", reason="CONFIG_NOT_READY"
        )


def link_base(work: Work, policy: RegistrationPolicy) -> str:
    """Of links in letters: what is configured, never what a request says (PAINS S4)."""
    return (policy.frontend_url or work.deps.settings.server.public_url).rstrip("/")


def checked_domains(given: Sequence[str]) -> list[str]:
    """As they are stored, each once. Raises INVALID_REGISTRATION_EMAIL_SUFFIX_WHITELIST."""
    domains = []
    for text in given:
        match = _DOMAIN.fullmatch(text.strip().lower())
        if match is None:
            raise BadRequest(
                f"registration_email_suffix_whitelist: {text[:80]!r} is no domain; write it like example.com",
                reason="INVALID_REGISTRATION_EMAIL_SUFFIX_WHITELIST",
            )
        domains.append("@" + match[1])
    return list(dict.fromkeys(domains))


def checked_address(text: str, policy: RegistrationPolicy) -> str:
    """The one spelling of an address that may register. Raises INVALID_EMAIL, EMAIL_RESERVED,
    EMAIL_SUFFIX_NOT_ALLOWED.

    ASCII only, judged before it is lowered: other alphabets hold letters that look like ours, or become
    ours."""
    text = text.strip()
    if not ADDRESS.fullmatch(text):
        raise BadRequest("email must look like name@host, in ASCII", reason="INVALID_EMAIL")
    email = text.lower()
    domain = email.rpartition("@")[2]
    if domain == "invalid" or domain.endswith(".invalid"):
        raise BadRequest("addresses of this domain are reserved", reason="EMAIL_RESERVED")
    if policy.domains and f"@{domain}" not in policy.domains:
        raise BadRequest(
            "addresses of this domain cannot register here",
            reason="EMAIL_SUFFIX_NOT_ALLOWED",
            metadata={
                "allowed_suffixes": ",".join(policy.domains),
                "allowed_suffix_count": str(len(policy.domains)),
            },
        )
    return email


async def _require_mail(work: Work) -> None:
    try:
        await mail_config(work)
    except ApiError as missing:
        raise BadRequest("set the mail server first", reason=missing.reason) from None
