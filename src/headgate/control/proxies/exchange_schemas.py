"""Egress proxies as a file, and what became of one (spec 8.4, 8.5)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from headgate.control.web.fields import RequestBody


class ExportedProxy(BaseModel):
    """`password_sealed` opens only under this installation's master key."""

    proxy_key: str
    name: str
    protocol: str
    host: str
    port: int
    username: str
    password_sealed: str | None
    status: str


class ImportedProxy(RequestBody):
    proxy_key: Annotated[str, Field(max_length=1000)] = ""
    name: Annotated[str, Field(max_length=100)] = ""
    protocol: str = ""
    host: str = ""
    port: int = 0
    username: str = ""
    password: str = ""
    password_sealed: str | None = None


class ProxyExportView(BaseModel):
    """The same file as that of accounts, without any."""

    type: Literal["sub2api-data"] = "sub2api-data"
    version: int = 1
    exported_at: datetime
    proxies: Sequence[ExportedProxy]
    accounts: Sequence[object] = ()


class ProxyFile(RequestBody):
    type: str = ""
    version: int = 0
    proxies: Annotated[list[ImportedProxy], Field(max_length=1000)] = Field(default_factory=list)


class ProxyImportBody(RequestBody):
    """A file, or the address of a list as Clash reads it."""

    data: ProxyFile | None = None
    subscription_url: Annotated[str, Field(max_length=2048)] = ""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.data is None) == (not self.subscription_url.strip()):
            raise ValueError("send either data or subscription_url")
        return self


class ImportIssue(BaseModel):
    kind: Literal["proxy", "account"]
    name: str
    proxy_key: str | None = None
    message: str


class ImportView(BaseModel):
    proxy_created: int = 0
    proxy_reused: int = 0
    proxy_failed: int = 0
    proxy_skipped: int = 0
    """Of a list of another kind: what is no HTTP or SOCKS5 proxy."""
    account_created: int = 0
    account_failed: int = 0
    errors: list[ImportIssue] = Field(default_factory=list)
