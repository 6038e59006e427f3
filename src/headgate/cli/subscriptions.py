"""`headgate subscription ...`."""

from typing import Annotated

import typer

from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir
from headgate.control.subscriptions.commands import SubscriptionCommands, SubscriptionInfo

commands = typer.Typer(no_args_is_help=True)

SubscriptionId = Annotated[int, typer.Argument(help="Id, see `headgate subscription list`.")]


@commands.command()
def assign(
    user: Annotated[str, typer.Argument(help="E-mail or id.")],
    group: Annotated[str, typer.Argument(help="Name or id of a group of type subscription.")],
    days: Annotated[int, typer.Option(help="How long; 0 = the group's own period.", min=0)] = 0,
    note: Annotated[str, typer.Option(help="Kept with the subscription.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give a user a subscription; the same words again change nothing."""
    _show([run(data_dir, config, lambda deps: SubscriptionCommands(deps).assign(
        user=user, group=group, days=days, note=note
    ))])  # fmt: skip


@commands.command("list")
def list_subscriptions(
    user: Annotated[str, typer.Option(help="Only of this user, by e-mail or id.")] = "",
    group: Annotated[str, typer.Option(help="Only to this group, by name or id.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """List subscriptions, newest first."""
    _show(list(run(data_dir, config, lambda deps: SubscriptionCommands(deps).list(user=user, group=group))))


@commands.command()
def extend(
    subscription_id: SubscriptionId,
    days: Annotated[int, typer.Argument(help="Days; write `-- -3` to take three away.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Move the end of a subscription; one that is over goes on from now."""
    _show([run(data_dir, config, lambda deps: SubscriptionCommands(deps).extend(subscription_id, days))])


@commands.command()
def revoke(subscription_id: SubscriptionId, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """End a subscription now; the books keep it."""
    run(data_dir, config, lambda deps: SubscriptionCommands(deps).revoke(subscription_id))


def _show(subscriptions: list[SubscriptionInfo]) -> None:
    show(
        ("id", "user", "group", "status", "until", "used USD"),
        [
            (s.id, s.user, s.group, s.status, f"{s.expires_at:%Y-%m-%d %H:%M}Z", f"{s.used_usd:.6f}")
            for s in subscriptions
        ],
    )
