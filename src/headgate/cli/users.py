"""`headgate user ...`."""

from typing import Annotated, Literal

import typer

from headgate.cli.entities import SecretFile, read_secret, run, show
from headgate.cli.options import ConfigFile, DataDir, RequestsPerMinute, TokensPerMinute
from headgate.control.commands import UserCommands, UserInfo

commands = typer.Typer(no_args_is_help=True)

User = Annotated[str, typer.Argument(help="E-mail or id.")]


@commands.command()
def create(
    email: Annotated[str, typer.Argument(help="E-mail address.")],
    role: Annotated[str, typer.Option(help="user, auditor, operator or admin.")] = "user",
    balance: Annotated[float | None, typer.Option(help="Prepaid balance in USD.")] = None,
    rpm: RequestsPerMinute = 0,
    tpm: TokensPerMinute = 0,
    secret_file: SecretFile = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Create a user; the password comes from a prompt, a file or standard input."""
    password = read_secret(secret_file, "Password")
    _show([run(data_dir, config, lambda deps: UserCommands(deps).create(
        email=email, password=password, role=role, balance_usd=balance, rpm=rpm, tpm=tpm
    ))])  # fmt: skip


@commands.command("list")
def list_users(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List users."""
    _show(list(run(data_dir, config, lambda deps: UserCommands(deps).list())))


@commands.command()
def enable(user: User, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a user in again."""
    _show([run(data_dir, config, lambda deps: UserCommands(deps).set_enabled(user, enabled=True))])


@commands.command()
def disable(user: User, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Shut a user out; keys stop working within a second."""
    _show([run(data_dir, config, lambda deps: UserCommands(deps).set_enabled(user, enabled=False))])


@commands.command("remove-second-factor")
def remove_second_factor(user: User, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a user who lost phone and recovery codes in with the password alone; ends the user's sessions."""
    _show([run(data_dir, config, lambda deps: UserCommands(deps).remove_second_factor(user))])


@commands.command()
def role(
    user: User,
    role: Annotated[str, typer.Argument(help="user, auditor, operator or admin.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give a user another role; ends the user's sessions."""
    _show([run(data_dir, config, lambda deps: UserCommands(deps).set_role(user, role))])


@commands.command()
def password(
    user: User, secret_file: SecretFile = None, data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """Set a new password; ends the user's sessions."""
    secret = read_secret(secret_file, "New password")
    _show([run(data_dir, config, lambda deps: UserCommands(deps).set_password(user, secret))])


@commands.command()
def balance(
    user: User,
    amount: Annotated[float, typer.Argument(help="USD.", min=0)],
    operation: Annotated[
        Literal["add", "subtract", "set"], typer.Option(help="add, subtract or set.")
    ] = "add",
    note: Annotated[str, typer.Option(help="Kept in the ledger.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Change a balance; every change is a ledger entry."""
    _show([run(data_dir, config, lambda deps: UserCommands(deps).change_balance(
        user, operation=operation, amount_usd=amount, note=note
    ))])  # fmt: skip


def _show(users: list[UserInfo]) -> None:
    show(
        ("id", "email", "role", "status", "balance USD", "concurrency"),
        [(u.id, u.email, u.role, u.status, f"{u.balance_usd:.6f}", u.concurrency) for u in users],
    )
