"""Our rate limits in Anthropic's headers.

Source: Anthropic API reference, "Rate limits", response headers: `reset` is when the limit will be fully
replenished, RFC 3339.
"""

from datetime import UTC, datetime

from headgate.core.limits.rates import Tightest

RawHeaderList = list[tuple[bytes, bytes]]


def rate_headers(limits: Tightest, *, now_ms: int) -> RawHeaderList:
    headers: RawHeaderList = []
    for name, level in ((b"requests", limits.requests), (b"tokens", limits.tokens)):
        if level is not None:
            full_at_s = -(-(now_ms + level.full_in_ms) // 1000)
            full_at = datetime.fromtimestamp(full_at_s, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            prefix = b"anthropic-ratelimit-" + name
            headers += [
                (prefix + b"-limit", b"%d" % level.limit),
                (prefix + b"-remaining", b"%d" % level.remaining),
                (prefix + b"-reset", full_at.encode()),
            ]
    return headers
