"""How this installation presents itself: its logo and the words of its landing page (spec 8.10, 8.15).

The name stands with the mail settings, which sign letters with it.
"""

import re
from typing import Annotated

from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncSession

from headgate.control.embed.pages import require_page
from headgate.control.settings.values import read_texts, write_text
from headgate.control.web.fields import RequestBody
from headgate.control.work import Work
from headgate.errors import BadRequest

LOGO, DOCS = "site_logo", "doc_url"
TEXTS = (LOGO, "site_subtitle", "contact_info", DOCS, "home_content")
_LOGO = re.compile(r"data:image/(png|jpeg|webp|gif|svg\+xml);base64,[A-Za-z0-9+/]+={0,2}")


class BrandingFields(RequestBody):
    """Absent ones stay, empty ones are cleared."""

    site_logo: Annotated[str, Field(max_length=140_000)] | None = None
    """A picture as a `data:` address (base64, some 100 KB): pages load nothing from foreign hosts."""
    site_subtitle: Annotated[str, Field(max_length=300)] | None = None
    contact_info: Annotated[str, Field(max_length=1000)] | None = None
    doc_url: Annotated[str, Field(max_length=2048)] | None = None
    home_content: Annotated[str, Field(max_length=100_000)] | None = None
    """Markdown or HTML instead of the landing page's own text; who shows it sanitises it."""


class BrandingView(BaseModel):
    site_logo: str
    site_subtitle: str
    contact_info: str
    doc_url: str
    home_content: str


async def view_branding(session: AsyncSession) -> BrandingView:
    found = await read_texts(session, TEXTS)
    return BrandingView(**{name: found.get(name, "") for name in TEXTS})


async def change_branding(work: Work, given: BrandingFields) -> None:
    """Raises INVALID_INPUT: a logo that is no embedded picture, a documentation that is no address."""
    for name in TEXTS:
        text = getattr(given, name)
        if text is None:
            continue
        text = text.strip()
        if name == LOGO and text and not _LOGO.fullmatch(text):
            raise BadRequest(
                f"{LOGO}: must be a picture as data:image/png;base64,… (or jpeg, webp, gif, svg)"
            )
        if name == DOCS and text:
            require_page(DOCS, text)
        await write_text(work, name, text)
