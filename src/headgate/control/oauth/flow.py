"""What begins a sign-in through a provider, and what must come back (RFC 6749, 7636, 9207; OIDC Core). Pure
but for random numbers.

State, nonce and PKCE verifier live in one sealed cookie of the browser that began: nothing that a foreign
page or a stolen link brings along fits it.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from urllib.parse import urlencode

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from headgate.control.oauth.providers import Provider
from headgate.control.totp import tickets
from headgate.kit.crypto import Vault

COOKIE = "headgate_oauth"
COOKIE_PATH = "/api/v1/auth/oauth"
LIFETIME_S = 600
KIND = "oauth.begin"
DEFAULT_TARGET = "/dashboard"
MAX_TARGET_CHARS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """One sign-in on its way, as its cookie holds it."""

    slug: str
    authority: str
    state: str
    nonce: str
    verifier: str
    target: str
    link_user: int = 0
    """Not 0: somebody signed in adds the provider to its account."""
    token_version: int = 0
    purpose: str = ""
    """`link` or `prove` of `link_user`; empty: a sign-in."""
    began_s: int = 0

    @property
    def binding(self) -> str:
        """Ties what follows to this cookie, without showing the state."""
        return hashlib.sha256(b"oauth\0" + self.state.encode()).hexdigest()


def begin(
    provider: Provider,
    target: str,
    *,
    link_user: int = 0,
    token_version: int = 0,
    purpose: str = "",
    began_s: int = 0,
) -> Begun:
    return Begun(
        slug=provider.slug,
        authority=provider.authority,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32) if provider.kind == "oidc" else "",
        verifier=secrets.token_urlsafe(48) if provider.use_pkce else "",
        target=local_path(target),
        link_user=link_user,
        token_version=token_version,
        purpose=purpose,
        began_s=began_s,
    )


def authorize_address(provider: Provider, url: str, begun: Begun, *, redirect_uri: str) -> str:
    extra = {}
    if begun.purpose == "prove" and provider.kind == "oidc":
        extra["max_age"] = "0"  # OIDC Core 3.1.2.1: ask the person again
    if begun.nonce:
        extra["nonce"] = begun.nonce
    if begun.verifier:
        extra |= {
            "code_challenge": create_s256_code_challenge(begun.verifier),
            "code_challenge_method": "S256",
        }
    address: str = prepare_grant_uri(
        url,
        provider.client_id,
        "code",
        redirect_uri=redirect_uri,
        scope=provider.scopes or None,
        state=begun.state,
        **extra,
    )
    return address


def sealed(vault: Vault, begun: Begun, *, now_s: int) -> str:
    content = {name: getattr(begun, name) for name in Begun.__dataclass_fields__}
    return tickets.issue(vault, KIND, content, now_s=now_s, lifetime_s=LIFETIME_S)


def opened(vault: Vault, cookie: str, *, now_s: int) -> Begun | None:
    """None for what is no cookie of ours, or too old."""
    content = tickets.read(vault, KIND, cookie, now_s=now_s)
    if content is None:
        return None
    known = {name: value for name, value in content.items() if name in Begun.__dataclass_fields__}
    return Begun(**known)  # type: ignore[arg-type]  # sealed by us


def is_answer_to(begun: Begun, provider: Provider, *, state: str, issuer: str) -> bool:
    """Whether a callback belongs to what this browser began, at the provider as it is configured now.
    `issuer` is that of RFC 9207, where the provider sends one."""
    is_same = hmac.compare_digest(begun.state.encode(), state.encode("utf-8", "surrogateescape"))
    is_here = begun.slug == provider.slug and begun.authority == provider.authority
    is_from = not issuer or provider.kind != "oidc" or issuer.rstrip("/") == provider.authority
    return is_same and is_here and is_from


def local_path(target: str) -> str:
    """Where the page goes afterwards: a path of ours, never another site."""
    is_path = target.startswith("/") and not target.startswith(("//", "/\\"))
    is_plain = target.isprintable() and "\\" not in target and len(target) <= MAX_TARGET_CHARS
    return target if is_path and is_plain else DEFAULT_TARGET


def page_address(base: str, slug: str, fields: dict[str, str]) -> str:
    """The page that takes over, with what it needs behind the #, which no server sees."""
    return f"{base}/auth/{slug}/callback#{urlencode(fields)}"
