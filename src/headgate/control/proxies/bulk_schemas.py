"""Bodies and answers about many egress proxies at once (spec 8.5)."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from headgate.control.proxies.schemas import Host, Port, Protocol, Text
from headgate.control.web.fields import MAX_ID, RequestBody

MAX_AT_ONCE = 1000
Id = Annotated[int, Field(ge=1, le=MAX_ID)]


class ProxyEntry(RequestBody):
    protocol: Protocol
    host: Host
    port: Port
    username: Text = ""
    password: Text = ""


class ProxyBatchBody(RequestBody):
    proxies: Annotated[list[ProxyEntry], Field(min_length=1, max_length=MAX_AT_ONCE)]


class ProxyBatchView(BaseModel):
    created: int
    skipped: int


class ProxyIdsBody(RequestBody):
    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_AT_ONCE)]


class SkippedProxy(BaseModel):
    id: int
    reason: str


class ProxiesDeleted(BaseModel):
    deleted_ids: Sequence[int]
    skipped: Sequence[SkippedProxy]


class ProxyAccount(BaseModel):
    id: int
    name: str
    platform: str
    type: str
    status: str
