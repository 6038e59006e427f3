"""Opens the database that the settings name."""

from contextlib import AsyncExitStack

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.errors import StartupError
from headgate.settings import Settings
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.migrate import upgrade
from headgate.storage.postgres_databases import ServerRefused, create_database, database_exists

log = structlog.get_logger(__name__)


async def create_missing_database(settings: Settings) -> bool:
    """On PostgreSQL, when the server is there and the database is not: an unattended first start needs
    nobody. True when it was made. Raises `StartupError`; a server that does not let us in is for
    `open_database` to explain."""
    target = database_target(settings)
    if target.backend != "postgresql":
        return False
    try:
        if await database_exists(target):
            return False
    except ServerRefused:
        return False
    try:
        await create_database(target)
    except ServerRefused as refused:
        raise StartupError(
            f"database {target.name} does not exist, and it cannot be created: {refused}"
        ) from None
    log.info("database_created", database=str(target.url.database))
    return True


async def open_database(settings: Settings, stack: AsyncExitStack) -> AsyncEngine:
    """Reachable, writable and on the newest schema."""
    target = database_target(settings)
    engine = create_engine(target)
    stack.push_async_callback(engine.dispose)
    await check_reachable(engine, target)
    await upgrade(engine)
    return engine
