"""`headgate simulator | migrate | version`: commands that need little of the gateway."""

import asyncio
from typing import Annotated

import typer

from headgate import __version__
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from


def simulator(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 picks a free one.")] = 9090,
    seed: Annotated[int, typer.Option(help="Same seed, same requests: same answers.")] = 1,
) -> None:
    """Run the provider simulator: four dialects, scripted faults, its own bill at /__bill."""
    from headgate.simulator.server import run

    run(port=port, seed=seed)


def migrate(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Bring the database to this program's schema."""
    from headgate.storage.engine import check_reachable, create_engine, database_target
    from headgate.storage.migrate import current, upgrade

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


def version() -> None:
    """Print the version."""
    console.print(__version__, highlight=False)
