"""Ids and fixed timestamps that depend on the seed and on the order of requests, and on nothing else."""

import hashlib
from dataclasses import dataclass

_BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class Identity:
    """One request's names: `word` has 22 base62 characters, `hex` 32 digits, `created` is in seconds since
    the epoch.
    """

    word: str
    hex: str
    created: int
    number: int


class IdentitySource:
    """Hands out identities 0, 1, 2, ... of one seed."""

    def __init__(self, seed: int) -> None:
        self._prefix = f"headgate-simulator:{seed}:".encode()
        self._created = _EPOCH + seed % 100_000
        self._next = 0

    def new(self) -> Identity:
        number, self._next = self._next, self._next + 1
        digest = hashlib.blake2b(self._prefix + b"%d" % number, digest_size=16).hexdigest()
        return Identity(_base62(int(digest, 16)), digest, self._created + number, number)


def _base62(value: int) -> str:
    digits = []
    for _ in range(22):
        value, rest = divmod(value, 62)
        digits.append(_BASE62[rest])
    return "".join(digits)
