"""`headgate group ...`."""

from typing import Annotated

import typer

from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir, RequestsPerMinute, TokensPerMinute
from headgate.control.commands import GroupCommands, GroupInfo

commands = typer.Typer(no_args_is_help=True)

Group = Annotated[str, typer.Argument(help="Name or id.")]


@commands.command()
def create(
    name: Annotated[str, typer.Argument(help="Name.")],
    platform: Annotated[str, typer.Option(help="anthropic, openai or gemini.")],
    multiplier: Annotated[
        float, typer.Option(help="Factor from list cost to charge; 0 = free.", min=0)
    ] = 1.0,
    exclusive: Annotated[
        bool, typer.Option("--exclusive", help="Only for users who were granted it.")
    ] = False,
    overdraft: Annotated[
        float,
        typer.Option(
            help="USD that a balance may go below zero while an answer is under way; 0 = the answer ends.",
            min=0,
        ),
    ] = 0,
    unknown_price: Annotated[
        str, typer.Option(help="Models without a price: inherit (the setting), refuse or default.")
    ] = "inherit",
    quota_basis: Annotated[
        str, typer.Option(help="What key quotas and subscriptions count: charge or list_cost.")
    ] = "charge",
    scheduling_policy: Annotated[
        str, typer.Option(help="How an account is chosen: layered or scored.")
    ] = "layered",
    rpm: RequestsPerMinute = 0,
    tpm: TokensPerMinute = 0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Create a group."""
    _show([run(data_dir, config, lambda deps: GroupCommands(deps).create(
        name=name, platform=platform, multiplier=multiplier, is_exclusive=exclusive, overdraft_usd=overdraft,
        unknown_price=unknown_price, quota_basis=quota_basis,
        scheduling_policy=scheduling_policy, rpm=rpm, tpm=tpm,
    ))])  # fmt: skip


@commands.command("list")
def list_groups(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """List groups."""
    _show(list(run(data_dir, config, lambda deps: GroupCommands(deps).list())))


@commands.command()
def enable(group: Group, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Serve requests of this group's keys again."""
    _show([run(data_dir, config, lambda deps: GroupCommands(deps).set_enabled(group, enabled=True))])


@commands.command()
def disable(group: Group, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Refuse requests of this group's keys."""
    _show([run(data_dir, config, lambda deps: GroupCommands(deps).set_enabled(group, enabled=False))])


@commands.command()
def delete(group: Group, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Delete a group; its keys stay, without a group."""
    run(data_dir, config, lambda deps: GroupCommands(deps).delete(group))


def _show(groups: list[GroupInfo]) -> None:
    show(
        ("id", "name", "platform", "status", "multiplier", "exclusive"),
        [
            (g.id, g.name, g.platform, g.status, g.multiplier, "yes" if g.is_exclusive else "no")
            for g in groups
        ],
    )
