"""Every route of the management API with what it declares, and paths that can be called."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.control.app import management_routes, management_schema
from headgate.control.web.permissions import Permission
from headgate.control.web.routing import GuardedRoute

MISSING = 999_999
_PARAMETER = re.compile(r"\{([^}]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    path: str
    """Below /v1, as the fixtures' callers want it."""
    permission: Permission
    scope: str | None
    """Of an Idempotency-Key."""
    operation: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def parameters(self) -> tuple[str, ...]:
        return tuple(_PARAMETER.findall(self.path))

    @property
    def query(self) -> frozenset[str]:
        return frozenset(p["name"] for p in self.operation.get("parameters", ()) if p["in"] == "query")

    @property
    def body_fields(self) -> tuple[str, ...]:
        """Of a body that is an object of one kind."""
        if "requestBody" not in self.operation:
            return ()
        schema = self.operation["requestBody"]["content"]["application/json"]["schema"]
        for option in (schema, *schema.get("anyOf", ())):
            if "$ref" in option:
                name = option["$ref"].rpartition("/")[2]
                return tuple(management_schema()["components"]["schemas"][name].get("properties", ()))
        return ()

    @property
    def has_integer_ids(self) -> bool:
        kinds = {
            p["name"]: p["schema"].get("type")
            for p in self.operation.get("parameters", ())
            if p["in"] == "path"
        }
        return bool(kinds) and set(kinds.values()) == {"integer"}

    @property
    def has_no_end(self) -> bool:
        return self.method == "GET" and "text/event-stream" in str(self.operation["responses"])

    @property
    def is_paged(self) -> bool:
        return "page_size" in self.query

    def at(self, **values: object) -> str:
        """The path with its parameters; what is not given leads nowhere."""
        return _PARAMETER.sub(lambda found: str(values.get(found[1], MISSING)), self.path)


def _all() -> list[Route]:
    document = management_schema()
    return [
        Route(
            method=method,
            path=route.path.removeprefix("/v1"),
            permission=route.permission,
            scope=route.scope,
            operation=document["paths"][route.path][method.lower()],
        )
        for route in management_routes()
        if isinstance(route, GuardedRoute)
        for method in sorted(route.methods or ())
    ]


ROUTES = _all()
