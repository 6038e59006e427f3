"""Users by what their attributes say: `attr[7]=berlin` of a listing (spec 8.2)."""

import re
from collections.abc import Iterable

from sqlalchemy import Select, and_, or_, select

from headgate.control.attributes.rules import EQUAL_TYPES
from headgate.control.search import contains
from headgate.control.web.fields import MAX_ID, storable
from headgate.errors import BadRequest
from headgate.storage.models import UserAttributeDefinitionRow, UserAttributeValueRow

MAX_FILTERS = 20
_NAME = re.compile(r"attr\[(\d{1,19})\]", re.ASCII)


def attribute_filters(query: Iterable[tuple[str, str]]) -> tuple[tuple[int, str], ...]:
    """(attribute id, wanted text) of a request's query; empty texts ask for nothing. Raises INVALID_INPUT."""
    found = []
    for name, value in query:
        if not name.startswith("attr["):
            continue
        matched = _NAME.fullmatch(name)
        if matched is None or not 1 <= int(matched[1]) <= MAX_ID:
            raise BadRequest("filters by attribute look like attr[7]=text, with the id of a definition")
        if wanted := _text(value):
            found.append((int(matched[1]), wanted))
    if len(found) > MAX_FILTERS:
        raise BadRequest(f"at most {MAX_FILTERS} filters by attribute")
    return tuple(found)


def users_with(attribute_id: int, wanted: str) -> Select[int]:
    """Ids of users whose value contains the text in any case; of a select, number or date: is it."""
    value, definition = UserAttributeValueRow, UserAttributeDefinitionRow
    return (
        select(value.user_id)
        .join(definition, definition.id == value.attribute_id)
        .where(
            definition.id == attribute_id,
            or_(
                and_(definition.type.in_(EQUAL_TYPES), value.value == wanted),
                and_(definition.type.not_in(EQUAL_TYPES), contains(wanted, value.value)),
            ),
        )
    )


def _text(value: str) -> str:
    try:
        return storable(value).strip()[:100]
    except ValueError as error:
        raise BadRequest(str(error)) from None
