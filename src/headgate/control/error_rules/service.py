"""Error passthrough rules: kept, checked, and handed to the data plane (spec 1.14, 8.8)."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from headgate.control.error_rules.schemas import RuleCreate, RuleUpdate
from headgate.control.work import Work
from headgate.errors import BadRequest, NotFound
from headgate.storage.models import ErrorRuleRow

MAX_RULES = 200
"""Asked one after the other at every refusal."""


class ErrorRuleService:
    def __init__(self, work: Work) -> None:
        self._work = work

    async def all(self) -> Sequence[ErrorRuleRow]:
        """In the order in which they are asked."""
        rows = await self._work.session.scalars(
            select(ErrorRuleRow).order_by(ErrorRuleRow.priority, ErrorRuleRow.id)
        )
        return rows.all()

    async def get(self, rule_id: int) -> ErrorRuleRow:
        """Raises ERROR_PASSTHROUGH_RULE_NOT_FOUND."""
        row = await self._work.session.get(ErrorRuleRow, rule_id)
        if row is None:
            raise NotFound("error passthrough rule not found", reason="ERROR_PASSTHROUGH_RULE_NOT_FOUND")
        return row

    async def create(self, draft: RuleCreate) -> ErrorRuleRow:
        """Raises INVALID_INPUT."""
        count = await self._work.session.scalar(select(func.count()).select_from(ErrorRuleRow))
        if (count or 0) >= MAX_RULES:
            raise BadRequest(f"there are {MAX_RULES} error passthrough rules already; delete some first")
        row = ErrorRuleRow(
            **_cleaned(draft.model_dump()), created_at=self._work.now(), updated_at=self._work.now()
        )
        _check(row)
        self._work.session.add(row)
        await self._work.session.flush()
        self._work.touch_directory()
        return row

    async def update(self, rule_id: int, change: RuleUpdate) -> ErrorRuleRow:
        """Raises ERROR_PASSTHROUGH_RULE_NOT_FOUND, INVALID_INPUT."""
        row = await self.get(rule_id)
        return await self._changed(row, _cleaned(change.model_dump(exclude_none=True)))

    async def _changed(self, row: ErrorRuleRow, fields: dict[str, Any]) -> ErrorRuleRow:
        for name, value in fields.items():
            setattr(row, name, value)
        _check(row)
        row.updated_at = self._work.now()
        await self._work.session.flush()
        self._work.touch_directory()
        return row

    async def replace(self, rule_id: int, draft: RuleCreate) -> ErrorRuleRow:
        """All of its fields, empty ones too. Raises ERROR_PASSTHROUGH_RULE_NOT_FOUND, INVALID_INPUT."""
        row = await self.get(rule_id)
        return await self._changed(row, _cleaned(draft.model_dump()))

    async def delete(self, rule_id: int) -> None:
        """Raises ERROR_PASSTHROUGH_RULE_NOT_FOUND."""
        await self._work.session.delete(await self.get(rule_id))
        self._work.touch_directory()


def _cleaned(fields: dict[str, Any]) -> dict[str, Any]:
    """Each code, keyword and platform once; no white space around words."""
    for name in ("error_codes", "keywords", "platforms"):
        if name in fields:
            values = (value.strip() if isinstance(value, str) else value for value in fields[name])
            fields[name] = list(dict.fromkeys(values))
    if "name" in fields:
        fields["name"] = fields["name"].strip()
    return fields


def _check(row: ErrorRuleRow) -> None:
    if not row.error_codes and not row.keywords:
        raise BadRequest("a rule needs at least one of error_codes and keywords: it would never match")
    if not row.passthrough_code and row.response_code is None:
        raise BadRequest("response_code is required when passthrough_code is false")
    if not row.passthrough_body and not (row.custom_message or "").strip():
        raise BadRequest("custom_message is required when passthrough_body is false")
