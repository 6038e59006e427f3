"""The command line: `headgate serve | simulator | migrate | doctor`, and commands about users, groups,
accounts, keys, subscriptions, codes and the ledger."""

import asyncio
from typing import Annotated

import typer

from headgate import __version__
from headgate.cli.accounts import commands as account_commands
from headgate.cli.codes import commands as code_commands
from headgate.cli.doctor import doctor
from headgate.cli.groups import commands as group_commands
from headgate.cli.keys import commands as key_commands
from headgate.cli.ledger import commands as ledger_commands
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from
from headgate.cli.serve import serve
from headgate.cli.subscriptions import commands as subscription_commands
from headgate.cli.users import commands as user_commands
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.migrate import current, upgrade

cli = typer.Typer(
    name="headgate",
    help="Self-hosted AI API gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli.command()(serve)
cli.command()(doctor)
cli.add_typer(user_commands, name="user", help="People who own keys and pay.")
cli.add_typer(group_commands, name="group", help="Pools of accounts that keys belong to.")
cli.add_typer(account_commands, name="account", help="Upstream accounts at providers.")
cli.add_typer(key_commands, name="key", help="API keys that we issue.")
cli.add_typer(subscription_commands, name="subscription", help="Users' time-boxed rights to groups.")
cli.add_typer(ledger_commands, name="ledger", help="The books: proof, replay, reconciliation.")
cli.add_typer(code_commands, name="codes", help="Codes that give their redeemer something.")


@cli.command()
def simulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 9090,
    seed: Annotated[int, typer.Option(help="Same seed, same requests: same answers.")] = 1,
) -> None:
    """Run the provider simulator: four dialects, scripted faults, its own bill at /__bill."""
    from headgate.simulator.server import run

    run(port=port, seed=seed)


@cli.command()
def migrate(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Bring the database to this program's schema."""
    with explained():
        target = database_target(settings_from(data_dir, config))

        async def work() -> str | None:
            engine = create_engine(target)
            try:
                await check_reachable(engine, target)
                await upgrade(engine)
                return await current(engine)
            finally:
                await engine.dispose()

        console.print(f"database {target.name} is at revision {asyncio.run(work())}", highlight=False)


@cli.command()
def version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)


def main() -> None:
    """Entry point of the `headgate` script."""
    cli()
