"""A selection as the trace stores it: the choice first, then every other account with its reason; of a large
group the first few of each reason, and how many more there were.

Knows: names of fields, how much is kept. Refuses to know: how the choice is made. Invariants: no account goes
uncounted; what is kept of a group of any size is bounded.
"""

from collections.abc import Collection, Mapping
from typing import Any

from headgate.core.ids import AccountId
from headgate.core.routing.justification import ScoresWhenRead
from headgate.core.routing.scoring import Score
from headgate.core.routing.stickiness import Stickiness
from headgate.core.routing.verdicts import (
    NoneEligible,
    Reason,
    Rejection,
    Rejections,
    Scores,
    Selected,
    Selection,
    WaitFor,
)

MOST_LINES = 50
"""Of a group of more accounts not all are kept."""
PER_REASON = 8
"""Are kept then."""

_VALUE_NAMES: Mapping[Reason, str] = {
    Reason.EXPIRED: "expired_at_ms",
    Reason.COOLING_DOWN: "until_ms",
    Reason.FULL: "waiting",
    Reason.LOWER_PRIORITY: "priority",
    Reason.HIGHER_LOAD: "load_percent",
    Reason.USED_MORE_RECENTLY: "last_used_ms",
}


def explain(selection: Selection) -> list[dict[str, Any]]:
    """The decision as the trace stores it: the choice first, then the other accounts with their reasons, then
    what was left out (`more`), counted by reason."""
    kept, more = _kept(selection.rejections)
    scores: Scores = {}
    lines: list[dict[str, Any]] = []
    if not isinstance(selection, NoneEligible):
        scores = _scores(selection.scores, [selection.account.id, *kept], of_all=not more)
        lines.append(_choice(selection, scores))
    for account_id, (reason, value, detail) in kept.items():
        # The reason itself, not its value: the trace's encoder writes the value, in a tenth of the time.
        line: dict[str, Any] = {"account_id": account_id, "outcome": "rejected", "reason": reason}
        if value is not None:
            line[_VALUE_NAMES[reason]] = value
        if detail:
            line["detail"] = detail
        if scores and (score := scores.get(account_id)) is not None:
            line["score"] = _terms(score)
        lines.append(line)
    if more:
        lines.append({"more": more})
    return lines


def _choice(selection: Selected | WaitFor, scores: Scores) -> dict[str, Any]:
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
    if (score := scores.get(selection.account.id)) is not None:
        choice["score"] = _terms(score)
    return choice


def _kept(rejections: Rejections) -> tuple[Mapping[AccountId, Rejection], Mapping[str, int]]:
    """What is told of each account, and how many others there were by reason."""
    if len(rejections) <= MOST_LINES:
        return rejections, {}
    kept: dict[AccountId, Rejection] = {}
    counts: dict[int, int] = {}
    reasons: dict[int, Reason] = {}
    for account_id, rejection in rejections.items():
        reason = rejection[0]
        name = id(reason)  # members of an enum hash slowly
        count = counts[name] = counts.get(name, 0) + 1
        if count <= PER_REASON:
            kept[account_id] = rejection
            reasons[name] = reason
    more = {reason.value: counts[name] - PER_REASON for name, reason in reasons.items()}
    return kept, {reason: count for reason, count in more.items() if count > 0}


def _scores(scores: Scores, accounts: Collection[AccountId], *, of_all: bool) -> Scores:
    if isinstance(scores, ScoresWhenRead) and not of_all:
        return scores.of(accounts)
    return dict(scores.items())


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
        "total": int(total * _SCALE + 0.5) / _SCALE,
        "priority": int(priority * _SCALE + 0.5) / _SCALE,
        "load": int(load * _SCALE + 0.5) / _SCALE,
        "queue": int(queue * _SCALE + 0.5) / _SCALE,
        "error_rate": int(error_rate * _SCALE + 0.5) / _SCALE,
        "ttft": int(ttft * _SCALE + 0.5) / _SCALE,
    }


_SCALE = 10_000
"""Four decimals; terms are not below zero. `round` takes four times as long."""
