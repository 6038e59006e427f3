"""Classified failures of the data plane: one closed enum, rendered by each dialect in its own envelope.

Knows: every kind of failure, whose fault it is, whether another attempt may help, and its HTTP status.
Refuses to know: envelopes, Python exceptions, HTTP clients. Invariant: no secret and no prompt is ever in
`message`. Sources: spec 2.2, 2.3, 2.4, 3.9.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Retry = Literal["retry", "switch", "stop"]


class Blame(StrEnum):
    CLIENT = "client"
    ACCOUNT = "account"
    UPSTREAM = "upstream"
    GATEWAY = "gateway"


class FaultKind(StrEnum):
    """Every way in which an exchange or an attempt can fail."""

    # the caller's request, before any upstream call
    KEY_MISSING = "key_missing"
    KEY_INVALID = "key_invalid"
    KEY_IN_QUERY = "key_in_query"
    KEY_DISABLED = "key_disabled"
    KEY_EXPIRED = "key_expired"
    KEY_QUOTA_EXHAUSTED = "key_quota_exhausted"
    KEY_WINDOW_EXHAUSTED = "key_window_exhausted"
    KEY_IP_DENIED = "key_ip_denied"
    KEY_WITHOUT_GROUP = "key_without_group"
    GROUP_INACTIVE = "group_inactive"
    GROUP_WRONG_PLATFORM = "group_wrong_platform"
    USER_INACTIVE = "user_inactive"
    BALANCE_INSUFFICIENT = "balance_insufficient"
    SUBSCRIPTION_REQUIRED = "subscription_required"
    SUBSCRIPTION_INVALID = "subscription_invalid"  # expired, suspended, not begun
    SUBSCRIPTION_LIMIT = "subscription_limit"  # a window is used up
    MAX_COST_EXCEEDED = "max_cost_exceeded"  # the caller's own x-headgate-max-cost
    BUDGET_ENDED = "budget_ended"  # a running stream could not be covered any further
    REQUEST_INVALID = "request_invalid"
    REQUEST_TOO_LARGE = "request_too_large"
    REQUEST_TIMEOUT = "request_timeout"
    CONTENT_TYPE_UNSUPPORTED = "content_type_unsupported"
    HEADERS_TOO_LARGE = "headers_too_large"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    UPGRADE_REQUIRED = "upgrade_required"
    MODEL_NOT_FOUND = "model_not_found"
    RATE_LIMITED = "rate_limited"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"
    # nobody to serve it
    NO_ACCOUNT = "no_account"
    CLIENT_NOT_ALLOWED = "client_not_allowed"  # the group is for another client program
    PRICE_UNKNOWN = "price_unknown"
    # the upstream call
    UPSTREAM_REQUEST_REJECTED = (
        "upstream_request_rejected"  # 400, 413, 422: the request is at fault; passed through
    )
    UPSTREAM_NOT_FOUND = "upstream_not_found"  # 404: model or object unknown there; passed through
    UPSTREAM_AUTH = "upstream_auth"  # 401
    UPSTREAM_PAYMENT = "upstream_payment"  # 402
    UPSTREAM_FORBIDDEN = "upstream_forbidden"  # 403
    UPSTREAM_RATE_LIMITED = "upstream_rate_limited"  # 429
    UPSTREAM_OVERLOADED = "upstream_overloaded"  # 529, 503 overloaded
    UPSTREAM_ERROR = "upstream_error"  # other 5xx and unknown statuses
    UPSTREAM_UNREACHABLE = "upstream_unreachable"  # connect, TLS, proxy
    UPSTREAM_ADDRESS_REFUSED = "upstream_address_refused"  # the address guard said no
    UPSTREAM_TIMEOUT = "upstream_timeout"  # no header, or idle stream
    UPSTREAM_CUT = "upstream_cut"  # the answer broke off
    UPSTREAM_MALFORMED = "upstream_malformed"  # not parseable, or larger than a limit
    # us
    CLIENT_GONE = "client_gone"
    STATE_UNAVAILABLE = "state_unavailable"
    STORAGE_UNAVAILABLE = "storage_unavailable"
    SHUTTING_DOWN = "shutting_down"
    INTERNAL = "internal"

    @property
    def http_status(self) -> int:
        return _TABLE[self][0]

    @property
    def blame(self) -> Blame:
        return _TABLE[self][1]

    @property
    def retry(self) -> Retry:
        """What may help before the commit point: the same account, another account, or nothing."""
        return _TABLE[self][2]


_C, _A, _U, _G = Blame.CLIENT, Blame.ACCOUNT, Blame.UPSTREAM, Blame.GATEWAY
_TABLE: dict[FaultKind, tuple[int, Blame, Retry]] = {
    FaultKind.KEY_MISSING: (401, _C, "stop"),
    FaultKind.KEY_INVALID: (401, _C, "stop"),
    FaultKind.KEY_IN_QUERY: (400, _C, "stop"),
    FaultKind.KEY_DISABLED: (401, _C, "stop"),
    FaultKind.KEY_EXPIRED: (403, _C, "stop"),
    FaultKind.KEY_QUOTA_EXHAUSTED: (429, _C, "stop"),
    FaultKind.KEY_WINDOW_EXHAUSTED: (429, _C, "stop"),
    FaultKind.KEY_IP_DENIED: (403, _C, "stop"),
    FaultKind.KEY_WITHOUT_GROUP: (403, _C, "stop"),
    FaultKind.GROUP_INACTIVE: (403, _C, "stop"),
    FaultKind.GROUP_WRONG_PLATFORM: (400, _C, "stop"),
    FaultKind.USER_INACTIVE: (401, _C, "stop"),
    FaultKind.BALANCE_INSUFFICIENT: (403, _C, "stop"),
    FaultKind.SUBSCRIPTION_REQUIRED: (403, _C, "stop"),
    FaultKind.SUBSCRIPTION_INVALID: (403, _C, "stop"),
    FaultKind.SUBSCRIPTION_LIMIT: (429, _C, "stop"),
    FaultKind.MAX_COST_EXCEEDED: (400, _C, "stop"),
    FaultKind.BUDGET_ENDED: (403, _C, "stop"),
    FaultKind.REQUEST_INVALID: (400, _C, "stop"),
    FaultKind.REQUEST_TOO_LARGE: (413, _C, "stop"),
    FaultKind.REQUEST_TIMEOUT: (408, _C, "stop"),
    FaultKind.CONTENT_TYPE_UNSUPPORTED: (415, _C, "stop"),
    FaultKind.HEADERS_TOO_LARGE: (431, _C, "stop"),
    FaultKind.NOT_FOUND: (404, _C, "stop"),
    FaultKind.METHOD_NOT_ALLOWED: (405, _C, "stop"),
    FaultKind.UPGRADE_REQUIRED: (426, _C, "stop"),
    FaultKind.MODEL_NOT_FOUND: (404, _C, "stop"),
    FaultKind.RATE_LIMITED: (429, _C, "stop"),
    FaultKind.QUEUE_FULL: (429, _C, "stop"),
    FaultKind.QUEUE_TIMEOUT: (429, _C, "stop"),
    FaultKind.NO_ACCOUNT: (503, _G, "stop"),
    FaultKind.CLIENT_NOT_ALLOWED: (503, _G, "stop"),
    FaultKind.PRICE_UNKNOWN: (503, _G, "stop"),
    FaultKind.UPSTREAM_REQUEST_REJECTED: (400, _C, "stop"),
    FaultKind.UPSTREAM_NOT_FOUND: (404, _C, "stop"),
    FaultKind.UPSTREAM_AUTH: (502, _A, "switch"),
    FaultKind.UPSTREAM_PAYMENT: (502, _A, "switch"),
    FaultKind.UPSTREAM_FORBIDDEN: (502, _A, "switch"),
    FaultKind.UPSTREAM_RATE_LIMITED: (429, _A, "switch"),
    FaultKind.UPSTREAM_OVERLOADED: (503, _U, "switch"),
    FaultKind.UPSTREAM_ERROR: (502, _U, "switch"),
    FaultKind.UPSTREAM_UNREACHABLE: (502, _U, "switch"),
    FaultKind.UPSTREAM_ADDRESS_REFUSED: (502, _G, "switch"),
    FaultKind.UPSTREAM_TIMEOUT: (504, _U, "switch"),
    FaultKind.UPSTREAM_CUT: (502, _U, "switch"),
    FaultKind.UPSTREAM_MALFORMED: (502, _U, "switch"),
    FaultKind.CLIENT_GONE: (499, _C, "stop"),
    FaultKind.STATE_UNAVAILABLE: (503, _G, "stop"),
    FaultKind.STORAGE_UNAVAILABLE: (503, _G, "stop"),
    FaultKind.SHUTTING_DOWN: (503, _G, "stop"),
    FaultKind.INTERNAL: (500, _G, "stop"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownError:
    """What the client sees of a provider's refusal, by an operator's rule (core/error_rules.py)."""

    status: int
    message: str
    rule_id: int
    is_unmonitored: bool = False
    """It is expected: counted apart from failures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One classified failure. `message` is safe for the client; `upstream_*` are for the operator's trace."""

    kind: FaultKind
    message: str
    retry_after_s: int | None = None
    upstream_status: int | None = None
    upstream_body: bytes | None = None
    """The provider's own error body, only kept where it may be passed through verbatim (400, 404)."""
    upstream_content_type: str | None = None
    code: str | None = None
    """Stable machine code of the flat auth errors (spec 2.2), e.g. `INVALID_API_KEY`."""
    shown: ShownError | None = None
    """Shown instead, as `upstream_error`."""

    @property
    def shown_status(self) -> int:
        """HTTP status of the answer."""
        if self.shown is not None:
            return self.shown.status
        if self.upstream_body is not None and self.upstream_status:
            return self.upstream_status
        return self.kind.http_status

    @property
    def shown_message(self) -> str:
        return self.message if self.shown is None else self.shown.message

    @property
    def passed_body(self) -> bytes | None:
        """The provider's body, where it is what the client sees."""
        return self.upstream_body if self.shown is None else None


class RelayError(Exception):
    """Carries a fault through the shell to the one place that renders it."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.kind.value)
        self.fault = fault
