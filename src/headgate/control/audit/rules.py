"""What of a change may be read later: everything but secrets (PAINS S6, S11; DESIGN 9.1). Pure.

A field is hidden by its name, a text by what it looks like. Both rules hide too much rather than too little:
the log is read by people who may not see secrets.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from headgate.control.masking import masked

HIDDEN = "[hidden]"
MAX_TEXT = 500
MAX_ITEMS = 100
MAX_DEPTH = 20
_SECRET_WORDS = frozenset(
    (
        "auth authorization cookie cookies credential credentials digest hash key keys otp passphrase passwd"
        " password passwords pin prompt pwd sealed secret secrets signature token tokens totp apikey"
    ).split()
)
_HARMLESS = frozenset({"key_prefix", "masked_key", "credentials_open", "token_version"})
"""Names with such a word that hold no secret: masks, counters, and the open part of a credential, within
which every field is judged by its own name."""
_PLAIN_CODES = frozenset({"status", "error", "response", "country", "language", "passthrough"})
"""What kind of code is no secret. All others are worth something to whoever reads them: money, a way in; of
long ones enough is shown to recognise them."""
_LOOKS_SECRET = re.compile(
    r"""-----BEGIN[^-]*PRIVATE\ KEY-----.*?(-----END[^-]*-----|\Z)
    |\beyJ[\w-]{8,}\.[\w-]+(\.[\w-]*)?          # JWT
    |\b(bearer|basic)\s+[\w.~+/=-]{8,}
    |\b(sk|rk|pk|rt|at|ghp|gho|xox[a-z]|admin|hg|key)[-_][\w-]{12,}
    |\b(AIza|AKIA|ya29\.)[\w-]{10,}
    |\$argon2\S+
    |(?<=://)[^/\s@]+(?=@)                      # user:password@ of an address
    |(?<=[?&](?:key|sig)=)[^&\s]+
    |(?<=[?&](?:token)=)[^&\s]+
    |[A-Za-z0-9+/=]{32,}                        # no word is that long
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)


def is_secret(name: str) -> bool:
    """`apiKey`, `x-api-key`, `refresh_token`, `password_hash`: whether a field of this name is hidden."""
    snake = _snake(name)
    return snake not in _HARMLESS and not _SECRET_WORDS.isdisjoint(snake.split("_"))


def is_code(name: str) -> bool:
    """`code`, `promo_code`, `recoveryCodes`: a text that is good for something."""
    *kind, last = _snake(name).split("_")
    return last in ("code", "codes") and _PLAIN_CODES.isdisjoint(kind)


def safe(name: str, value: Any, *, depth: int = MAX_DEPTH) -> Any:
    """The value of a field as JSON may show it. Numbers are no secrets."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if depth == 0 or isinstance(value, bytes):
        return HIDDEN
    if is_secret(name):
        return HIDDEN if value else ""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        items = list(value.items())[:MAX_ITEMS]
        return {_text(str(key)): safe(str(key), item, depth=depth - 1) for key, item in items}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [safe(name, item, depth=depth - 1) for item in value[:MAX_ITEMS]]
    return masked(str(value)) if is_code(name) else _text(str(value))


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")


def _text(text: str) -> str:
    shown = _LOOKS_SECRET.sub(HIDDEN, text)
    return shown if len(shown) <= MAX_TEXT else shown[:MAX_TEXT] + "…"
