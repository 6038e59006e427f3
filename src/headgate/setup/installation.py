"""Trying out what an installer was told, and installing it."""

import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import yaml

from headgate.control.bootstrap import ensure_admin
from headgate.errors import BadRequest, StartupError
from headgate.kit.clock import SystemClock
from headgate.kit.secret import Secret
from headgate.secrets_file import open_vault, require_same_key
from headgate.settings import INSTALLED_FILE, DatabaseSettings, RedisSettings, Settings, load_settings
from headgate.setup.drafts import DatabaseDraft, InstallDraft, RedisDraft, configuration_of
from headgate.state.protocols import StateUnavailable
from headgate.state.redis import open_redis_state
from headgate.storage.engine import DatabaseTarget, database_target, session_factory
from headgate.storage.opening import open_database
from headgate.storage.postgres_databases import ServerRefused, create_database, database_exists, may_create
from headgate.storage.unit_of_work import UnitOfWork

CONNECTION_FAILED = "CONNECTION_FAILED"


class Installer:
    """Of one data directory."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._file = settings.data_dir / INSTALLED_FILE

    @property
    def is_installed(self) -> bool:
        return self._file.exists()

    async def try_database(self, draft: DatabaseDraft) -> str:
        """What was found. Raises CONNECTION_FAILED."""
        target = self._target(draft)
        if draft.url is None:
            return f"the file {target.path} will hold everything"
        try:
            if await database_exists(target):
                return "the database is there and lets us in"
            if await may_create(target):
                return "the database is missing and will be created"
        except ServerRefused as refused:
            raise _failed(str(refused)) from None
        raise _failed("the database is missing, and this user may not create it")

    async def try_redis(self, draft: RedisDraft) -> str:
        """Raises CONNECTION_FAILED."""
        state = open_redis_state(RedisSettings(url=Secret(draft.url), deadline_s=3), self._settings.limits)
        try:
            await state.counters.value("setup")
        except StateUnavailable:
            raise _failed("no Redis answers there with this password") from None
        finally:
            await state.close()
        return "Redis answers"

    async def install(self, draft: InstallDraft) -> None:
        """Database, schema, admin, then the configuration file, which is what makes it installed. A failure
        before leaves nothing that keeps from trying again. Raises CONNECTION_FAILED, INVALID_INPUT,
        ALREADY_ADMINISTERED (the database has an admin: its installation is elsewhere)."""
        if draft.redis is not None:
            await self.try_redis(draft.redis)
        await self.try_database(draft.database)
        target = self._target(draft.database)
        try:
            if draft.database.url is not None and not await database_exists(target):
                await create_database(target)
            await self._create_admin(draft)
        except ServerRefused as refused:
            raise _failed(str(refused)) from None
        except StartupError as problem:
            raise BadRequest(str(problem)) from None
        document = configuration_of(draft)
        here = self._settings.server
        if draft.server is None and here.port:
            document["server"] = {"host": here.host, "port": here.port}
        write_private(self._file, yaml.safe_dump(document, sort_keys=False))

    def installed_settings(self) -> Settings:
        """What is served from now on. Raises `StartupError`."""
        return load_settings(self._file, {"data_dir": self._settings.data_dir})

    async def _create_admin(self, draft: InstallDraft) -> None:
        changes: dict[str, Any] = {
            "database": self._database(draft.database),
            "admin_email": draft.admin.email,
            "admin_password": Secret(draft.admin.password),
        }
        settings, clock = self._settings.model_copy(update=changes), SystemClock()
        vault = open_vault(settings)
        async with AsyncExitStack() as stack:
            engine = await open_database(settings, stack)
            await require_same_key(engine, vault, clock)
            sessions = session_factory(engine, vault.ledger_key())
            if await ensure_admin(lambda: UnitOfWork(sessions), settings, clock) is None:
                raise BadRequest(
                    "this database has an administrator already; serve with it, or name another one",
                    reason="ALREADY_ADMINISTERED",
                )

    def _database(self, draft: DatabaseDraft) -> DatabaseSettings:
        url = Secret(draft.url) if draft.url is not None else None
        return self._settings.database.model_copy(update={"url": url})

    def _target(self, draft: DatabaseDraft) -> DatabaseTarget:
        return database_target(self._settings.model_copy(update={"database": self._database(draft)}))


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, readable by nobody else: it holds passwords. Raises `StartupError`."""
    aside = path.with_suffix(f".{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise StartupError(f"{path}: {error.strerror}; make the data directory writable") from None


def _failed(message: str) -> BadRequest:
    return BadRequest(f"Connection failed: {message}", reason=CONNECTION_FAILED)
