"""A limit on requests and tokens a minute, whoever has it: key, user, group, account, model on an account."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimit:
    """Requests and tokens a minute; 0 = unlimited."""

    requests: int = 0
    tokens: int = 0

    @property
    def is_unlimited(self) -> bool:
        return self.requests <= 0 and self.tokens <= 0


UNLIMITED_RATE = RateLimit()
