"""Our rate limits in OpenAI's headers, alike for Chat Completions and Responses.

Source: OpenAI API reference, "Rate limits", headers: `reset` is the time until the limit is as it was at
first, in Go's notation (`1s`, `6m0s`).
"""

from headgate.core.limits.rates import Tightest

RawHeaderList = list[tuple[bytes, bytes]]


def rate_headers(limits: Tightest) -> RawHeaderList:
    headers: RawHeaderList = []
    for name, level in ((b"requests", limits.requests), (b"tokens", limits.tokens)):
        if level is not None:
            headers += [
                (b"x-ratelimit-limit-" + name, b"%d" % level.limit),
                (b"x-ratelimit-remaining-" + name, b"%d" % level.remaining),
                (b"x-ratelimit-reset-" + name, go_duration(level.full_in_ms).encode()),
            ]
    return headers


def go_duration(ms: int) -> str:
    """`0s`, `120ms`, `7s`, `6m0s`, `1h0m0s`; whole seconds, rounded up, from one second on."""
    if 0 < ms < 1000:
        return f"{ms}ms"
    minutes, seconds = divmod(-(-ms // 1000), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes}m{seconds}s"
    return f"{minutes}m{seconds}s" if minutes else f"{seconds}s"
