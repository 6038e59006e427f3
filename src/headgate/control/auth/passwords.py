"""Password hashes: argon2id through pwdlib, off the event loop, few at a time (each takes 64 MiB).

The cost is named here and not left to a library's default; a hash of another cost still verifies, and is
replaced at the next login.
"""

import asyncio
from dataclasses import dataclass

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher

MAX_AT_ONCE = 4
"""256 MiB at most for hashing, whatever a flood of logins wants."""
WAIT_S = 10
MAX_PASSWORD_CHARS = 256
MIN_PASSWORD_CHARS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Argon2Cost:
    """RFC 9106, section 4, second recommended option; above OWASP's minimum of 19 MiB and 2 passes."""

    passes: int = 3
    memory_kib: int = 64 * 1024
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    is_right: bool
    better_hash: str | None = None
    """Of the same password at today's cost, when the stored one has another."""


class Passwords:
    """Hash and verify. Verifying against nobody costs the same as against somebody."""

    def __init__(self, cost: Argon2Cost | None = None) -> None:
        cost = cost or Argon2Cost()
        argon2 = Argon2Hasher(time_cost=cost.passes, memory_cost=cost.memory_kib, parallelism=cost.lanes)
        self._hasher = PasswordHash((argon2,))
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)
        self._nobody: str | None = None

    async def hash(self, password: str) -> str:
        """Raises TimeoutError when too many others hash at the same time."""
        async with asyncio.timeout(WAIT_S), self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def verify(self, password: str, stored: str | None) -> bool:
        """False without a hash (`stored` None or empty), after the same work (no oracle of who exists).
        Raises TimeoutError."""
        return (await self.judge(password, stored)).is_right

    async def judge(self, password: str, stored: str | None) -> Verdict:
        """As `verify`, and what should be stored from now on."""
        async with asyncio.timeout(WAIT_S), self._turns:
            if not stored:  # who came in through a provider may have none
                await asyncio.to_thread(self._verify_nobody, password)
                return Verdict(is_right=False)
            return await asyncio.to_thread(self._verify, password, stored)

    def _verify_nobody(self, password: str) -> None:
        if self._nobody is None:
            self._nobody = self._hasher.hash("nobody has this password")
        self._verify(password, self._nobody)

    def _verify(self, password: str, stored: str) -> Verdict:
        try:
            return Verdict(*self._hasher.verify_and_update(password, stored))
        except PwdlibError:
            return Verdict(is_right=False)  # a hash of a format that we do not take, such as an imported one
