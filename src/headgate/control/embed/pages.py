"""Pages of other systems that are shown inside ours: the purchase page and custom menu items (spec 8.14)."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest
from headgate.kit import json

ENABLED, URL, ITEMS = "purchase_subscription_enabled", "purchase_subscription_url", "custom_menu_items"
PURCHASE = "purchase"
MAX_ITEMS = 50
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
"""Also what may stand in a Content-Security-Policy: no separator of one."""


class MenuItem(BaseModel):
    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,39}$")]
    label: Annotated[str, Field(min_length=1, max_length=100)]
    url: Annotated[str, Field(min_length=1, max_length=2048)]
    visibility: Literal["user", "admin"] = "user"
    sort_order: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0


class PageFields(RequestBody):
    """Absent ones stay."""

    purchase_subscription_enabled: bool | None = None
    purchase_subscription_url: Annotated[str, Field(max_length=2048)] | None = None
    custom_menu_items: Annotated[list[MenuItem], Field(max_length=MAX_ITEMS)] | None = None


class PagesView(BaseModel):
    purchase_subscription_enabled: bool
    purchase_subscription_url: str
    custom_menu_items: Sequence[MenuItem]


_STORED = TypeAdapter(list[MenuItem])


async def view_pages(session: AsyncSession) -> PagesView:
    found = await read_texts(session, (ENABLED, URL, ITEMS))
    try:
        items = _STORED.validate_python(json.loads(found.get(ITEMS, "[]")))
    except (ValidationError, json.JSONDecodeError):
        items = []
    return PagesView(
        purchase_subscription_enabled=found.get(ENABLED) == "true",
        purchase_subscription_url=found.get(URL, ""),
        custom_menu_items=sorted(items, key=lambda item: (item.sort_order, item.id)),
    )


async def change_pages(work: Work, given: PageFields) -> None:
    """Raises INVALID_INPUT."""
    before = await view_pages(work.session)
    url = before.purchase_subscription_url
    if given.purchase_subscription_url is not None:
        url = given.purchase_subscription_url.strip()
        if url:
            require_page(URL, url)
        await write_text(work, URL, url)
    if given.purchase_subscription_enabled is not None:
        if given.purchase_subscription_enabled and not url:
            raise BadRequest(f"{ENABLED} needs {URL}")
        await write_text(work, ENABLED, "true" if given.purchase_subscription_enabled else "false")
    if given.custom_menu_items is not None:
        ids = [item.id for item in given.custom_menu_items]
        if len(set(ids)) < len(ids) or PURCHASE in ids:
            raise BadRequest(f"{ITEMS}: every id must be there once, and none be {PURCHASE!r}")
        for item in given.custom_menu_items:
            require_page(f"{ITEMS}.{item.id}.url", item.url)
        await write_text(work, ITEMS, json.dumps([i.model_dump() for i in given.custom_menu_items]).decode())


def require_page(name: str, url: str) -> str:
    """Its origin. Raises INVALID_INPUT: a page must be absolute http(s), without user and fragment."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise BadRequest(f"{name} is no address") from None
    is_plain = url.isascii() and not any(char.isspace() for char in url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
        raise BadRequest(f"{name} must be an absolute http(s) address")
    if not _HOST.fullmatch(parts.hostname):  # it becomes part of a policy and of an address
        raise BadRequest(f"{name} must have a plain host name")
    if parts.username is not None or parts.fragment:
        raise BadRequest(f"{name} must have neither user nor fragment")
    return origin(parts.scheme, parts.hostname, port)


def origin(scheme: str, host: str, port: int | None) -> str:
    """As browsers write it in `Origin` (RFC 6454): the scheme's own port is left out."""
    shown = f"[{host}]" if ":" in host else host
    is_usual = port is None or port == {"http": 80, "https": 443}[scheme]
    return f"{scheme}://{shown}" if is_usual else f"{scheme}://{shown}:{port}"


def embedded_url(url: str, parameters: Mapping[str, Any]) -> str:
    """Existing parameters stay unless they are ours; empty values are left out (spec 8.14)."""
    parts = urlsplit(url)
    kept = [(n, v) for n, v in parse_qsl(parts.query, keep_blank_values=True) if n not in parameters]
    ours = [(name, str(value)) for name, value in parameters.items() if value not in ("", None)]
    return urlunsplit(parts._replace(query=urlencode(kept + ours)))
