"""A selection as the trace stores it: the choice first, then every other account with its reason.

Knows: names of fields. Refuses to know: how the choice is made.
"""

from collections.abc import Mapping
from typing import Any

from headgate.core.ids import AccountId
from headgate.core.routing.scoring import Score
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
        _add_score(choice, selection, selection.account.id)
        lines.append(choice)
    for account_id, rejection in selection.rejections.items():
        line: dict[str, Any] = {
            "account_id": account_id,
            "outcome": "rejected",
            "reason": rejection.reason.value,
        }
        if rejection.value is not None:
            line[_VALUE_NAMES[rejection.reason]] = rejection.value
        if rejection.detail:
            line["detail"] = rejection.detail
        _add_score(line, selection, account_id)
        lines.append(line)
    return lines


def _add_score(line: dict[str, Any], selection: Selection, account_id: AccountId) -> None:
    """Every term of the account's score, where the policy scores."""
    score = None if isinstance(selection, NoneEligible) else selection.scores.get(account_id)
    if score is not None:
        line["score"] = dict(zip(Score._fields, [round(value, 4) for value in score], strict=True))
