"""Keyed hashes and envelope encryption, on `cryptography` (nothing home-made).

One 32-byte master key (HEADGATE_SECRET_KEY or `<data-dir>/secret.key`) gives independent sub-keys by
HKDF-SHA256. Sealed blob: version(1) | nonce(12) | wrapped data key(48) | nonce(12) | ciphertext. AES-256-GCM
twice: a fresh data key per blob, wrapped by the master sub-key, so the master can be rotated by re-wrapping
48 bytes per row.
"""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION = b"\x01"
_NONCE = 12
_WRAPPED = 32 + 16


class SealBroken(Exception):
    """The blob was not sealed with this master key and context, or was altered."""


class Vault:
    """Everything derived from the master key. Its `repr` shows nothing."""

    def __init__(self, master_key: bytes) -> None:
        if len(master_key) != 32:
            raise ValueError("the master key has 32 bytes")
        self._wrap = AESGCM(_derive(master_key, b"headgate/wrap"))
        self._pepper = _derive(master_key, b"headgate/api-key-hash")
        self._signing = _derive(master_key, b"headgate/signing")
        self._ledger = _derive(master_key, b"headgate/ledger")

    def key_hash(self, api_key: str) -> bytes:
        """Keyed digest under which an API key is stored and looked up; always 32 bytes, whatever comes in
        (PAINS S2)."""
        return hashlib.blake2b(
            api_key.encode("utf-8", "surrogatepass"), key=self._pepper, digest_size=32
        ).digest()

    def signature(self, purpose: str, message: bytes) -> bytes:
        """HMAC-SHA256 under a key bound to `purpose`."""
        return hmac.new(self._signing, purpose.encode() + b"\0" + message, hashlib.sha256).digest()

    def ledger_key(self) -> bytes:
        """The key of the ledger's hash chains (32 bytes): the journal hashes by the thousand, without a call
        here for each."""
        return self._ledger

    def seal(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt; `context` (such as `account.credentials`) must be the same when unsealing."""
        data_key = AESGCM.generate_key(256)
        outer, inner = os.urandom(_NONCE), os.urandom(_NONCE)
        wrapped = self._wrap.encrypt(outer, data_key, context.encode())
        return (
            _VERSION + outer + wrapped + inner + AESGCM(data_key).encrypt(inner, plaintext, context.encode())
        )

    def unseal(self, blob: bytes, *, context: str) -> bytes:
        """Raises `SealBroken`."""
        if blob[:1] != _VERSION or len(blob) < 1 + 2 * _NONCE + _WRAPPED + 16:
            raise SealBroken(context)
        outer, rest = blob[1 : 1 + _NONCE], blob[1 + _NONCE :]
        wrapped, inner, ciphertext = (
            rest[:_WRAPPED],
            rest[_WRAPPED : _WRAPPED + _NONCE],
            rest[_WRAPPED + _NONCE :],
        )
        try:
            data_key = self._wrap.decrypt(outer, wrapped, context.encode())
            return AESGCM(data_key).decrypt(inner, ciphertext, context.encode())
        except InvalidTag:
            raise SealBroken(context) from None

    def __repr__(self) -> str:
        return "Vault(***)"


def _derive(master_key: bytes, label: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=label).derive(master_key)
