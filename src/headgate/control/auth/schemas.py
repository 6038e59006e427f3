"""Bodies and answers of login and profile (spec 7.1, 7.4, 7.6)."""

from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.auth.passwords import MAX_PASSWORD_CHARS, MIN_PASSWORD_CHARS
from headgate.control.users.view import UserView
from headgate.control.web.fields import RequestBody

NewPassword = Annotated[str, Field(min_length=MIN_PASSWORD_CHARS, max_length=MAX_PASSWORD_CHARS)]


class LoginBody(RequestBody):
    email: Annotated[str, Field(min_length=1, max_length=255)]
    password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]


class PasswordBody(RequestBody):
    old_password: Annotated[str, Field(min_length=1, max_length=MAX_PASSWORD_CHARS)]
    new_password: NewPassword


class ProfileBody(RequestBody):
    username: Annotated[str, Field(max_length=100)]


class TokenView(BaseModel):
    access_token: str
    expires_in: int
    """Seconds."""
    token_type: str = "Bearer"  # noqa: S105 - the name of a scheme
    user: UserView


class MeView(UserView):
    run_mode: str
