"""User attributes: their definitions and their values (spec 1.12, 8.2)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select

from headgate.control.attributes.rules import TYPES, Rules, is_pattern, why_not
from headgate.control.attributes.schemas import DefinitionCreate, DefinitionUpdate
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.errors import BadRequest, Conflict, NotFound
from headgate.storage.models import UserAttributeDefinitionRow, UserAttributeValueRow, UserRow

MAX_DEFINITIONS = 100
"""Each is a column of the list of users."""


class DefinitionService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def all(self, *, only_enabled: bool = False) -> Sequence[UserAttributeDefinitionRow]:
        """In the order in which they are shown."""
        row = UserAttributeDefinitionRow
        query = select(row).order_by(row.display_order, row.id)
        return (await self._work.session.scalars(query.where(row.enabled) if only_enabled else query)).all()

    async def get(self, definition_id: int) -> UserAttributeDefinitionRow:
        """Raises ATTRIBUTE_DEFINITION_NOT_FOUND."""
        row = await self._work.session.get(UserAttributeDefinitionRow, definition_id)
        if row is None:
            raise _not_found(definition_id)
        return row

    async def create(self, draft: DefinitionCreate) -> UserAttributeDefinitionRow:
        """The last of all. Raises ATTRIBUTE_KEY_EXISTS, INVALID_ATTRIBUTE_TYPE, INVALID_ATTRIBUTE_PATTERN,
        INVALID_INPUT."""
        await self._require_free(draft.key, owner=None)
        table, now = UserAttributeDefinitionRow, self._work.now()
        count = await self._work.session.scalar(select(func.count(table.id))) or 0
        last = await self._work.session.scalar(select(func.max(table.display_order)))
        if count >= MAX_DEFINITIONS:
            raise BadRequest(f"there are {MAX_DEFINITIONS} attributes already; delete some first")
        row = table(
            **_fields(draft), display_order=0 if last is None else last + 1, created_at=now, updated_at=now
        )
        _check(row)
        self._work.session.add(row)
        await self._work.session.flush()
        return row

    async def update(self, definition_id: int, change: DefinitionUpdate) -> UserAttributeDefinitionRow:
        """Raises ATTRIBUTE_DEFINITION_NOT_FOUND, and what `create` raises."""
        row = await self.get(definition_id)
        if change.key is not None:
            await self._require_free(change.key, owner=row.id)
        for name, value in _fields(change).items():
            setattr(row, name, value)
        _check(row)
        row.updated_at = self._work.now()
        await self._work.session.flush()
        return row

    async def delete(self, definition_id: int) -> None:
        """With all values. Raises ATTRIBUTE_DEFINITION_NOT_FOUND."""
        row = await self.get(definition_id)
        values = UserAttributeValueRow
        await self._work.session.execute(delete(values).where(values.attribute_id == row.id))
        await self._work.session.delete(row)

    async def reorder(self, ids: Sequence[int]) -> Sequence[UserAttributeDefinitionRow]:
        """Raises ATTRIBUTE_DEFINITION_NOT_FOUND, INVALID_INPUT (an id twice)."""
        if len(set(ids)) != len(ids):
            raise BadRequest("ids must name every attribute at most once")
        rows = {row.id: row for row in await self.all()}
        if missing := [wanted for wanted in ids if wanted not in rows]:
            raise _not_found(missing[0])
        rest = [row for row in rows.values() if row.id not in ids]
        for place, row in enumerate([rows[wanted] for wanted in ids] + rest):
            row.display_order = place
        await self._work.session.flush()
        return await self.all()

    async def _require_free(self, key: str, *, owner: int | None) -> None:
        table = UserAttributeDefinitionRow
        holder = await self._work.session.scalar(select(table.id).where(table.key == key))
        if holder is not None and holder != owner:
            raise Conflict(f"an attribute with the key {key!r} exists", reason="ATTRIBUTE_KEY_EXISTS")


class ValueService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def of_user(self, user_id: int) -> Mapping[int, str]:
        """Raises USER_NOT_FOUND."""
        await UserRepository(self._work.session).get(user_id)
        return (await self.of_users([user_id])).get(user_id, {})

    async def of_users(self, user_ids: Sequence[int]) -> Mapping[int, Mapping[int, str]]:
        """Of users that exist: by user, then by attribute."""
        value = UserAttributeValueRow
        rows = await self._work.session.scalars(
            select(value)
            .join(UserRow, UserRow.id == value.user_id)
            .where(value.user_id.in_(user_ids), UserRow.deleted_at.is_(None))
            .order_by(value.user_id, value.attribute_id)
        )
        found: dict[int, dict[int, str]] = defaultdict(dict)
        for row in rows:
            found[row.user_id][row.attribute_id] = row.value
        return found

    async def change(self, user_id: int, values: Mapping[int, str]) -> Mapping[int, str]:
        """All or nothing; attributes that are not named stay. Raises USER_NOT_FOUND,
        ATTRIBUTE_DEFINITION_NOT_FOUND, ATTRIBUTE_VALIDATION_FAILED."""
        await UserRepository(self._work.session).locked(user_id)
        definitions = {row.id: row for row in await DefinitionService(self._work).all()}
        wanted = {attribute: text.strip() for attribute, text in values.items()}
        for attribute, text in wanted.items():
            if attribute not in definitions:
                raise _not_found(attribute)
            _require_good(definitions[attribute], text)
        table = UserAttributeValueRow
        kept = await self._work.session.scalars(
            select(table).where(table.user_id == user_id, table.attribute_id.in_(wanted))
        )
        stored = {row.attribute_id: row for row in kept}
        for attribute, text in wanted.items():
            await self._store(stored.get(attribute), user_id=user_id, attribute_id=attribute, text=text)
        await self._work.session.flush()
        return (await self.of_users([user_id])).get(user_id, {})

    async def _store(
        self, row: UserAttributeValueRow | None, *, user_id: int, attribute_id: int, text: str
    ) -> None:
        session, now = self._work.session, self._work.now()
        if row is None and text:
            session.add(
                UserAttributeValueRow(user_id=user_id, attribute_id=attribute_id, value=text, updated_at=now)
            )
        elif row is not None and not text:
            await session.delete(row)
        elif row is not None and row.value != text:
            row.value, row.updated_at = text, now


def _require_good(definition: UserAttributeDefinitionRow, text: str) -> None:
    if text:
        problem = why_not(_rules(definition), text)
    else:
        problem = "is required" if definition.required and definition.enabled else None
    if problem:
        raise BadRequest(
            f"{definition.name}: {problem}",
            reason="ATTRIBUTE_VALIDATION_FAILED",
            metadata={"attribute_id": str(definition.id), "key": definition.key},
        )


def _rules(row: UserAttributeDefinitionRow) -> Rules:
    bounds = {name: value for name, value in row.validation.items() if value is not None}
    return Rules(type=row.type, options=[option["value"] for option in row.options], **bounds)


def _fields(body: DefinitionCreate | DefinitionUpdate) -> dict[str, object]:
    fields = body.model_dump(exclude_none=True)
    if body.validation is not None:
        fields["validation"] = body.validation.model_dump(exclude_none=True)
    return fields


def _check(row: UserAttributeDefinitionRow) -> None:
    if row.type not in TYPES:
        raise BadRequest(f"type must be one of {', '.join(TYPES)}", reason="INVALID_ATTRIBUTE_TYPE")
    values = [option["value"] for option in row.options]
    if len(set(values)) != len(values):
        raise BadRequest("every option must have a value of its own")
    if row.type in ("select", "multi_select") and not values:
        raise BadRequest(f"an attribute of type {row.type} needs options")
    rules = _rules(row)
    if rules.pattern and not is_pattern(rules.pattern):
        raise BadRequest(
            "pattern is not a regular expression that can be asked (no look-around, no back-references)",
            reason="INVALID_ATTRIBUTE_PATTERN",
        )
    for low, high in ((rules.min_length, rules.max_length), (rules.min, rules.max)):
        if low is not None and high is not None and low > high:
            raise BadRequest("a lower bound must not be above its upper bound")


def _not_found(definition_id: int) -> NotFound:
    return NotFound(f"attribute {definition_id} does not exist", reason="ATTRIBUTE_DEFINITION_NOT_FOUND")
