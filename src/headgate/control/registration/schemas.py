"""Bodies and answers of registration and of forgotten passwords (spec 7.1)."""

from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.auth.schemas import NewPassword
from headgate.control.auth.turnstile import TurnstileToken
from headgate.control.web.fields import RequestBody

Email = Annotated[str, Field(min_length=3, max_length=255)]
Code = Annotated[str, Field(max_length=1000)]


class RegisterBody(RequestBody):
    email: Email
    password: NewPassword
    verify_code: Annotated[str, Field(max_length=32)] = ""
    promo_code: Code = ""
    """One that does not work is ignored."""
    invitation_code: Code = ""
    turnstile_token: TurnstileToken = ""


class EmailBody(RequestBody):
    email: Email
    turnstile_token: TurnstileToken = ""


class ResetBody(RequestBody):
    email: Email
    token: Annotated[str, Field(min_length=1, max_length=200)]
    new_password: NewPassword


class CodeSent(BaseModel):
    message: str
    countdown: int
    """Seconds until another code may be asked for."""
