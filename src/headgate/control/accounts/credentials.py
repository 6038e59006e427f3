"""Credentials of accounts: what is secret is sealed and never comes back, the rest is open (spec 1.4,
DESIGN 8).

A field that is not known to be harmless counts as secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from headgate.control.accounts.options import checked_options
from headgate.control.masking import MARK, is_masked, masked
from headgate.errors import BadRequest
from headgate.kit import json
from headgate.kit.crypto import SealBroken, Vault
from headgate.storage.directory_rows import ACCOUNT_CONTEXT

OPEN_FIELDS = frozenset(
    {
        "base_url",
        "model_mapping",
        "intercept_warmup_requests",
        "temp_unschedulable_enabled",
        "temp_unschedulable_rules",
        "custom_error_codes_enabled",
        "custom_error_codes",
        "pool_mode",
        "pool_mode_retry_count",
        "user_agent",
    }
)
SECRET_FIELD = {"apikey": "api_key", "bearer": "access_token"}
"""The field that an account of this type cannot do without."""
MAX_MAPPINGS = 500
MAX_MODEL_CHARS = 200
MAX_SECRET_CHARS = 16_384


@dataclass(frozen=True, slots=True)
class Credentials:
    open: Mapping[str, Any]
    secret: Mapping[str, Any]

    def __repr__(self) -> str:
        return "Credentials(***)"

    def shown(self) -> dict[str, Any]:
        """What an admin may see: open fields, and masks."""
        masks = {
            name: masked(value) if isinstance(value, str) else MARK for name, value in self.secret.items()
        }
        return {**self.open, **masks}


def unsealed(vault: Vault, sealed: bytes, open_fields: Mapping[str, Any] | None) -> Credentials:
    """Under another master key than the one that sealed it, the secret part is empty: the account must be
    given its secret again."""
    try:
        secret = json.loads(vault.unseal(sealed, context=ACCOUNT_CONTEXT))
    except SealBroken:
        secret = {}
    return Credentials(open=dict(open_fields or {}), secret=secret)


def sealed(vault: Vault, secret: Mapping[str, Any]) -> bytes:
    return vault.seal(json.dumps(dict(secret)), context=ACCOUNT_CONTEXT)


def merged(given: Mapping[str, Any], *, kind: str, stored: Credentials | None) -> Credentials:
    """Replace as sent, but a masked or absent secret stays as stored. Raises INVALID_INPUT."""
    fields = {name: value for name, value in given.items() if value is not None}
    if kind == "bearer" and "api_key" in fields and "access_token" not in fields:
        fields["access_token"] = fields.pop("api_key")
    open_fields = {name: value for name, value in fields.items() if name in OPEN_FIELDS}
    secret = dict(stored.secret) if stored else {}
    for name, value in fields.items():
        if name in OPEN_FIELDS or is_masked(value) or value == "":
            continue
        secret[name] = value.strip() if isinstance(value, str) else value
    _require_secret(secret, kind)
    if "model_mapping" in open_fields:
        open_fields["model_mapping"] = checked_mapping(open_fields["model_mapping"])
    open_fields = checked_options(open_fields, kind)
    if "base_url" in open_fields:
        open_fields["base_url"] = _checked_base_url(open_fields["base_url"])
        if not open_fields["base_url"]:
            del open_fields["base_url"]
    return Credentials(open=open_fields, secret=secret)


def checked_mapping(value: Any) -> dict[str, str]:
    """Requested model -> upstream model; `*` only as the last character of the left side (spec 8.4)."""
    if not isinstance(value, dict):
        raise BadRequest("model_mapping must be an object: requested model -> upstream model")
    if len(value) > MAX_MAPPINGS:
        raise BadRequest(f"model_mapping has more than {MAX_MAPPINGS} entries")
    for pattern, target in value.items():
        if not isinstance(target, str) or not 0 < len(target) <= MAX_MODEL_CHARS or "*" in target:
            raise BadRequest(
                f"model_mapping: the target of {pattern[:80]!r} must be a model name without `*`"
            )
        if not 0 < len(pattern) <= MAX_MODEL_CHARS or "*" in pattern[:-1]:
            raise BadRequest(f"model_mapping: {pattern[:80]!r} may have `*` only as its last character")
    return dict(value)


def _require_secret(secret: Mapping[str, Any], kind: str) -> None:
    name = SECRET_FIELD[kind]
    value = secret.get(name)
    if not isinstance(value, str) or not value:
        raise BadRequest(f"credentials.{name} is required for accounts of type {kind}")
    if len(value) > MAX_SECRET_CHARS or not value.isascii() or not value.isprintable():
        raise BadRequest(
            f"credentials.{name} must be printable ASCII without line breaks: it is sent as a header"
        )


def _checked_base_url(value: Any) -> str:
    if not isinstance(value, str) or len(value) > 2048:
        raise BadRequest("credentials.base_url must be a URL")
    return value.strip().rstrip("/")
