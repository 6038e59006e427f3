"""What selection may answer: an account, a place in its queue, or nobody; always with the reasons.

Knows: every reason to pass an account over. Refuses to know: how the choice is made.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import msgspec

from headgate.core.ids import AccountId
from headgate.core.routing.scoring import Score
from headgate.core.routing.stickiness import Stickiness
from headgate.core.world import Account


class Reason(StrEnum):
    """Why an account was not chosen."""

    EXCLUDED = "excluded"  # failed earlier in this exchange
    DISABLED = "disabled"
    EXPIRED = "expired"
    WRONG_PROVIDER = "wrong_provider"
    NO_SUCH_DIALECT = "no_such_dialect"
    MODEL_UNSUPPORTED = "model_unsupported"
    COOLING_DOWN = "cooling_down"
    FULL = "full"
    GONE = "gone"  # the group's model routing names it, but it is no account of the group
    NOT_ROUTED = "not_routed"  # would do, but the group's model routing names others
    LEFT_HOME = "left_home"  # the conversation lives here, but staying costs more than its cache is worth
    NOT_STICKY = "not_sticky"  # would do, but the conversation lives elsewhere
    LOWER_PRIORITY = "lower_priority"
    HIGHER_LOAD = "higher_load"
    USED_MORE_RECENTLY = "used_more_recently"
    LOWER_SCORE = "lower_score"  # not among the best that were drawn from
    NOT_DRAWN = "not_drawn"  # among the best, but the draw fell on another
    LOST_TIE = "lost_tie"


class Rejection(NamedTuple):
    """A reason with its evidence; a tuple because five to fifty are made per request."""

    reason: Reason
    value: int | None = None
    """COOLING_DOWN, EXPIRED: Unix ms; FULL: requests waiting; LOWER_PRIORITY: priority; HIGHER_LOAD: percent;
    USED_MORE_RECENTLY: Unix ms of the last use."""
    detail: str = ""
    """COOLING_DOWN: what caused it."""


Rejections = Mapping[AccountId, Rejection]
Scores = Mapping[AccountId, Score]
"""Of every account that could serve; empty under the layered policy."""
NO_SCORES: Scores = {}


class Selected(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Take a slot of this account now."""

    account: Account
    upstream_model: str
    is_sticky: bool
    rejections: Rejections
    is_last_resort: bool = False
    """It is being avoided after an overload, but nobody else is left: better the provider's own answer than
    none."""
    scores: Scores = NO_SCORES
    stickiness: Stickiness | None = None
    """The balance of staying and leaving; None: nothing was to be weighed."""


class WaitFor(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Every account that would do is full: queue for this one."""

    account: Account
    upstream_model: str
    is_sticky: bool
    timeout_s: float
    max_waiting: int
    rejections: Rejections
    scores: Scores = NO_SCORES
    stickiness: Stickiness | None = None


class NoneEligible(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Nobody can serve it; `rejections` names every account and why not."""

    rejections: Rejections

    @property
    def retry_at_ms(self) -> int | None:
        """When the first account that only cools down comes back."""
        ends = [
            r.value
            for r in self.rejections.values()
            if r.reason is Reason.COOLING_DOWN and r.value is not None
        ]
        return min(ends, default=None)


Selection = Selected | WaitFor | NoneEligible
