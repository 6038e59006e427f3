"""A setting that nobody reads is a promise that nobody keeps: each one has a reader in the product."""

import ast
from pathlib import Path

import pytest
from pydantic import BaseModel

from headgate.settings import Settings

SOURCE = Path(__file__).resolve().parents[1] / "src" / "headgate"


def names_of(section: type[BaseModel], prefix: str = "") -> list[str]:
    names = []
    for name, field in section.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += names_of(field.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def attributes_read() -> frozenset[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        if path.name == "settings.py" and path.parent == SOURCE:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                found.add(node.attr)
    return frozenset(found)


READ = attributes_read()


@pytest.mark.parametrize("name", names_of(Settings))
def test_a_setting_is_read_somewhere(name: str) -> None:
    assert name.rpartition(".")[2] in READ
