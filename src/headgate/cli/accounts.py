"""`headgate account ...`."""

from typing import Annotated

import typer

from headgate.cli.entities import SecretFile, read_secret, run, show
from headgate.cli.options import ConfigFile, DataDir
from headgate.control.commands import AccountCommands, AccountInfo

commands = typer.Typer(no_args_is_help=True)

Account = Annotated[str, typer.Argument(help="Name or id.")]


@commands.command()
def add(
    name: Annotated[str, typer.Option(help="Name.")],
    platform: Annotated[str, typer.Option(help="anthropic, openai or gemini.")],
    type: Annotated[str, typer.Option(help="apikey or bearer.")] = "apikey",
    base_url: Annotated[
        str, typer.Option(help="Address of a compatible provider; default: the platform's own.")
    ] = "",
    group: Annotated[
        list[str] | None, typer.Option(help="Group to join, by name or id; may be repeated.")
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Lower is preferred.", show_default="50")] = None,
    concurrency: Annotated[
        int | None, typer.Option(help="Requests at once; 0 = unlimited.", show_default="3")
    ] = None,
    secret_file: SecretFile = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Add an upstream account; its secret comes from a prompt, a file or standard input, never from the
    command line."""
    secret = read_secret(secret_file, "API key" if type == "apikey" else "Token")
    _show([run(data_dir, config, lambda deps: AccountCommands(deps).create(
        name=name, platform=platform, secret=secret, type=type, base_url=base_url, groups=group or (),
        priority=priority, concurrency=concurrency,
    ))])  # fmt: skip


@commands.command("list")
def list_accounts(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List accounts with their state."""
    _show(list(run(data_dir, config, lambda deps: AccountCommands(deps).list())))


@commands.command()
def enable(account: Account, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Use an account again."""
    _show([run(data_dir, config, lambda deps: AccountCommands(deps).set_enabled(account, enabled=True))])


@commands.command()
def disable(account: Account, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Stop using an account; running requests end normally."""
    _show([run(data_dir, config, lambda deps: AccountCommands(deps).set_enabled(account, enabled=False))])


@commands.command()
def recover(account: Account, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Clear the error mark and all cooldowns."""
    _show([run(data_dir, config, lambda deps: AccountCommands(deps).recover(account))])


@commands.command()
def secret(
    account: Account, secret_file: SecretFile = None, data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """Replace the credential."""
    value = read_secret(secret_file, "New API key or token")
    _show([run(data_dir, config, lambda deps: AccountCommands(deps).set_secret(account, value))])


@commands.command()
def delete(account: Account, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Delete an account; its records stay in the books."""
    run(data_dir, config, lambda deps: AccountCommands(deps).delete(account))


def _show(accounts: list[AccountInfo]) -> None:
    show(
        ("id", "name", "platform", "type", "status", "priority", "slots", "groups", "base URL", "error"),
        [
            (
                a.id,
                a.name,
                a.platform,
                a.type,
                a.status if a.is_schedulable else f"{a.status} (paused)",
                a.priority,
                a.concurrency,
                ", ".join(a.groups),
                a.base_url or "(default)",
                a.error_message,
            )
            for a in accounts
        ],
    )
