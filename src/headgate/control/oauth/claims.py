"""What a provider says about a person. Pure: documents in, an identity or a refusal out (spec 7.8)."""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from headgate.control.oauth.providers import Provider
from headgate.kit import json

ALGORITHMS = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519".split()
"""Signatures by a key of the provider; never `none`, never a secret that we know too."""
LEEWAY_S = 120
MAX_SUBJECT_CHARS = 255
_SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,56}")
_EMAILS = ("email", "user.email", "data.email", "attributes.email")
_NAMES = ("username", "preferred_username", "name", "user.username", "user.name")
_IDS = ("sub", "id", "user_id", "uid", "user.id")


class ClaimsRefused(Exception):
    """The provider's words cannot be believed; the message says which, without quoting them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody, as a provider knows it."""

    authority: str
    subject: str
    """Stable and unique within the authority."""
    email: str = ""
    is_email_verified: bool = False
    username: str = ""

    @property
    def digest(self) -> str:
        return hashlib.sha256(f"{self.authority}\0{self.subject}".encode()).hexdigest()

    def local_email(self, slug: str, *, unique: bool = False) -> str:
        """The address of an account without one; nobody can register it, and no mail goes there. `unique`:
        also among authorities that used the same slug."""
        name = self.subject.lower() if _SAFE_ID.fullmatch(self.subject) else self.digest[:32]
        if unique:
            name = self.digest[:40]
        return f"{slug}-{name}@{slug}-connect.invalid"


def read_id_token(
    token: str, keys: Mapping[str, Any], provider: Provider, *, nonce: str, access_token: str, now_s: int
) -> Mapping[str, Any]:
    """The claims of an ID token that is signed, ours, fresh and an answer to our question. Raises
    `ClaimsRefused`."""
    try:
        decoded = jwt.decode(token, KeySet.import_key_set(_signing(keys)), algorithms=ALGORITHMS)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "values": _issuers(provider)},
                "aud": {"essential": True, "value": provider.client_id},
            },
            params={"nonce": nonce, "client_id": provider.client_id, "access_token": access_token},
        )
        claims.validate(now=now_s, leeway=LEEWAY_S)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ClaimsRefused(f"the ID token is not valid ({type(error).__name__})") from None
    return dict(claims)


def identity_of(provider: Provider, document: Mapping[str, Any]) -> Identity:
    """Raises `ClaimsRefused` without a usable id."""
    ids = ("sub",) if provider.kind == "oidc" else _IDS
    subject = _text(document, provider.id_path, ids)
    if not subject or len(subject) > MAX_SUBJECT_CHARS or not subject.isprintable():
        raise ClaimsRefused("there is no usable id of the person")
    email = _text(document, provider.email_path, _EMAILS)
    return Identity(
        authority=provider.authority,
        subject=subject,
        email=email if len(email) <= 255 else "",
        is_email_verified=document.get("email_verified") is True,  # the text "true" is no promise
        username=_text(document, provider.username_path, _NAMES)[:100],
    )


def key_ids(keys: Mapping[str, Any]) -> Sequence[str]:
    return [str(key.get("kid", "")) for key in keys.get("keys", ()) if isinstance(key, dict)]


def key_id_of(token: str) -> str:
    """The `kid` of a token's header, unverified: only says whether our copy of the keys is too old."""
    part = token.partition(".")[0]
    try:
        header = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        return str(header.get("kid", "")) if isinstance(header, dict) else ""
    except (ValueError, json.JSONDecodeError):
        return ""


def _signing(keys: Mapping[str, Any]) -> Any:
    """Public keys for signatures only: a symmetric one in a key set is nobody's proof."""
    found = [
        key
        for key in keys.get("keys", ())
        if isinstance(key, dict) and key.get("kty") in ("RSA", "EC", "OKP") and key.get("use", "sig") == "sig"
    ]
    return {"keys": found}


def _issuers(provider: Provider) -> list[str]:
    return [provider.authority, provider.authority + "/"]


def _text(document: Mapping[str, Any], path: str, usual: Sequence[str]) -> str:
    """The first that is there; numbers are ids of some providers."""
    for candidate in (path,) if path else usual:
        value: Any = document
        for part in candidate.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        if isinstance(value, str) and value.strip():
            return value.strip()
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
    return ""
