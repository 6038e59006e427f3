"""From a document to what would have to change."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headgate.control.configuration.current import Current, read_current
from headgate.control.configuration.differences import Change, SecretFacts, differences
from headgate.control.configuration.document import SECRET_FIELDS, STORED, Document, Fields, parse
from headgate.control.configuration.normal import normalised
from headgate.control.work import Work
from headgate.kit import json
from headgate.kit.secret import Secret

Secrets = Mapping[str, Secret]
"""By reference, as in the document: `env:NAME`, `file:PATH`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    current: Current
    wanted: Document
    changes: Sequence[Change]
    digest: str
    """Names the state that the plan was made for."""


async def plan(work: Work, data: Any, secrets: Secrets, *, prune: bool) -> Planned:
    """Raises CONFIG_INVALID, CONFIG_NAME_TWICE."""
    wanted = normalised(parse(data))
    current = await read_current(work)
    at_hand = [place for place in wanted.secret_places() if place.reference in secrets]
    facts = SecretFacts(
        given=frozenset(secrets),
        differing=frozenset(place for place in at_hand if not current.holds(place, secrets[place.reference])),
    )
    changes = differences(current.document, wanted, facts, prune=prune)
    return Planned(current=current, wanted=wanted, changes=changes, digest=state_digest(current.document))


def state_digest(document: Document) -> str:
    return hashlib.sha256(json.dumps_sorted(document.shown())).hexdigest()[:32]


def brief(document: Document) -> Document:
    """Without what says nothing: null, empty texts, lists and mappings."""
    return Document(
        {
            section: {name: _brief(fields) for name, fields in items.items()}
            for section, items in document.sections.items()
        }
    )


def with_references(document: Document, known: Mapping[tuple[str, str, str], str]) -> Document:
    """`stored` replaced by the reference under which the secret was last given."""
    sections: dict[str, dict[str, Fields]] = {}
    for section, items in document.sections.items():
        names = SECRET_FIELDS.get(section, frozenset())
        sections[section] = {
            item: {
                field: known.get((section, item, field), value)
                if field in names and value == STORED
                else value
                for field, value in fields.items()
            }
            for item, fields in items.items()
        }
    return Document(sections)


def _brief(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}
