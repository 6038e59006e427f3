"""The books as commands read them: an open database, and what the operator typed about money and time."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.cli.options import explained, settings_from
from headgate.core.money import from_usd
from headgate.errors import StartupError
from headgate.kit.clock import Clock, SystemClock
from headgate.kit.crypto import Vault
from headgate.secrets_file import open_vault, require_same_key
from headgate.settings import Settings
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.migrate import require_current

T = TypeVar("T")

_READING_S = 3600.0
"""How long one statement may take: these commands read whole tables."""
_MAX_USD = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """An open database, and what is needed to judge it."""

    settings: Settings
    vault: Vault
    clock: Clock
    engine: AsyncEngine


def on_books(data_dir: Path | None, config: Path | None, work: Callable[[Books], Awaitable[T]]) -> T:
    """Open the database as it is (no migration), do the work, close. Expected failures end the command with
    one line."""
    with explained():
        settings = settings_from(data_dir, config)

        async def run() -> T:
            async with AsyncExitStack() as stack:
                patient = settings.database.model_copy(update={"statement_timeout_s": _READING_S})
                target = database_target(settings.model_copy(update={"database": patient}))
                if target.path is not None and not target.path.exists():
                    raise StartupError(f"database {target.name} does not exist; name its --data-dir")
                engine = create_engine(target)
                stack.push_async_callback(engine.dispose)
                await check_reachable(engine, target)
                await require_current(engine, name=target.name)
                vault, clock = open_vault(settings), SystemClock()
                await require_same_key(engine, vault, clock)
                return await work(Books(settings=settings, vault=vault, clock=clock, engine=engine))

        try:
            return asyncio.run(run())
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())[:200]
            raise StartupError(f"the database gave up: {reason}; run the command again") from None


def usd(text: str, option: str) -> int:
    """Nano-USD of a typed amount from 0. Raises `StartupError`."""
    amount = decimal(text)
    if amount is None or not 0 <= amount <= _MAX_USD:
        raise StartupError(f"{option} {text!r} is no amount of USD from 0 to {_MAX_USD:,}; write 1.50")
    return from_usd(amount)


def decimal(text: str) -> Decimal | None:
    """A finite number, or None."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    return amount if amount.is_finite() else None


def instant(text: str, option: str) -> int:
    """Unix ms of a typed day (`2026-01-31`: its beginning, UTC) or instant (`2026-01-31T12:00:00Z`). Raises
    `StartupError`."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        return round(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        raise StartupError(
            f"{option} {text!r} is no day or instant; write 2026-01-31 or 2026-01-31T12:00:00Z"
        ) from None
