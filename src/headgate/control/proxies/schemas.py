"""Bodies and answers about egress proxies (spec 1.10, 8.5). The password is written, never read back."""

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from headgate.control.masking import MARK
from headgate.control.web.fields import Name, RequestBody
from headgate.storage.models import ProxyRow

_HOST = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")


def _host(value: str) -> str:
    """A name or an address; nothing that could change the meaning of the URL built from it."""
    if not _HOST.fullmatch(value):
        raise ValueError("must be a host name or an IP address")
    return value


Protocol = Literal["http", "https", "socks5", "socks5h"]
Host = Annotated[str, AfterValidator(_host)]
Port = Annotated[int, Field(ge=1, le=65_535)]
Text = Annotated[str, Field(max_length=255)]


class ProxyCreate(RequestBody):
    name: Name
    protocol: Protocol
    host: Host
    port: Port
    username: Text = ""
    password: Text = ""


class ProxyUpdate(RequestBody):
    """Absent fields stay. The password stays when absent or masked; "" removes it."""

    name: Name | None = None
    protocol: Protocol | None = None
    host: Host | None = None
    port: Port | None = None
    username: Text | None = None
    password: Text | None = None
    status: Literal["active", "inactive"] | None = None


class ProxyView(BaseModel):
    id: int
    name: str
    protocol: str
    host: str
    port: int
    username: str
    password: str
    """The mark `…` when there is one, else empty."""
    status: str
    created_at: datetime
    updated_at: datetime
    account_count: int = 0


def proxy_view(row: ProxyRow, account_count: int = 0) -> ProxyView:
    return ProxyView(
        id=row.id,
        name=row.name,
        protocol=row.protocol,
        host=row.host,
        port=row.port,
        username=row.username,
        password=MARK if row.password_sealed else "",
        status=row.status,
        created_at=row.created_at,
        updated_at=row.updated_at,
        account_count=account_count,
    )
