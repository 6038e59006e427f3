"""The envelope of every management answer, and pagination (spec 0.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Depends, Query
from pydantic import BaseModel

T = TypeVar("T")
DEFAULT_PAGE_SIZE = 20
MAX_PAGE_SIZE = 1000
MAX_PAGE = 1_000_000
"""Keeps OFFSET inside 64 bits whatever the client sends."""


class Envelope(BaseModel, Generic[T]):
    """`{"code": 0, "message": "success", "data": ...}`"""

    code: int = 0
    message: str = "success"
    data: T


class MessageView(BaseModel):
    """Data of calls that have nothing else to say."""

    message: str


class Page(BaseModel, Generic[T]):
    items: Sequence[T]
    total: int
    page: int
    page_size: int
    pages: int


@dataclass(frozen=True, slots=True)
class Paging:
    page: int = 1
    page_size: int = DEFAULT_PAGE_SIZE

    @property
    def offset(self) -> int:
        return (self.page - 1) * self.page_size

    def wrap(self, items: Sequence[T], total: int) -> Page[T]:
        """`pages` is at least 1, also of nothing."""
        pages = max(1, -(-total // self.page_size))
        return Page(items=items, total=total, page=self.page, page_size=self.page_size, pages=pages)


def _paging(
    page: Annotated[str | None, Query(description="from 1")] = None,
    page_size: Annotated[str | None, Query(description="1 to 1000; anything else means 20")] = None,
    limit: Annotated[str | None, Query(description="the same as page_size")] = None,
) -> Paging:
    number = _integer(page)
    size = _integer(page_size if page_size is not None else limit)
    return Paging(
        page=min(number, MAX_PAGE) if number >= 1 else 1,
        page_size=size if 1 <= size <= MAX_PAGE_SIZE else DEFAULT_PAGE_SIZE,
    )


def _integer(text: str | None) -> int:
    """0 for what is no number of reasonable length: bad paging falls back instead of failing (spec 0.2)."""
    if text is None or len(text) > 12 or not text.isascii() or not text.isdigit():
        return 0
    return int(text)


PagingParams = Annotated[Paging, Depends(_paging)]


def error_body(
    status: int, message: str, *, reason: str, metadata: dict[str, str] | None = None
) -> dict[str, Any]:
    """`{"code": status, "message": ..., "reason": ..., "metadata"?: ...}`"""
    body: dict[str, Any] = {"code": status, "message": message, "reason": reason}
    if metadata:
        body["metadata"] = metadata
    return body
