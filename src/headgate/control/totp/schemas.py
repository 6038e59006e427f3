"""Bodies and answers of the second factor (spec 7.5)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.totp.tickets import MAX_CHARS
from headgate.control.web.fields import RequestBody

Code = Annotated[str, Field(max_length=32)]


class EnableBody(RequestBody):
    totp_code: Code
    setup_token: Annotated[str, Field(max_length=MAX_CHARS)]


class TotpStatus(BaseModel):
    enabled: bool
    enabled_at: int | None
    """Unix seconds."""
    feature_enabled: bool
    recovery_codes_left: int


class VerificationMethod(BaseModel):
    method: str
    """How the user proves who it is before a change: `password`, `email` or `provider`; empty: not at all."""
    methods: Sequence[str]
    """All that work now, that one first."""
    providers: Sequence[str]
    """Slugs of the linked providers that can be signed in at."""


class CodeSent(BaseModel):
    success: bool = True
    countdown: int
    """Seconds until another code may be asked for."""


class SetupView(BaseModel):
    secret: str
    qr_code_url: str
    setup_token: str
    countdown: int
    """Seconds until the set-up must be confirmed."""


class RecoveryCodes(BaseModel):
    success: bool = True
    recovery_codes: Sequence[str]
    """Each signs in once instead of a code of the app. Shown once."""


class Done(BaseModel):
    success: bool = True
