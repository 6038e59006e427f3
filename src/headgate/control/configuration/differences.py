"""What must change for the world to be as a document says. Pure.

Secrets are compared by the caller: here they are references, and a note whether what is behind one differs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from headgate.control.configuration.document import (
    ALWAYS_THERE,
    SECRET_FIELDS,
    SECTIONS,
    STORED,
    Document,
    Fields,
    SecretPlace,
    invalid,
)


class Action(StrEnum):
    ADD = "add"
    CHANGE = "change"
    DELETE = "delete"
    LEFT = "left"
    """Not in the document, and nobody asked to delete such things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    section: str
    name: str
    action: Action
    fields: Sequence[FieldChange] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretFacts:
    """What is known of the secrets behind the references."""

    given: frozenset[str]
    """References whose value is at hand."""
    differing: frozenset[SecretPlace]
    """Of those at hand: where the database holds another secret, or none."""


def differences(current: Document, wanted: Document, secrets: SecretFacts, *, prune: bool) -> list[Change]:
    """In the order of the sections; both documents are normalised. Raises CONFIG_SECRET_MISSING (as
    CONFIG_INVALID names the place) for new things whose secret is not at hand."""
    found: list[Change] = []
    for section in SECTIONS:
        if section in wanted.sections:
            found.extend(_of_section(section, current, wanted, secrets, prune=prune))
    return found


def has_work(changes: Sequence[Change]) -> bool:
    return any(change.action is not Action.LEFT for change in changes)


def _of_section(
    section: str, current: Document, wanted: Document, secrets: SecretFacts, *, prune: bool
) -> Iterator[Change]:
    present = current.items(section)
    for name, fields in wanted.items(section).items():
        if name not in present:
            _require_secrets(section, name, fields, secrets)
            yield Change(section=section, name=name, action=Action.ADD, fields=_all(fields))
        elif changed := list(_changed(section, name, present[name], fields, secrets)):
            yield Change(section=section, name=name, action=Action.CHANGE, fields=changed)
    if section in ALWAYS_THERE:
        return
    action = Action.DELETE if prune else Action.LEFT
    for name in present:
        if name not in wanted.items(section):
            yield Change(section=section, name=name, action=action)


def _all(fields: Fields) -> list[FieldChange]:
    return [FieldChange(name=name, before=None, after=value) for name, value in fields.items()]


def _changed(
    section: str, name: str, before: Fields, after: Fields, secrets: SecretFacts
) -> Iterator[FieldChange]:
    hidden = SECRET_FIELDS.get(section, frozenset())
    for field, value in after.items():
        if field in hidden:
            if SecretPlace(section, name, field, value) in secrets.differing:
                yield FieldChange(name=field, before="another secret", after=value)
        elif before.get(field) != value:
            yield FieldChange(name=field, before=before.get(field), after=value)


def _require_secrets(section: str, name: str, fields: Fields, secrets: SecretFacts) -> None:
    for field in SECRET_FIELDS.get(section, frozenset()) & fields.keys():
        reference = fields[field]
        if reference == STORED and section == "proxies":
            continue  # a proxy can do without a password
        if reference == STORED:
            raise invalid(
                f"{section}.{name}.{field}",
                "says `stored`, but there is no such thing yet; name env: or file:",
            )
        if reference not in secrets.given:
            raise invalid(f"{section}.{name}.{field}", f"needs the value of {reference}, which was not given")
    if section == "accounts" and "secret" not in fields:
        raise invalid(f"{section}.{name}", "is new and needs a `secret`: env:NAME or file:PATH")
