"""Writes docs/operations/configuration.md from `headgate.settings`; `--check` fails when the page is stale.

The meaning of a key is the string below its field in settings.py: one place to read, one place to change.
"""

import ast
import sys
import typing
from collections.abc import Iterator
from pathlib import Path

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headgate import settings
from headgate.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/operations/configuration.md"
SHORT_FORMS = {"database.url": "HEADGATE_DATABASE_URL", "redis.url": "HEADGATE_REDIS_URL"}
HEADER = """# Configuration

Generated from `src/headgate/settings.py` by `make reference`; edit the code, not this page.

Defaults are overridden by the YAML file given with `--config`, that by the environment, that by command-line
options. In YAML the key is the path shown below; in the environment it is the variable. An unknown key or a
bad value stops the start with one line that names the key and the remedy.
"""


def meanings(source: str) -> dict[tuple[str, str], str]:
    """(class, field) -> the string literal that follows the field."""
    found = {}
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ClassDef):
            continue
        for field, following in zip(node.body, node.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and _is_text(following)
            ):
                found[node.name, field.target.id] = ast.literal_eval(following.value)
    return found


def _is_text(node: ast.stmt) -> typing.TypeGuard[ast.Expr]:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def render(model: type[BaseModel], texts: dict[tuple[str, str], str]) -> str:
    """The page: one table for the top level and one for each section."""
    tables: dict[str, list[str]] = {}
    for path, owner, name, field in _walk(model, ()):
        key = ".".join(path)
        cells = (
            f"`{key}`",
            f"`{_variable(path)}`",
            _type(field),
            _default(field),
            texts.get((owner, name), ""),
        )
        tables.setdefault(".".join(path[:-1]), []).append(f"| {' | '.join(map(_cell, cells))} |")
    parts = [HEADER]
    for section, rows in tables.items():
        title = f"## `{section}`" if section else "## Top level"
        parts.append(
            "\n".join(
                [
                    title,
                    "",
                    "| Key | Environment | Type | Default | Meaning |",
                    "|---|---|---|---|---|",
                    *rows,
                    "",
                ]
            )
        )
    return "\n".join(parts)


def _walk(
    model: type[BaseModel], prefix: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str, str, FieldInfo]]:
    for name, field in model.model_fields.items():
        path = (*prefix, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _walk(field.annotation, path)
        else:
            yield path, model.__name__, name, field


def _variable(path: tuple[str, ...]) -> str:
    return SHORT_FORMS.get(".".join(path), "HEADGATE_" + "__".join(path).upper())


def _type(field: FieldInfo) -> str:
    parts = typing.get_args(field.annotation) or (field.annotation,)
    if typing.get_origin(field.annotation) is tuple:
        return "list of text"
    if typing.get_origin(field.annotation) is typing.Literal:
        return "one of " + ", ".join(f"`{part}`" for part in parts)
    names = {
        "str": "text",
        "int": "integer",
        "float": "number",
        "bool": "true or false",
        "Path": "path",
        "Secret": "secret text",
    }
    shown = " or ".join(names.get(part.__name__, part.__name__) for part in parts if part is not type(None))
    return " ".join([shown, *_bounds(field)])


def _bounds(field: FieldInfo) -> list[str]:
    signs = {
        annotated_types.Ge: ("ge", "≥"),
        annotated_types.Gt: ("gt", ">"),
        annotated_types.Le: ("le", "≤"),
    }
    return [
        f"{sign} {getattr(item, attribute)}"
        for item in field.metadata
        for kind, (attribute, sign) in signs.items()
        if isinstance(item, kind)
    ]


def _default(field: FieldInfo) -> str:
    match field.default:
        case None:
            return "none"
        case bool() as flag:
            return str(flag).lower()
        case "" | ():
            return "empty"
        case tuple() as items:
            return ", ".join(f"`{item}`" for item in items)
        case value:
            return f"`{value}`"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> int:
    fresh = render(Settings, meanings(Path(settings.__file__).read_text(encoding="utf-8")))
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(fresh, encoding="utf-8")
        return 0
    if not PAGE.exists() or PAGE.read_text(encoding="utf-8") != fresh:
        print("docs/operations/configuration.md is stale; run `make reference` and commit it")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
