"""Ids and fixed timestamps that depend on the seed and on the order of requests, and on nothing else."""

import base64
import hashlib
from dataclasses import dataclass

_ALTERNATIVES = b"Hg"  # for + and /, which vendors' ids do not have
_EPOCH = 1_767_225_600  # 2026-01-01T00:00:00Z


@dataclass(frozen=True, slots=True)
class Identity:
    """One request's names: `word` has 22 letters and digits, `hex` 32 digits, `created` is in seconds since
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
        digest = hashlib.blake2b(self._prefix + b"%d" % number, digest_size=16).digest()
        word = base64.b64encode(digest, _ALTERNATIVES)[:22].decode()
        return Identity(word, digest.hex(), self._created + number, number)
