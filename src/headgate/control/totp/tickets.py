"""Short-lived sealed notes to ourselves, between the two calls of a set-up or a login. Nothing is stored."""

import base64
import binascii
import hashlib

from headgate.kit import json
from headgate.kit.crypto import SealBroken, Vault

LIFETIME_S = 300
MAX_CHARS = 1000
SETUP, LOGIN = "totp.setup", "login.second-step"


def issue(
    vault: Vault, kind: str, content: dict[str, int | str], *, now_s: int, lifetime_s: int = LIFETIME_S
) -> str:
    blob = vault.seal(json.dumps(content | {"expires_s": now_s + lifetime_s}), context=kind)
    return base64.urlsafe_b64encode(blob).decode()


def read(vault: Vault, kind: str, ticket: str, *, now_s: int) -> dict[str, int | str] | None:
    """None for what we did not issue for this purpose, or too long ago. Only the very text that was issued:
    other spellings of the same bytes would pass for tickets that were not used yet."""
    try:
        blob = base64.urlsafe_b64decode(ticket.encode())
        if base64.urlsafe_b64encode(blob).decode() != ticket:
            return None
        content: dict[str, int | str] = json.loads(vault.unseal(blob, context=kind))
    except (binascii.Error, ValueError, SealBroken):
        return None
    return content if now_s < int(content["expires_s"]) else None


def name_of(ticket: str) -> str:
    """To remember that it was used, without keeping it."""
    return hashlib.sha256(ticket.encode()).hexdigest()[:32]
