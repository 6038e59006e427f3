"""Whether a refresh token may be exchanged (spec 7.3). Pure.

A token is good for one exchange. The same token within the grace is a client that asked twice: it is refused,
and its session goes on. The same token later means that two parties hold it: the session ends for both.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from headgate.errors import ApiError, Conflict, Forbidden, Unauthenticated
from headgate.storage.models import RefreshTokenRow, UserRow


@dataclass(frozen=True, slots=True)
class Exchange:
    """It is exchanged for its successor."""


@dataclass(frozen=True, slots=True)
class Refused:
    error: ApiError
    ends_session: bool = False


def unknown() -> Refused:
    """Never issued, or so long ago that it is forgotten."""
    return Refused(_unauthenticated("REFRESH_TOKEN_INVALID", "invalid refresh token"))


def judge(token: RefreshTokenRow, user: UserRow, *, now: datetime, grace: timedelta) -> Exchange | Refused:
    """`user` is the token's, and not deleted."""
    if token.revoked_at is not None:
        return Refused(_unauthenticated("TOKEN_REVOKED", "the session has ended"))
    if user.status != "active":
        return Refused(Forbidden("user is not active", reason="USER_NOT_ACTIVE"), ends_session=True)
    if token.token_version != user.token_version:
        return Refused(_unauthenticated("TOKEN_REVOKED", "the session has ended"), ends_session=True)
    if token.used_at is not None and now - token.used_at <= grace:
        return Refused(
            Conflict(
                "the session was refreshed a moment ago; use the tokens of that answer",
                reason="REFRESH_TOKEN_ROTATED",
            )
        )
    if token.used_at is not None:
        error = _unauthenticated(
            "REFRESH_TOKEN_REUSED", "refresh token was used before; the session has ended"
        )
        return Refused(error, ends_session=True)
    if now >= token.expires_at:
        return Refused(_unauthenticated("REFRESH_TOKEN_EXPIRED", "refresh token has expired"))
    return Exchange()


def _unauthenticated(reason: str, message: str) -> Unauthenticated:
    return Unauthenticated(message, reason=reason)
