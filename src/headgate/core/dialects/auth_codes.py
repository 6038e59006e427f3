"""Stable machine codes of the gateway's own refusals (spec 2.2); every dialect puts them inside its
envelope."""

from collections.abc import Mapping

from headgate.core.faults import Fault, FaultKind

CODES: Mapping[FaultKind, str] = {
    FaultKind.KEY_MISSING: "API_KEY_REQUIRED",
    FaultKind.KEY_INVALID: "INVALID_API_KEY",
    FaultKind.KEY_IN_QUERY: "api_key_in_query_deprecated",
    FaultKind.KEY_DISABLED: "API_KEY_DISABLED",
    FaultKind.KEY_EXPIRED: "API_KEY_EXPIRED",
    FaultKind.KEY_QUOTA_EXHAUSTED: "API_KEY_QUOTA_EXHAUSTED",
    FaultKind.KEY_WINDOW_EXHAUSTED: "USAGE_LIMIT_EXCEEDED",
    FaultKind.KEY_IP_DENIED: "ACCESS_DENIED",
    FaultKind.KEY_WITHOUT_GROUP: "GROUP_NOT_FOUND",
    FaultKind.GROUP_INACTIVE: "GROUP_INACTIVE",
    FaultKind.USER_INACTIVE: "USER_INACTIVE",
    FaultKind.BALANCE_INSUFFICIENT: "INSUFFICIENT_BALANCE",
    FaultKind.SUBSCRIPTION_REQUIRED: "SUBSCRIPTION_NOT_FOUND",
    FaultKind.SUBSCRIPTION_INVALID: "SUBSCRIPTION_INVALID",
    FaultKind.SUBSCRIPTION_LIMIT: "USAGE_LIMIT_EXCEEDED",
    FaultKind.MAX_COST_EXCEEDED: "MAX_COST_EXCEEDED",
    FaultKind.BUDGET_ENDED: "INSUFFICIENT_BALANCE",
}


def auth_code(fault: Fault) -> str | None:
    """The code of an authentication or billing refusal; None for every other fault."""
    if fault.kind not in CODES:
        return None
    return fault.code or CODES[fault.kind]
