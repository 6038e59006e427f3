"""Access tokens: JWT, HS256, signed with a key derived from the master key (spec 7.3)."""

from dataclasses import dataclass

import jwt

from headgate.control.web.faults import AuthRefused
from headgate.kit.crypto import Vault

ALGORITHM = "HS256"
MAX_TOKEN_CHARS = 8192
_REQUIRED = ["user_id", "token_version", "exp", "iat", "nbf"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    user_id: int
    email: str
    role: str
    token_version: int
    session: str = ""
    """The family of refresh tokens that it belongs to: ending that one ends this token too."""


class AccessTokens:
    """Issues and reads tokens. The clock comes in, so expiry is judged by ours, not by the library's."""

    def __init__(self, vault: Vault) -> None:
        self._key = vault.signature("jwt", b"access-token/1")

    def issue(self, claims: Claims, *, now_s: int, lifetime_s: int) -> str:
        payload = {
            "user_id": claims.user_id,
            "email": claims.email,
            "role": claims.role,
            "token_version": claims.token_version,
            "sid": claims.session,
            "iat": now_s,
            "nbf": now_s,
            "exp": now_s + lifetime_s,
        }
        return jwt.encode(payload, self._key, algorithm=ALGORITHM)

    def read(self, token: str, *, now_s: int) -> Claims:
        """Raises `AuthRefused` TOKEN_TOO_LARGE, INVALID_TOKEN or TOKEN_EXPIRED."""
        if len(token) > MAX_TOKEN_CHARS:
            raise AuthRefused("TOKEN_TOO_LARGE", "token is too large", status=400)
        options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "require": _REQUIRED}
        try:
            payload = jwt.decode(token, self._key, algorithms=[ALGORITHM], options=options)  # type: ignore[arg-type]
            claims = Claims(
                user_id=int(payload["user_id"]),
                email=str(payload.get("email", "")),
                role=str(payload.get("role", "")),
                token_version=int(payload["token_version"]),
                session=str(payload.get("sid", "")),
            )
            expires_s, not_before_s = int(payload["exp"]), int(payload["nbf"])
        except (jwt.PyJWTError, ValueError, TypeError):
            raise AuthRefused("INVALID_TOKEN", "Invalid token") from None
        if now_s < not_before_s - 60:  # clocks of replicas may differ a little
            raise AuthRefused("INVALID_TOKEN", "Invalid token")
        if now_s >= expires_s:
            raise AuthRefused("TOKEN_EXPIRED", "Token has expired")
        return claims
