"""A selection as the trace stores it: the choice first, then every other account with its reason.

Knows: names of fields. Refuses to know: how the choice is made.
"""

from collections.abc import Mapping
from typing import Any

from headgate.core.routing.scoring import Score
from headgate.core.routing.stickiness import Stickiness
from headgate.core.routing.verdicts import NoneEligible, Reason, Selection, WaitFor

_VALUE_NAMES: Mapping[Reason, str] = {
    Reason.EXPIRED: "expired_at_ms",
    Reason.COOLING_DOWN: "until_ms",
    Reason.FULL: "waiting",
    Reason.LOWER_PRIORITY: "priority",
    Reason.HIGHER_LOAD: "load_percent",
    Reason.USED_MORE_RECENTLY: "last_used_ms",
}


def explain(selection: Selection) -> list[dict[str, Any]]:
    """The decision as the trace stores it: the choice first, then every other account with its reason."""
    lines: list[dict[str, Any]] = []
    if not isinstance(selection, NoneEligible):
        choice: dict[str, Any] = {
            "account_id": selection.account.id,
            "outcome": "selected",
            "sticky": selection.is_sticky,
            "upstream_model": selection.upstream_model,
        }
        if isinstance(selection, WaitFor):
            choice |= {
                "outcome": "wait",
                "timeout_s": selection.timeout_s,
                "max_waiting": selection.max_waiting,
            }
        elif selection.is_last_resort:
            choice["last_resort"] = True
        if selection.stickiness is not None:
            choice["stickiness"] = _balance(selection.stickiness)
        if (score := selection.scores.get(selection.account.id)) is not None:
            choice["score"] = _terms(score)
        lines.append(choice)
    scores = {} if isinstance(selection, NoneEligible) else dict(selection.scores.items())
    for account_id, (reason, value, detail) in selection.rejections.items():
        # The reason itself, not its value: the trace's encoder writes the value, in a tenth of the time.
        line: dict[str, Any] = {"account_id": account_id, "outcome": "rejected", "reason": reason}
        if value is not None:
            line[_VALUE_NAMES[reason]] = value
        if detail:
            line["detail"] = detail
        if scores and (score := scores.get(account_id)) is not None:
            line["score"] = _terms(score)
        lines.append(line)
    return lines


def _balance(stickiness: Stickiness) -> dict[str, Any]:
    """What the warm cache is worth, and what staying for it costs, in nano-USD; `compared_with` null: a
    perfect account, so that the costs are upper bounds."""
    return {
        "decision": stickiness.decision,
        **({"cause": stickiness.cause} if stickiness.cause else {}),
        "compared_with": stickiness.other,
        "cache_value_nano": stickiness.value_nano,
        "minted_value_nano": stickiness.minted_nano,
        "queueing_nano": stickiness.queueing_nano,
        "errors_nano": stickiness.errors_nano,
        "slowness_nano": stickiness.slowness_nano,
        "scarcity_nano": stickiness.scarcity_nano,
    }


def _terms(score: Score) -> dict[str, float]:
    """Every term of the account's score, where the policy scores."""
    total, priority, load, queue, error_rate, ttft = score
    return {
        "total": round(total, 4),
        "priority": round(priority, 4),
        "load": round(load, 4),
        "queue": round(queue, 4),
        "error_rate": round(error_rate, 4),
        "ttft": round(ttft, 4),
    }
