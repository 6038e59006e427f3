"""Opens the database that the settings name."""

from contextlib import AsyncExitStack

from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.settings import Settings
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.migrate import upgrade


async def open_database(settings: Settings, stack: AsyncExitStack) -> AsyncEngine:
    """Reachable, writable and on the newest schema."""
    target = database_target(settings)
    engine = create_engine(target)
    stack.push_async_callback(engine.dispose)
    await check_reachable(engine, target)
    await upgrade(engine)
    return engine
