"""Options that several commands share, and how a failed start is said: one line, exit code 1."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from headgate.errors import ApiError, StartupError
from headgate.settings import Settings, load_settings

_PIPED_WIDTH = 240
"""Columns when nobody looks at a terminal: scripts want whole names."""

console = Console(width=None if sys.stdout.isatty() else _PIPED_WIDTH)
problems = Console(stderr=True)

DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="Directory of the SQLite file and the secret key.")
]
ConfigFile = Annotated[Path | None, typer.Option("--config", help="YAML configuration file.")]
RequestsPerMinute = Annotated[int, typer.Option("--rpm", help="Requests a minute; 0 = no limit.", min=0)]
TokensPerMinute = Annotated[int, typer.Option("--tpm", help="Tokens a minute; 0 = no limit.", min=0)]


def settings_from(data_dir: Path | None, config: Path | None, **overrides: Any) -> Settings:
    """Settings with the command line's words on top. Raises `StartupError`."""
    return load_settings(config, {"data_dir": data_dir, **overrides})


@contextmanager
def explained() -> Iterator[None]:
    """Expected failures become one line on stderr and exit code 1."""
    try:
        yield
    except StartupError as error:
        problems.print(f"headgate: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(1) from None
    except ApiError as error:
        problems.print(
            f"headgate: {error.message} ({error.reason})", markup=False, highlight=False, soft_wrap=True
        )
        raise typer.Exit(1) from None
