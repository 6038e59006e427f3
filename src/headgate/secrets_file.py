"""The installation's master key: from the environment, or generated once into the data directory (0600)."""

import os
import secrets
from pathlib import Path

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.errors import StartupError
from headgate.kit.clock import Clock, instant
from headgate.kit.crypto import SealBroken, Vault
from headgate.settings import Settings
from headgate.storage.models import SecuritySecretRow

_KEY_BYTES = 32
_PROOF = "master_key_proof"
"""Row that only the right master key can open."""


def open_vault(settings: Settings) -> Vault:
    """Raises `StartupError` when the key is malformed or the data directory is not writable."""
    if settings.secret_key is not None:
        return Vault(_parse(settings.secret_key.reveal(), "HEADGATE_SECRET_KEY"))
    path = settings.data_dir / "secret.key"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not path.exists():
            _create(path)
        return Vault(_parse(path.read_text(encoding="ascii").strip(), str(path)))
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "not text"
        raise StartupError(
            f"secret key {path}: {problem}; make --data-dir writable or set HEADGATE_SECRET_KEY"
        ) from None


async def require_same_key(engine: AsyncEngine, vault: Vault, clock: Clock) -> None:
    """Refuse a master key that this database was not made with: every customer key would be unknown and no
    credential readable. The first start leaves the proof. Raises `StartupError`."""
    proof = await _proof(engine)
    if proof is None:
        now = instant(clock.now_ms())
        row = {"key": _PROOF, "value_sealed": vault.seal(b"", context=_PROOF), "updated_at": now}
        try:
            async with engine.begin() as connection:
                await connection.execute(insert(SecuritySecretRow).values(row))
            return
        except IntegrityError:  # another process started at the same time
            proof = await _proof(engine)
    try:
        vault.unseal(proof or b"", context=_PROOF)
    except SealBroken:
        raise StartupError(
            "secret key: this database was made with another one; restore the first HEADGATE_SECRET_KEY or"
            " <data-dir>/secret.key, or use a new database"
        ) from None


async def _proof(engine: AsyncEngine) -> bytes | None:
    query = select(SecuritySecretRow.value_sealed).where(SecuritySecretRow.key == _PROOF)
    async with engine.connect() as connection:
        return (await connection.execute(query)).scalar_one_or_none()


def _create(path: Path) -> None:
    """Written aside and linked into place, so that two first starts agree on one key."""
    aside = path.with_suffix(f".{os.getpid()}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_KEY_BYTES) + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(aside, path)
    except FileExistsError:
        pass
    finally:
        aside.unlink()


def _parse(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text)
    except ValueError:
        key = b""
    if len(key) != _KEY_BYTES:
        raise StartupError(
            f"secret key {where}: must be 64 hex digits; generate one with `openssl rand -hex 32`"
        )
    return key
