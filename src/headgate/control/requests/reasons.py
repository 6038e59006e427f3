"""What rejections and session rules mean, in a sentence. Pure.

Knows: every reason of `core.routing.verdicts`. Refuses to know: stores, HTTP.
"""

from collections.abc import Mapping

from headgate.core.limits.account_limits import RATE, RPM, SESSIONS, WINDOW_COST
from headgate.core.limits.quota_pacing import QUOTA_PACING
from headgate.core.routing.verdicts import Reason

WHY: Mapping[str, str] = {
    Reason.EXCLUDED: "it had failed earlier in this request",
    Reason.DISABLED: "it is switched off or waits for an administrator",
    Reason.EXPIRED: "its expiry is over",
    Reason.WRONG_PROVIDER: "it is an account of another provider",
    Reason.NO_SUCH_DIALECT: "it does not speak the client's dialect",
    Reason.MODEL_UNSUPPORTED: "it does not serve the model",
    Reason.COOLING_DOWN: "it was cooling down",
    Reason.FULL: "all its slots were taken",
    Reason.GONE: "the group's model routing names it, but it is no account of the group",
    Reason.NOT_ROUTED: "the group's model routing names other accounts for the model",
    Reason.NOT_STICKY: "the conversation lives on another account",
    Reason.LEFT_HOME: "the conversation lives there, but staying cost more than its warm cache was worth",
    Reason.LOWER_PRIORITY: "accounts of a better priority were free",
    Reason.HIGHER_LOAD: "others carried less load",
    Reason.USED_MORE_RECENTLY: "others had been idle for longer",
    Reason.LOWER_SCORE: "it was not among the best by score",
    Reason.NOT_DRAWN: "it was among the best, but the draw fell on another",
    Reason.LOST_TIE: "it was as good as the chosen one, and lost the tie",
}

_RULES: Mapping[str, str] = {
    "previous_response_id": "the request continues an answer that one account made",
    "gemini-cli": "the Gemini CLI's installation and the beginning of the conversation",
    "prompt_cache_key": "the client named its prompt cache",
    "metadata.user_id": "the session id inside metadata.user_id",
    "user": "the client named its end user",
    "cache_control": "the content that is marked for the prompt cache",
    "conversation_seed": "the beginning of the conversation",
}


_CAUSES: Mapping[str, str] = {
    QUOTA_PACING: "its quota window is used faster than it lasts, and the key is a background key",
    WINDOW_COST: "it had reached its limit on what a five-hour window may cost",
    RPM: "it had reached its requests a minute",
    SESSIONS: "it had reached its limit on conversations at a time",
    RATE: "it had reached its requests or tokens a minute",
}
"""Of accounts that are left alone for a while, where the cause says more than the reason."""


def why(reason: str, cause: object = None) -> str:
    """Of a reason that this version does not know (an older or newer trace): the reason itself."""
    if isinstance(cause, str) and cause in _CAUSES:
        return _CAUSES[cause]
    return WHY.get(reason, reason.replace("_", " "))


def rule_meaning(rule: str) -> str:
    """By what a conversation was recognised."""
    return _RULES.get(rule, f"the header {rule}")
