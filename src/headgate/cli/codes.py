"""`headgate codes ...`."""

from typing import Annotated

import typer

from headgate.cli.entities import run, show
from headgate.cli.options import ConfigFile, DataDir, console
from headgate.control.codes.commands import CodeCommands

commands = typer.Typer(no_args_is_help=True)


@commands.command()
def generate(
    type: Annotated[str, typer.Argument(help="balance, concurrency, subscription or invitation.")],
    value: Annotated[float, typer.Option(help="USD of a balance, slots of a concurrency.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="How many.", min=1, max=500)] = 1,
    group: Annotated[str, typer.Option(help="Group of a subscription: name or id.")] = "",
    days: Annotated[int, typer.Option(help="Days of a subscription.", min=1, max=36_500)] = 30,
    valid_days: Annotated[
        int | None,
        typer.Option(help="The codes are void after so many days; default: never.", min=1, max=36_500),
    ] = None,
    batch: Annotated[str, typer.Option(help="A name for all of them.")] = "",
    note: Annotated[str, typer.Option(help="Kept with the codes.")] = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make redeem codes; prints one a line."""
    made = run(data_dir, config, lambda deps: CodeCommands(deps).generate(
        type=type, value=value, count=count, group=group, days=days, valid_days=valid_days, batch=batch,
        note=note,
    ))  # fmt: skip
    for info in made:
        console.print(info.code, markup=False, highlight=False, soft_wrap=True)


@commands.command()
def redeem(
    code: Annotated[str, typer.Argument(help="The code.")],
    user: Annotated[str, typer.Argument(help="E-mail or id.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Redeem a code for a user."""
    info = run(data_dir, config, lambda deps: CodeCommands(deps).redeem(code, user))
    show(
        ("code", "type", "value", "status", "user"),
        [(info.code, info.type, info.value, info.status, info.user)],
    )
