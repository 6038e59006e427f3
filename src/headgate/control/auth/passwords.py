"""Password hashes: argon2id through pwdlib, off the event loop, few at a time (each takes 64 MiB)."""

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

MAX_AT_ONCE = 4
"""256 MiB at most for hashing, whatever a flood of logins wants."""
WAIT_S = 10
MAX_PASSWORD_CHARS = 256
MIN_PASSWORD_CHARS = 6


class Passwords:
    """Hash and verify. Verifying against nobody costs the same as against somebody."""

    def __init__(self) -> None:
        self._hasher = PasswordHash((Argon2Hasher(),))
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Raises TimeoutError when too many others hash at the same time."""
        async with asyncio.timeout(WAIT_S), self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """False for an unknown hash (`stored` None), after the same work (no oracle of who exists)."""
        async with asyncio.timeout(WAIT_S), self._turns:
            if stored is None:
                await asyncio.to_thread(self._verify_nobody, password)
                return False
            return await asyncio.to_thread(self._verify, password, stored)

    def _verify_nobody(self, password: str) -> None:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        self._verify(password, self._nobody)

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(password, stored)
        except PwdlibError:
            return False  # a hash of a format that we do not take, such as an imported one
