"""One transaction of the control plane or a job; the only place that commits a session (HOUSE_STYLE,
control plane)."""

import inspect
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from headgate.storage.models import DirectoryVersionRow

AfterCommit = Callable[[], Awaitable[None] | None]


class UnitOfWork:
    """`async with UnitOfWork(sessions) as uow:` commits at the end, or rolls back when the block raises.

    `touch_directory()` bumps the directory version in the same transaction, so that the data plane reloads
    its snapshot. Callbacks registered with `after_commit` run in order after the commit (they must not
    raise); a rollback drops them.
    """

    def __init__(
        self, sessions: async_sessionmaker[AsyncSession], *, on_touched: AfterCommit | None = None
    ) -> None:
        """`on_touched` runs after the commit of a transaction that touched the directory."""
        self._on_touched = on_touched
        self.session = sessions()
        self._touched = False
        self._callbacks: list[AfterCommit] = []

    def touch_directory(self) -> None:
        """This transaction changes something that the data plane must see."""
        self._touched = True

    def after_commit(self, callback: AfterCommit) -> None:
        self._callbacks.append(callback)

    async def commit(self) -> None:
        """Commit now (a request does so before its answer leaves); the block may go on with a new
        transaction."""
        if self._touched:
            await self.session.flush()
            await bump_directory(self.session)
        await self.session.commit()
        callbacks, self._callbacks = self._callbacks, []
        if self._touched and self._on_touched is not None:
            callbacks.append(self._on_touched)
        self._touched = False
        for callback in callbacks:
            outcome = callback()
            if inspect.isawaitable(outcome):
                await outcome

    async def rollback(self) -> None:
        """Undo what is not committed, and forget its callbacks."""
        self._touched = False
        self._callbacks.clear()
        await self.session.rollback()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.commit()
            else:
                await self.rollback()
        finally:
            await self.session.close()


async def bump_directory(session: AsyncSession) -> None:
    """Raise the directory version within the caller's transaction."""
    row = DirectoryVersionRow
    await session.execute(update(row).where(row.id == 1).values(version=row.version + 1))
