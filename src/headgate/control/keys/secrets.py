"""Making keys: random, or given by the customer (spec 1.5)."""

import re
import secrets

from headgate.control.work import Work
from headgate.errors import BadRequest, TooManyRequests

MIN_CUSTOM_CHARS = 16
_CUSTOM = re.compile(r"[A-Za-z0-9_-]+")
DUPLICATES_BEFORE_BLOCK = 20
DUPLICATE_WINDOW_S = 24 * 3600


def fresh_key(work: Work) -> str:
    """Prefix and 64 hex digits."""
    return work.deps.settings.auth.api_key_prefix + secrets.token_hex(32)


def checked_custom_key(key: str) -> str:
    """Raises API_KEY_TOO_SHORT, API_KEY_INVALID_CHARS."""
    if len(key) < MIN_CUSTOM_CHARS:
        raise BadRequest(
            f"a custom key has at least {MIN_CUSTOM_CHARS} characters", reason="API_KEY_TOO_SHORT"
        )
    if not _CUSTOM.fullmatch(key):
        raise BadRequest("a custom key has only letters, digits, _ and -", reason="API_KEY_INVALID_CHARS")
    return key


async def require_few_duplicates(work: Work, user_id: int) -> None:
    """Guessing other people's keys by trying to create them. Raises API_KEY_RATE_LIMITED."""
    if await work.deps.state.counters.value(_counter(user_id)) >= DUPLICATES_BEFORE_BLOCK:
        raise TooManyRequests(
            "too many duplicate custom keys, try again tomorrow", reason="API_KEY_RATE_LIMITED"
        )


async def count_duplicate(work: Work, user_id: int) -> None:
    await work.deps.state.counters.add(_counter(user_id), 1, window_s=DUPLICATE_WINDOW_S)


def _counter(user_id: int) -> str:
    return f"custom-key-duplicates:{user_id}"
