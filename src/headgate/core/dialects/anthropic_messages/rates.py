"""Our rate limits in Anthropic's headers.

Source: Anthropic API reference, "Rate limits", response headers: `reset` is when the limit will be fully
replenished, RFC 3339.
"""

from datetime import UTC, datetime
from functools import lru_cache

from headgate.core.limits.rates import Tightest

RawHeaderList = list[tuple[bytes, bytes]]


def rate_headers(limits: Tightest, *, now_ms: int) -> RawHeaderList:
    headers: RawHeaderList = []
    for name, level in ((b"requests", limits.requests), (b"tokens", limits.tokens)):
        if level is not None:
            full_at = _rfc3339(-(-(now_ms + level.full_in_ms) // 1000))
            prefix = b"anthropic-ratelimit-" + name
            headers += [
                (prefix + b"-limit", b"%d" % level.limit),
                (prefix + b"-remaining", b"%d" % level.remaining),
                (prefix + b"-reset", full_at),
            ]
    return headers


@lru_cache(maxsize=256)
def _rfc3339(unix_s: int) -> bytes:
    """Remembered: within a second most answers say the same few instants."""
    return datetime.fromtimestamp(unix_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ").encode()
