"""Bodies and answers about egress proxies (spec 1.10, 8.5). The password is written, never read back."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

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
    latency_ms: int | None = None
    """What the last test found; null: none was made since the proxy was changed."""
    latency_status: str = ""
    """success | failed"""
    latency_message: str = ""
    ip_address: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    country_code: str = ""
    tested_at: str = ""
    quality_status: str = ""
    """What the last quality check found."""
    quality_score: int | None = None
    quality_grade: str = ""
    quality_summary: str = ""
    quality_checked_at: str = ""


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
        **_findings(row.findings or {}),
    )


def _findings(found: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if latency := found.get("latency"):
        shown |= {name: latency[name] for name in ("ip_address", "city", "region", "country", "country_code")}
        shown |= {
            "latency_ms": latency["latency_ms"],
            "latency_status": "success" if latency["success"] else "failed",
            "latency_message": latency["message"],
            "tested_at": latency["checked_at"],
        }
    if quality := found.get("quality"):
        shown |= {f"quality_{name}": quality[name] for name in ("status", "score", "grade", "summary")}
        shown["quality_checked_at"] = quality["checked_at"]
    return shown
