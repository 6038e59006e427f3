"""Writes the table of routes and permissions into docs/operations/roles.md, from what the routes declare.

Usage: python -m tools.role_table
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from headgate.control.app import management_routes
from headgate.control.web.permissions import Permission
from headgate.control.web.routing import GuardedRoute

PAGE = Path(__file__).resolve().parent.parent / "docs/operations/roles.md"
BEGIN, END = "<!-- made by tools/role_table.py -->\n", "<!-- end -->\n"
METHODS = ("GET", "POST", "PUT", "DELETE")
Area = Mapping[str, Mapping[str, Permission]]
"""Method -> rest of the path -> permission."""


def table() -> str:
    """One line for each area; a cell holds the permission that most of its routes want, then the others."""
    rows = [f"| `{area}` | " + " | ".join(_cell(routes.get(method, {})) for method in METHODS) + " |"
            for area, routes in sorted(_areas().items())]  # fmt: skip
    head = f"| Routes | {' | '.join(METHODS)} |\n|---|{'---|' * len(METHODS)}\n"
    return BEGIN + head + "\n".join(rows) + "\n" + END


def _areas() -> Mapping[str, Area]:
    found: dict[str, dict[str, dict[str, Permission]]] = defaultdict(lambda: defaultdict(dict))
    for route in management_routes():
        if not isinstance(route, GuardedRoute):
            continue
        area, rest = _split(route.path)
        for method in route.methods or ():
            found[area][method][rest] = route.permission
    return found


def _split(path: str) -> tuple[str, str]:
    parts = path.removeprefix("/v1/").split("/")
    depth = 2 if parts[0] == "admin" else 1
    return "/" + "/".join(parts[:depth]), "/".join("…" if "{" in part else part for part in parts[depth:])


def _cell(routes: Mapping[str, Permission]) -> str:
    if not routes:
        return ""
    counts = Counter(routes.values())
    usual = min(Permission, key=lambda permission: -counts[permission])
    others = sorted((str(permission), rest) for rest, permission in routes.items() if permission is not usual)
    return "; ".join([usual, *_grouped(others)])


def _grouped(others: Sequence[tuple[str, str]]) -> Sequence[str]:
    rests: dict[str, list[str]] = defaultdict(list)
    for permission, rest in others:
        rests[permission].append(f"`{rest}`" if rest else "the list itself")
    return [f"{permission}: {', '.join(names)}" for permission, names in rests.items()]


def main() -> None:
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + table() + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
