"""Traffic: what was or might be asked. Lines of JSON, or generated from a seed. Pure but for the seed.

A line is one request: when it came, whose it was, which conversation, how much it read and wrote. No prompt
is needed, and none is there.
"""

import random
from collections.abc import Iterable, Iterator, Sequence

import msgspec

MAX_REQUESTS = 1_000_000


class SimulatedRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    at_ms: int
    """From the beginning."""
    user: str
    group: str
    model: str
    session: str = ""
    """Names the conversation within its user; empty: none."""
    input_tokens: int
    """All of it, cached or not."""
    cacheable_tokens: int = 0
    """How much of the input a prompt cache can serve the next time."""
    output_tokens: int
    ttft_ms: int | None = None
    """As measured; None: by the provider's model."""
    duration_ms: int | None = None
    stream: bool = True


class TrafficUnreadable(ValueError):
    """The message names the line."""


def read_traffic(lines: Iterable[bytes]) -> list[SimulatedRequest]:
    """In order of time, beginning at 0. Raises `TrafficUnreadable`."""
    decoder = msgspec.json.Decoder(SimulatedRequest)
    found: list[SimulatedRequest] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            request = decoder.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
            raise TrafficUnreadable(f"line {number}: {error}") from None
        _require_possible(number, request)
        found.append(request)
        if len(found) > MAX_REQUESTS:
            raise TrafficUnreadable(f"more than {MAX_REQUESTS} requests")
    if not found:
        raise TrafficUnreadable("no requests")
    return from_zero(found)


def from_zero(requests: Sequence[SimulatedRequest]) -> list[SimulatedRequest]:
    ordered = sorted(requests, key=lambda request: request.at_ms)
    begin = ordered[0].at_ms
    return [msgspec.structs.replace(request, at_ms=request.at_ms - begin) for request in ordered]


def _require_possible(number: int, request: SimulatedRequest) -> None:
    counts = (request.input_tokens, request.cacheable_tokens, request.output_tokens)
    if min(counts) < 0 or max(counts) > 10**8:
        raise TrafficUnreadable(f"line {number}: token counts must be between 0 and 100,000,000")
    if request.cacheable_tokens > request.input_tokens:
        raise TrafficUnreadable(f"line {number}: cacheable_tokens is more than input_tokens")
    if not 0 <= request.at_ms < 2**52:
        raise TrafficUnreadable(f"line {number}: at_ms is no instant")
    if min(request.ttft_ms or 0, request.duration_ms or 0) < 0:
        raise TrafficUnreadable(f"line {number}: ttft_ms and duration_ms must not be negative")


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What generated traffic looks like: people in conversations that grow by each turn."""

    group: str
    model: str = "claude-sonnet-5-5"
    users: int = 10
    sessions_per_user: int = 4
    turns: int = 8
    minutes: float = 30
    """Within which conversations begin."""
    think_s: float = 40
    """Between the turns of a conversation, on average."""
    system_tokens: int = 12_000
    turn_tokens: int = 1_500
    output_tokens: int = 600


def generate(profile: Profile, seed: int) -> list[SimulatedRequest]:
    """The same for the same seed, on every machine."""
    draw = random.Random(seed)  # noqa: S311 - traffic, not secrets
    return from_zero(list(_conversations(profile, draw)))


def _conversations(profile: Profile, draw: random.Random) -> Iterator[SimulatedRequest]:
    for user in range(profile.users):
        for session in range(profile.sessions_per_user):
            at_s = draw.uniform(0, profile.minutes * 60)
            context = profile.system_tokens
            for _ in range(profile.turns):
                asked = context + max(1, round(draw.gauss(profile.turn_tokens, profile.turn_tokens / 3)))
                output = max(1, round(draw.expovariate(1 / profile.output_tokens)))
                yield SimulatedRequest(
                    at_ms=round(at_s * 1000),
                    user=f"user-{user + 1}",
                    group=profile.group,
                    model=profile.model,
                    session=f"{user + 1}-{session + 1}",
                    input_tokens=asked,
                    cacheable_tokens=asked,
                    output_tokens=output,
                )
                context = asked + output
                at_s += 2 + draw.expovariate(1 / profile.think_s)
