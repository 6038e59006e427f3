"""Whom our pages may show inside themselves: exactly the sites of the configured pages (spec 8.14, 9.3)."""

from collections.abc import Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from headgate.control.deps import UnitOfWorkFactory
from headgate.control.embed.pages import PagesView, require_page, view_pages
from headgate.errors import BadRequest
from headgate.kit.clock import Clock
from headgate.storage.journal import StorageUnavailable

log = structlog.get_logger(__name__)

MAX_AGE_S = 5
"""So long after a change pages still come with the policy of before."""


class FrameOrigins:
    """Read at most every few seconds; while the database is away what was known goes on."""

    def __init__(self, uow: UnitOfWorkFactory, clock: Clock) -> None:
        self._uow = uow
        self._clock = clock
        self._known: Sequence[str] = ()
        self._read_at: float | None = None

    async def read(self) -> Sequence[str]:
        now = self._clock.monotonic()
        if self._read_at is not None and now - self._read_at < MAX_AGE_S:
            return self._known
        self._read_at = now
        try:
            async with self._uow() as uow:
                self._known = origins_of(await view_pages(uow.session))
        except (SQLAlchemyError, StorageUnavailable) as error:
            log.warning("frame_origins_not_read", error=type(error).__name__)
        return self._known


def origins_of(pages: PagesView) -> Sequence[str]:
    """Sorted, each once; what no policy may hold is left out."""
    urls = [item.url for item in pages.custom_menu_items]
    if pages.purchase_subscription_enabled:
        urls.append(pages.purchase_subscription_url)
    found = set()
    for url in urls:
        try:
            found.add(require_page("url", url))
        except BadRequest:  # stored before this was looked at
            continue
    return sorted(found)
