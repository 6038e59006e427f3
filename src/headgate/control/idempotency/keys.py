"""What makes two management writes the same one: scope, key and fingerprint (spec 7.15). Pure.

Knows: how a key is stored and what a request is compared by. Refuses to know: HTTP objects, the database.
Invariant: neither the key nor the payload can be read back from what is stored.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from headgate.errors import BadRequest
from headgate.kit import json

HEADER = "idempotency-key"
REPLAYED_HEADER = "X-Idempotency-Replayed"
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_PRIVATE_SCOPES = "user."


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A write under a key. Only the same fingerprint may be answered from the same record."""

    scope: str
    key_hash: str
    fingerprint: str


def checked_key(header: str) -> str | None:
    """The key of a request; None without one. Raises IDEMPOTENCY_KEY_INVALID."""
    key = header.strip()
    if not key:
        return None
    if not _KEY.fullmatch(key):
        raise BadRequest(
            "Idempotency-Key has 1 to 128 printable ASCII characters", reason="IDEMPOTENCY_KEY_INVALID"
        )
    return key


def identify(
    *,
    scope: str,
    key: str,
    method: str,
    route: str,
    actor_id: int,
    parameters: Mapping[str, str],
    body: bytes,
) -> Identity:
    """`route` is the template, `parameters` are those of the path.

    Keys of administrators share one space, so that a payment's retry under another administrator is noticed;
    those of users are their own, so that one customer's key never stands in another's way."""
    owner = str(actor_id) if scope.startswith(_PRIVATE_SCOPES) else ""
    request = (method.encode(), route.encode(), str(actor_id).encode(), _canonical(parameters, body))
    return Identity(
        scope=scope,
        key_hash=hashlib.sha256(f"{owner}\n{key}".encode()).hexdigest(),
        fingerprint=hashlib.sha256(b"\n".join(request)).hexdigest(),
    )


def _canonical(parameters: Mapping[str, str], body: bytes) -> bytes:
    """The payload without what does not matter: white space and the order of names. What is no JSON counts
    as it is; validation refuses it later."""
    names = json.dumps_sorted(dict(parameters))
    try:
        return names + b"\n" + json.dumps_sorted(json.loads(body) if body.strip() else None)
    except (json.JSONDecodeError, RecursionError):
        return names + b"\n" + body
