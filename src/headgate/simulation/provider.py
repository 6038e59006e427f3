"""What providers do in a simulation: how fast, how much a minute, when they fail, what their caches hold.

Deterministic: chance comes from the seed and the request's name, not from the order of events, so that two
configurations meet the same luck.
"""

from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from headgate.core.faults import Fault, FaultKind
from headgate.core.limits.token_bucket import RateCharge, drawn, refilled, wait_ms
from headgate.core.usage import TokenUsage
from headgate.core.world import Account, Provider
from headgate.simulation.traffic import SimulatedRequest

Spell = tuple[float, float]
"""From and to, in seconds since the beginning."""


class Behaviour(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one account's provider."""

    requests_per_minute: int = 0
    """What the provider allows; 0 = no limit."""
    tokens_per_minute: int = 0
    ttft_ms: int = 700
    """To the first token, without what reading takes."""
    read_tokens_per_s: int = 8_000
    """Of input that is not cached."""
    output_tokens_per_s: int = 70
    error_rate: float = 0.0
    """Share of requests that end in a 500."""
    overload_rate: float = 0.0
    """Share that ends in a 529 (503 for others than Anthropic)."""
    down: tuple[Spell, ...] = ()
    """When it cannot be reached."""
    bad_credential: tuple[Spell, ...] = ()
    """When it answers 401."""
    cache_ttl_s: int = 300


class Behaviours(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of all of them: by the account's name, else the default."""

    default: Behaviour = Behaviour()
    accounts: Mapping[str, Behaviour] = {}

    def of(self, account: Account) -> Behaviour:
        return self.accounts.get(account.name, self.default)


class SimulatedProvider:
    """All providers of one run."""

    def __init__(self, behaviours: Behaviours, seed: int) -> None:
        self._behaviours = behaviours
        self._seed = seed
        self._spent: dict[str, tuple[int, int]] = {}
        """Bucket -> what is spent of it, and when that was."""
        self._cached: dict[tuple[int, str, str], tuple[int, int]] = {}
        """Account, model and conversation -> tokens, and until when."""

    def refusal(self, account: Account, request: SimulatedRequest, name: str, now_ms: int) -> Fault | None:
        """Why the account does not answer; None: it does. `now_ms` counts from the beginning."""
        behaviour = self._behaviours.of(account)
        if _within(behaviour.down, now_ms):
            return Fault(kind=FaultKind.UPSTREAM_UNREACHABLE, message="simulated outage")
        if _within(behaviour.bad_credential, now_ms):
            return _fault(FaultKind.UPSTREAM_AUTH, 401)
        if (wait := self._wait_ms(account, behaviour, request, now_ms)) > 0:
            return _fault(FaultKind.UPSTREAM_RATE_LIMITED, 429, retry_after_s=-(-wait // 1000))
        chance = self._chance(f"{name}:{account.name}")
        if chance < behaviour.overload_rate:
            status = 529 if account.provider is Provider.ANTHROPIC else 503
            return _fault(FaultKind.UPSTREAM_OVERLOADED, status)
        if chance < behaviour.overload_rate + behaviour.error_rate:
            return _fault(FaultKind.UPSTREAM_ERROR, 500)
        return None

    def usage(self, account: Account, request: SimulatedRequest, model: str, now_ms: int) -> TokenUsage:
        """What the answer will be billed for, and what the account has cached from now on."""
        key = (account.id, model, f"{request.user}\0{request.session}")
        tokens, until_ms = self._cached.get(key, (0, 0))
        warm = min(tokens, request.cacheable_tokens) if request.session and until_ms > now_ms else 0
        if request.session and request.cacheable_tokens:
            ttl_ms = self._behaviours.of(account).cache_ttl_s * 1000
            self._cached[key] = (request.cacheable_tokens, now_ms + ttl_ms)
        written = request.cacheable_tokens - warm if account.provider is Provider.ANTHROPIC else 0
        return TokenUsage(
            input=request.input_tokens - warm - written,
            cache_read=warm,
            cache_write_5m=written,
            output=request.output_tokens,
        )

    def times_ms(self, account: Account, request: SimulatedRequest, usage: TokenUsage) -> tuple[int, int]:
        """To the first token, and from there to the end."""
        behaviour = self._behaviours.of(account)
        fresh = usage.input + usage.cache_write_5m
        ttft = behaviour.ttft_ms + fresh * 1000 // max(1, behaviour.read_tokens_per_s)
        if request.ttft_ms is not None:
            ttft = request.ttft_ms
        rest = request.output_tokens * 1000 // max(1, behaviour.output_tokens_per_s)
        if request.duration_ms is not None:
            rest = max(0, request.duration_ms - (request.ttft_ms or 0))
        return ttft, rest

    def _wait_ms(self, account: Account, behaviour: Behaviour, request: SimulatedRequest, now_ms: int) -> int:
        tokens = request.input_tokens + request.output_tokens
        limits = (
            ("rpm", behaviour.requests_per_minute, 1),
            ("tpm", behaviour.tokens_per_minute, tokens),
        )
        charges = [
            RateCharge(bucket=f"{account.id}:{kind}", limit=limit, amount=amount)
            for kind, limit, amount in limits
            if limit > 0
        ]
        spent = {charge.bucket: self._level(charge, now_ms) for charge in charges}
        longest = max((wait_ms(spent[charge.bucket], charge) for charge in charges), default=0)
        if longest == 0:
            for charge in charges:
                self._spent[charge.bucket] = (drawn(spent[charge.bucket], charge), now_ms)
        return longest

    def _level(self, charge: RateCharge, now_ms: int) -> int:
        spent, at_ms = self._spent.get(charge.bucket, (0, now_ms))
        return refilled(spent, limit=charge.limit, elapsed_ms=now_ms - at_ms)

    def _chance(self, name: str) -> float:
        digest = blake2b(f"{self._seed}:{name}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "big") / 2**64


def _within(spells: tuple[Spell, ...], now_ms: int) -> bool:
    return any(begin * 1000 <= now_ms < end * 1000 for begin, end in spells)


def _fault(kind: FaultKind, status: int, *, retry_after_s: int | None = None) -> Fault:
    return Fault(
        kind=kind, message=f"simulated {status}", upstream_status=status, retry_after_s=retry_after_s
    )
