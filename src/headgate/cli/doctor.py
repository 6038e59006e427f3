"""`headgate doctor`: looks at configuration, secrets, database, Redis, egress and clock, and says what to
do."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import redis.asyncio
import typer
from pyreqwest.http import Url
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.app import check_run_mode
from headgate.cli.options import ConfigFile, DataDir, console, explained, settings_from
from headgate.core.faults import RelayError
from headgate.core.world import Account
from headgate.errors import StartupError
from headgate.kit.clock import SystemClock
from headgate.kit.crypto import Vault
from headgate.secrets_file import open_vault, require_same_key
from headgate.settings import Settings
from headgate.storage.engine import check_reachable, create_engine, database_target
from headgate.storage.migrate import require_current
from headgate.storage.read_model import ReadModel
from headgate.upstream.guard import AddressGuard

_DEADLINE_S = 5.0
_CLOCK_SKEW_S = 2.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `remedy` empty: all is well."""

    subject: str
    text: str
    remedy: str = ""


def doctor(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Check configuration, database, Redis, egress and clock."""
    with explained():
        settings = settings_from(data_dir, config)
        findings = asyncio.run(_examine(settings))
    for finding in findings:
        mark = "[green]ok[/green]  " if not finding.remedy else "[red]FAIL[/red]"
        console.print(f"{mark} {finding.subject}: ", end="")
        console.print(finding.text, markup=False, highlight=False, soft_wrap=True)
        if finding.remedy:
            console.print(f"       -> {finding.remedy}", markup=False, highlight=False, soft_wrap=True)
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)


async def _examine(settings: Settings) -> list[Finding]:
    findings = [Finding("configuration", f"valid; data directory {settings.data_dir}"), _run_mode(settings)]
    try:
        vault = open_vault(settings)
    except StartupError as error:
        return [*findings, Finding("secret key", "not usable", str(error))]
    findings.append(Finding("secret key", "present"))
    findings.extend([finding async for finding in _database(settings, vault)])
    findings.append(await _redis(settings))
    return findings


def _run_mode(settings: Settings) -> Finding:
    try:
        check_run_mode(settings)
    except StartupError as error:
        return Finding("run mode", "simple, not confirmed", str(error))
    meaning = "nobody is charged" if settings.run_mode == "simple" else "usage is charged"
    return Finding("run mode", f"{settings.run_mode}: {meaning}")


async def _database(settings: Settings, vault: Vault) -> AsyncIterator[Finding]:
    try:
        target = database_target(settings)
        engine = create_engine(target)
    except StartupError as error:
        yield Finding("database", "not usable", str(error))
        return
    try:
        await check_reachable(engine, target)
        await require_current(engine, name=target.name)
        await require_same_key(engine, vault, SystemClock())
        yield Finding("database", f"{target.name} reachable, writable, schema current")
        yield await _clock(engine)
        async for finding in _egress(settings, engine, vault):
            yield finding
    except StartupError as error:
        yield Finding("database", "not ready", str(error))
    finally:
        await engine.dispose()


async def _clock(engine: AsyncEngine) -> Finding:
    """Money windows and cooldowns compare instants of several machines: their clocks must agree with the
    database's."""
    if engine.dialect.name == "sqlite":
        return Finding("clock", "local database, one clock")
    try:
        async with engine.connect() as connection:
            theirs = float(
                (await connection.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one()
            )
    except SQLAlchemyError as error:
        return Finding("clock", f"not comparable ({type(error).__name__})", "check the database")
    skew = abs(SystemClock().now_ms() / 1000 - theirs)
    if skew > _CLOCK_SKEW_S:
        return Finding(
            "clock", f"{skew:.1f} s away from the database's", "run an NTP client on both machines"
        )
    return Finding("clock", f"within {skew:.2f} s of the database's")


async def _redis(settings: Settings) -> Finding:
    if settings.redis.url is None:
        return Finding("redis", "not configured: state is in-process, one worker")
    client = redis.asyncio.Redis.from_url(
        settings.redis.url.reveal(), socket_timeout=_DEADLINE_S, socket_connect_timeout=_DEADLINE_S
    )
    try:
        await client.ping()
    except (RedisError, OSError) as error:
        return Finding(
            "redis", f"no answer ({type(error).__name__})", "start Redis or correct HEADGATE_REDIS_URL"
        )
    finally:
        await client.aclose()
    return Finding("redis", "answers")


async def _egress(settings: Settings, engine: AsyncEngine, vault: Vault) -> AsyncIterator[Finding]:
    """Every account's address passes the guard and accepts a connection (directly; proxied ones are named
    only)."""
    data = await ReadModel(engine, vault).load_directory()
    guard = AddressGuard(settings.security.url_allowlist)
    if not data.accounts:
        yield Finding("egress", "no account yet; add one with `headgate account add`")
    for account in data.accounts:
        yield await _reach(guard, account)


async def _reach(guard: AddressGuard, account: Account) -> Finding:
    subject = f"egress of account {account.name}"
    problem = await guard.problem_with(account.base_url)
    if problem is not None:
        return Finding(
            subject, problem, "correct the account's base_url, or allow it in security.url_allowlist"
        )
    if account.proxy is not None:
        return Finding(subject, "through its egress proxy (test it with the account's test call)")
    url = Url(account.base_url)
    try:
        addresses = await guard.admit(url) or (url.host_str or "",)
        async with asyncio.timeout(_DEADLINE_S):
            _, writer = await asyncio.open_connection(addresses[0], url.port_or_known_default)
        writer.close()
    except (OSError, TimeoutError, RelayError) as error:
        return Finding(
            subject,
            f"no connection ({type(error).__name__})",
            "check the firewall, DNS and the provider's status",
        )
    return Finding(subject, "reachable")
