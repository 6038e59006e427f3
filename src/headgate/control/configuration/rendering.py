"""A plan as people read it. Pure."""

from collections.abc import Iterator, Sequence

from headgate.control.configuration.differences import Action, Change, FieldChange
from headgate.kit import json

_SIGNS = {Action.ADD: "+", Action.CHANGE: "~", Action.DELETE: "-", Action.LEFT: "."}
_SINGULAR = {
    "proxies": "proxy",
    "groups": "group",
    "accounts": "account",
    "prices": "price",
    "error_rules": "error rule",
    "rules": "rule",
    "identity_providers": "identity provider",
}
_MAX_VALUE = 200


def plan_lines(changes: Sequence[Change]) -> list[str]:
    return [line for change in changes for line in _lines(change)] + [summary_line(changes)]


def summary_line(changes: Sequence[Change]) -> str:
    counts = {action: sum(change.action is action for change in changes) for action in Action}
    if not any(counts.values()):
        return "Nothing to do: everything is as the document says."
    left = counts[Action.LEFT]
    more = f" {left} not in the document stay (delete them with --prune)." if left else ""
    return (
        f"Plan: {counts[Action.ADD]} to add, {counts[Action.CHANGE]} to change,"
        f" {counts[Action.DELETE]} to delete.{more}"
    )


def _lines(change: Change) -> Iterator[str]:
    what = change.section if change.section == "settings" else f"{_SINGULAR[change.section]} {change.name}"
    yield f"{_SIGNS[change.action]} {what}"
    for field in change.fields:
        yield f"    {_field(change.action, field)}"


def _field(action: Action, field: FieldChange) -> str:
    if action is Action.ADD:
        return f"{field.name}: {_value(field.after)}"
    return f"{field.name}: {_value(field.before)} -> {_value(field.after)}"


def _value(value: object) -> str:
    text = value if isinstance(value, str) and value else json.dumps(value).decode()
    return text if len(text) <= _MAX_VALUE else text[:_MAX_VALUE] + "…"
