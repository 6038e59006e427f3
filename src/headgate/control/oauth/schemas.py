"""Bodies and answers of signing in through providers (spec 7.8)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.web.fields import RequestBody

Token = Annotated[str, Field(min_length=1, max_length=8000)]


class CompleteBody(RequestBody):
    login_token: Token
    """Of the callback page's address, behind the #."""
    invitation_code: Annotated[str, Field(max_length=1000)] = ""


class LinkBody(RequestBody):
    login_token: Token


class Started(BaseModel):
    authorize_url: str
    """Where the browser goes now."""


class IdentityView(BaseModel):
    id: int
    provider: str
    username: str
    email: str
    created_at: datetime
    used_at: datetime


class IdentityList(BaseModel):
    items: Sequence[IdentityView]
    has_password: bool
    """False: the last identity cannot be removed before a password is set."""


class ProofView(BaseModel):
    proof_token: str
    expires_in: int
    """Seconds that it counts, in this session only."""


class CheckView(BaseModel):
    authorize_url: str
    token_url: str
    userinfo_url: str
