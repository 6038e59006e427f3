"""What a transaction changed, heard from its session: no service has to tell, so none can forget.

Rows are photographed when they are loaded and compared before the commit, so that a change by SQL which was
read again afterwards is seen as well. Statements that change many rows at once are noted as what they set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import CursorResult, Update, event, inspect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import ORMExecuteState, Session

from headgate.control.audit.rules import safe
from headgate.core.money import to_usd
from headgate.kit import json
from headgate.storage.models import SettingRow

NOT_WATCHED = frozenset(
    {
        "audit_log",
        "config_revisions",
        "directory_version",
        "embed_tickets",
        "exchange_traces",
        "idempotency_records",
        "job_file_parts",
        "job_items",
        "jobs",
        "ledger_chains",
        "ledger_entries",
        "mail_codes",
        "mail_outbox",
        "refresh_tokens",
        "usage_intents",
        "usage_records",
        "webhook_deliveries",
        "webhook_events",
        "webhook_notices",
    }
)
"""The books, our own bookkeeping, and what a session renews every few minutes."""
MAX_ROWS = 100
MAX_JSON_BYTES = 64 * 1024
_NOISE = frozenset({"updated_at"})

Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Changes:
    """Changed columns before and after, by `table:id`; secrets hidden."""

    before: Mapping[str, Values]
    after: Mapping[str, Any]

    def __bool__(self) -> bool:
        return bool(self.before or self.after)


class ChangeTrail:
    """Listens until the session is closed; rows that it has seen stay in memory until then."""

    def __init__(self, session: AsyncSession) -> None:
        self._loaded: list[tuple[Any, Values]] = []
        self._created: list[Any] = []
        self._statements: list[Values] = []
        watched = session.sync_session
        event.listen(watched, "loaded_as_persistent", self._on_loaded)
        event.listen(watched, "pending_to_persistent", self._on_created)
        event.listen(watched, "do_orm_execute", self._on_statement)

    def changes(self) -> Changes:
        """Call after a flush. A row that was created and taken back again is no change."""
        before: dict[str, Values] = {}
        after: dict[str, Any] = {}
        for row, old in self._loaded:
            state = inspect(row)
            if state.was_deleted or state.deleted:
                before[_name(row)] = _shown(row, old)
            elif changed := _changed(old, _values(row)):
                before[_name(row)] = _shown(row, {name: old[name] for name in changed})
                after[_name(row)] = _shown(row, changed)
        for row in self._created:
            if inspect(row).persistent:
                after[_name(row)] = _shown(
                    row, {k: v for k, v in _values(row).items() if v not in (None, "", [], {})}
                )
        if self._statements:
            after["statements"] = self._statements[:MAX_ROWS]
        return Changes(_bounded(before), _bounded(after))

    @property
    def created(self) -> Iterator[tuple[str, str]]:
        """(table, id) of rows that are new."""
        return (_table_and_id(row) for row in self._created if inspect(row).persistent)

    def _on_loaded(self, _: Session, row: Any) -> None:
        if row.__tablename__ not in NOT_WATCHED:
            self._loaded.append((row, _values(row)))

    def _on_created(self, _: Session, row: Any) -> None:
        if row.__tablename__ not in NOT_WATCHED:
            self._created.append(row)

    def _on_statement(self, asked: ORMExecuteState) -> Any:
        """Runs the statement, so that the number of rows is known; None lets the session run it."""
        mapper = asked.bind_mapper
        if not (asked.is_update or asked.is_delete) or mapper is None:
            return None
        table = mapper.class_.__tablename__
        if table in NOT_WATCHED:
            return None
        result = asked.invoke_statement()
        rows = result.rowcount if isinstance(result, CursorResult) else -1
        note: Values = {"table": table, "rows": rows, "did": "delete" if asked.is_delete else "update"}
        if isinstance(asked.statement, Update):
            names = {column.key for column in mapper.columns}
            set_to = {k: v for k, v in asked.statement.compile().params.items() if k in names - _NOISE}
            note["set"] = {name: _money(name, value)[1] for name, value in set_to.items()}
        if rows and (asked.is_delete or note.get("set")):
            self._statements.append(note)
        return result


def _values(row: Any) -> Values:
    """Loaded columns only: reading must not go to the database."""
    return {name: value for name, value in inspect(row).dict.items() if name in inspect(row).mapper.columns}


def _changed(old: Values, new: Values) -> Values:
    return {k: v for k, v in new.items() if k in old and old[k] != v and k not in _NOISE}


def _shown(row: Any, values: Values) -> Values:
    if isinstance(row, SettingRow):
        return {name: _setting(row.key, name, value) for name, value in values.items() if name != "key"}
    return dict(_money(name, value) for name, value in values.items())


def _setting(key: str, name: str, value: Any) -> Any:
    """A setting's value is judged by the setting's name, and looked into when it is a document."""
    if name != "value":
        return safe(name, value)
    try:
        return safe(key, json.loads(value))
    except json.JSONDecodeError:
        return safe(key, value)


def _money(name: str, value: Any) -> tuple[str, Any]:
    """JSON carries USD."""
    if name.endswith("_nano") and isinstance(value, int):
        return name.removesuffix("_nano") + "_usd", to_usd(value)
    return name, safe(name, value)


def _table_and_id(row: Any) -> tuple[str, str]:
    identity = inspect(row).identity or ()
    return row.__tablename__, ",".join(str(part) for part in identity)


def _name(row: Any) -> str:
    return ":".join(_table_and_id(row))


def _bounded(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """As many as fit; the rest is counted under `more`."""
    kept: dict[str, Any] = {}
    size = 0
    for name, values in found.items():
        size += len(json.dumps(values))
        if len(kept) >= MAX_ROWS or size > MAX_JSON_BYTES:
            return kept | {"more": len(found) - len(kept)}
        kept[name] = values
    return kept
