"""Looking at a PostgreSQL server before the database exists, and creating it. Foreign exceptions end here, as
`ServerRefused` with one sentence; it never holds a password."""

import re

import asyncpg

from headgate.errors import HeadgateError
from headgate.storage.engine import DatabaseTarget

_MAINTENANCE = ("postgres", "template1")
_TIMEOUT_S = 5
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")


class ServerRefused(HeadgateError):
    """The server cannot be used like this."""


async def database_exists(target: DatabaseTarget) -> bool:
    """Whether the database is there and lets us in. Raises `ServerRefused`."""
    try:
        connection = await _connect(target, str(target.url.database))
    except asyncpg.InvalidCatalogNameError:
        return False
    await connection.close()
    return True


async def may_create(target: DatabaseTarget) -> bool:
    """Whether this user may create databases. Raises `ServerRefused`."""
    connection = await _maintenance(target)
    try:
        query = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        return bool(await connection.fetchval(query))
    finally:
        await connection.close()


async def create_database(target: DatabaseTarget) -> None:
    """Somebody else may have been first. Raises `ServerRefused`."""
    name = str(target.url.database)
    if not _NAME.fullmatch(name):
        raise ServerRefused("the database's name has letters, digits and _ only, a letter first")
    connection = await _maintenance(target)
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return  # the second when somebody else creates it in this very moment
    except asyncpg.InsufficientPrivilegeError:
        raise ServerRefused("this user may not create databases; create it, or name another user") from None
    except asyncpg.PostgresError as error:
        raise ServerRefused(f"the database cannot be created ({error.sqlstate})") from None
    finally:
        await connection.close()


async def _maintenance(target: DatabaseTarget) -> asyncpg.Connection:
    """To a database that every server has."""
    for name in _MAINTENANCE:
        try:
            return await _connect(target, name)
        except asyncpg.InvalidCatalogNameError:
            continue
    raise ServerRefused("the server has no database postgres or template1 to begin from")


async def _connect(target: DatabaseTarget, database: str) -> asyncpg.Connection:
    options = target.asyncpg_options | {"database": database}
    try:
        return await asyncpg.connect(**options, timeout=_TIMEOUT_S)
    except asyncpg.InvalidCatalogNameError:
        raise
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
        raise ServerRefused("the server refuses this user or password") from None
    except asyncpg.InsufficientPrivilegeError:
        raise ServerRefused("this user may not open the database") from None
    except TimeoutError:
        raise ServerRefused(f"no answer within {_TIMEOUT_S} s") from None
    except (OSError, ValueError):
        raise ServerRefused("no PostgreSQL answers there, or not with this sslmode") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        code = getattr(error, "sqlstate", None) or type(error).__name__
        raise ServerRefused(f"the server refuses the connection ({code})") from None
