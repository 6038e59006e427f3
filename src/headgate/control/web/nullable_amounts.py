"""Says in the schema which amounts may be null: those that staff without the permission `amounts` does not
see. Schemas that a body is read into stay as they are."""

from collections.abc import Iterator, Mapping
from typing import Any

from headgate.control.web.amounts import FIELDS
from headgate.control.web.permissions import Permission

_REF = "#/components/schemas/"
_MASKED = (Permission.READ, Permission.OPERATE)
_NULL = {"type": "null"}


def mark(document: Mapping[str, Any]) -> None:
    """In place, in the components of the document."""
    schemas: Mapping[str, Any] = document["components"]["schemas"]
    operations = [each for path in document["paths"].values() for each in path.values()]
    shown = [each["responses"] for each in operations if each["x-permission"] in _MASKED]
    sent = [each["requestBody"] for each in operations if "requestBody" in each]
    for name in _reached(schemas, shown) - _reached(schemas, sent):
        properties = schemas[name].get("properties", {})
        for field in FIELDS & set(properties):
            properties[field] = _nullable(properties[field])


def _nullable(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if _NULL in schema.get("anyOf", ()):
        return schema
    outside = {key: value for key, value in schema.items() if key in ("title", "description")}
    inside = {key: value for key, value in schema.items() if key not in outside}
    return {"anyOf": [inside, _NULL], **outside}


def _reached(schemas: Mapping[str, Any], start: object) -> set[str]:
    found: set[str] = set()
    ahead = [*_references(start)]
    while ahead:
        name = ahead.pop()
        if name not in found and name in schemas:
            found.add(name)
            ahead.extend(_references(schemas[name]))
    return found


def _references(node: object) -> Iterator[str]:
    if isinstance(node, Mapping):
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith(_REF):
            yield reference.removeprefix(_REF)
        for inner in node.values():
            yield from _references(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from _references(inner)
