"""`headgate key ...`."""

from typing import Annotated

import typer

from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir, RequestsPerMinute, TokensPerMinute, console
from headgate.control.commands import KeyCommands, KeyInfo

commands = typer.Typer(no_args_is_help=True)

KeyId = Annotated[int, typer.Argument(help="Id, see `headgate key list`.")]


@commands.command()
def create(
    user: Annotated[str, typer.Option(help="Owner, by e-mail or id.")],
    group: Annotated[str, typer.Option(help="Group, by name or id.")],
    name: Annotated[str, typer.Option(help="Name.")] = "",
    quota: Annotated[float, typer.Option(help="USD it may spend in all; 0 = no limit.", min=0)] = 0,
    expires_in_days: Annotated[int | None, typer.Option(help="Days until it expires.", min=1)] = None,
    concurrency: Annotated[
        int,
        typer.Option(help="Requests under way at once, within the owner's limit; 0 = no own limit.", min=0),
    ] = 0,
    rpm: RequestsPerMinute = 0,
    tpm: TokensPerMinute = 0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Create an API key; it is shown this once."""
    made = run(data_dir, config, lambda deps: KeyCommands(deps).create(
        user=user, group=group, name=name, quota_usd=quota, expires_in_days=expires_in_days,
        concurrency=concurrency, rpm=rpm, tpm=tpm,
    ))  # fmt: skip
    console.out(made.secret.reveal(), highlight=False)


@commands.command("list")
def list_keys(
    user: Annotated[str, typer.Option(help="Owner, by e-mail or id.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List a user's keys."""
    _show(list(run(data_dir, config, lambda deps: KeyCommands(deps).list(user))))


@commands.command()
def enable(key_id: KeyId, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a key work again."""
    _show([run(data_dir, config, lambda deps: KeyCommands(deps).set_enabled(key_id, enabled=True))])


@commands.command()
def disable(key_id: KeyId, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Refuse a key; it stops working within a second."""
    _show([run(data_dir, config, lambda deps: KeyCommands(deps).set_enabled(key_id, enabled=False))])


@commands.command()
def rotate(
    key_id: KeyId,
    overlap_hours: Annotated[
        float, typer.Option(help="How long the old secret goes on working; 0 = it stops at once.", min=0)
    ] = 24,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give a key a new secret, shown this once; everything else of it stays."""
    made = run(data_dir, config, lambda deps: KeyCommands(deps).rotate(key_id, overlap_hours=overlap_hours))
    console.out(made.secret.reveal(), highlight=False)


@commands.command()
def delete(key_id: KeyId, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Delete a key for good."""
    run(data_dir, config, lambda deps: KeyCommands(deps).delete(key_id))


def _show(keys: list[KeyInfo]) -> None:
    show(
        ("id", "name", "user", "group", "status", "key"),
        [(k.id, k.name, k.user, k.group, k.status, k.mask) for k in keys],
    )
