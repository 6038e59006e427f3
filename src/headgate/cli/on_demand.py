"""Commands that are imported when they are called: `headgate --help` and the simulator start without the
gateway's three hundred modules (0.4 s instead of 2)."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

_STYLE: dict[str, Any] = {"add_completion": False, "pretty_exceptions_enable": False}


class OnDemand(TyperGroup):
    """A group that knows of its commands their name, place and help. Subclasses fill `places`."""

    places: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """By name: `module:attribute`, a function or a Typer of commands, and one line of help."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, (_, text) in self.places.items():
            self.add_command(get_command(_stand_in(name, text)), name)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.places:
            command = _load(name, *self.places[name])
        return name, command, rest


def _stand_in(name: str, text: str) -> typer.Typer:
    """What the list of commands shows."""
    made = typer.Typer(**_STYLE)
    made.command(name, help=text)(lambda: None)
    return made


def _load(name: str, place: str, text: str) -> Any:
    module, _, attribute = place.partition(":")
    found = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        group = typer.Typer(**_STYLE, no_args_is_help=True)
        group.add_typer(found, name=name, help=text)
        return get_group(group).commands[name]
    alone = typer.Typer(**_STYLE)
    alone.command(name)(found)
    return get_command(alone)
