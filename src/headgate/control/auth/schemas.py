"""Bodies and answers of login, sessions and profile (spec 7.1, 7.3, 7.4, 7.6)."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.auth.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from headgate.control.users.view import UserView
from headgate.control.web.fields import RequestBody

NewPassword = Annotated[str, Field(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]
RefreshToken = Annotated[str, Field(max_length=200)]


class LoginBody(RequestBody):
    turnstile_token: Annotated[str, Field(max_length=2048)] = ""
    email: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class SecondStepBody(RequestBody):
    temp_token: Annotated[str, Field(max_length=1000)]
    totp_code: Annotated[str, Field(max_length=32)]
    """Of the authenticator app, or a recovery code."""


class RefreshBody(RequestBody):
    refresh_token: RefreshToken


class LogoutBody(RequestBody):
    refresh_token: RefreshToken | None = None


class PasswordBody(RequestBody):
    """The old password; or a code or token of `ProofBody`, by whom there is none or who does not know it."""

    old_password: Annotated[str, Field(max_length=MAX_PASSWORD_CHARS)] = ""
    email_code: Annotated[str, Field(max_length=32)] = ""
    proof_token: Annotated[str, Field(max_length=1000)] = ""
    new_password: NewPassword


class ProfileBody(RequestBody):
    username: Annotated[str, Field(max_length=100)]


class TokenPair(BaseModel):
    access_token: str
    refresh_token: str
    """Good for one exchange; the answer of that holds the next one."""
    expires_in: int
    """Seconds that the access token lasts."""
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme


class TokenView(TokenPair):
    user: UserView


class CookieView(BaseModel):
    """A browser session: the tokens are in cookies that no script reads."""

    csrf_token: str
    """For the header X-CSRF-Token of calls that change something; also in the cookie `headgate_csrf`."""
    expires_in: int
    """Seconds until the session must be refreshed."""
    token_type: str = "Cookie"  # noqa: S105 - the name of a scheme


class CookieLoginView(CookieView):
    user: UserView


class SecondStepView(BaseModel):
    """The password is right; a code is needed."""

    requires_2fa: bool = True
    temp_token: str
    """Good for one second step within 5 minutes."""
    user_email_masked: str


class SessionView(BaseModel):
    id: str
    started_at: datetime
    last_refreshed_at: datetime
    expires_at: datetime
    address: str
    """Of the latest login or refresh."""
    user_agent: str
    is_current: bool


class MeView(UserView):
    run_mode: str
