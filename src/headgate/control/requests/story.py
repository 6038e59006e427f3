"""The parts of an explanation out of a trace and its records. Pure.

Traces of other versions may lack fields or hold new ones: what is missing is shown as missing, what is new
goes to `facts`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from headgate.control.requests.reasons import rule_meaning, why
from headgate.control.requests.schemas import (
    AdminAttemptView,
    AttemptView,
    CandidateView,
    SelectionView,
    SessionView,
    TariffLineView,
    TariffView,
    TokensView,
    WaitView,
)
from headgate.core.money import MULTIPLIER_ONE, to_usd
from headgate.storage.models import UsageRecordRow

Trace = Mapping[str, Any]
Names = Mapping[int, str]

_CANDIDATE = frozenset({"account_id", "outcome", "reason", "score"})
_ATTEMPT = frozenset({"n", "account_id", "upstream_model", "fault", "status", "outcome", "ms", "edits"})
_TOLD = frozenset(
    {
        "session_rule",
        "selections",
        "waits",
        "attempts",
        "bill",
        "fault",
        "reserved",
        "failover",
        "user_id",
        "answered_here",
    }
)


def parts(trace: Trace, name: str) -> list[Mapping[str, Any]]:
    """A list of objects; empty when the trace has none under this name."""
    found = trace.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def part(trace: Trace, name: str) -> Mapping[str, Any] | None:
    found = trace.get(name)
    return found if isinstance(found, dict) else None


def answered_here(trace: Trace) -> str | None:
    """What the gateway answered by itself."""
    found = trace.get("answered_here")
    return found if isinstance(found, str) else None


def other_facts(trace: Trace) -> dict[str, Any]:
    return {name: value for name, value in trace.items() if name not in _TOLD}


def selections(trace: Trace, names: Names) -> list[SelectionView]:
    found = trace.get("selections")
    views: list[SelectionView] = []
    for number, lines in enumerate(found if isinstance(found, list) else [], start=1):
        listed = [line for line in lines if isinstance(line, dict)] if isinstance(lines, list) else []
        candidates = [_candidate(line, names) for line in listed if "account_id" in line]
        chosen = [each.account_id for each in candidates if each.outcome != "rejected"]
        views.append(
            SelectionView(
                number=number,
                chosen=chosen[0] if chosen else None,
                candidates=candidates,
                more=next((more for line in listed if isinstance(more := line.get("more"), dict)), {}),
            )
        )
    return views


def account_ids(trace: Trace, records: Sequence[UsageRecordRow]) -> set[int]:
    """Everybody the story names."""
    named = {row.account_id for row in records}
    for selection in selections(trace, {}):
        named |= {each.account_id for each in selection.candidates}
    named |= {item["account_id"] for item in parts(trace, "attempts") if "account_id" in item}
    return named


def session(trace: Trace) -> SessionView:
    rule = trace.get("session_rule")
    found = trace.get("selections")
    last = found[-1] if isinstance(found, list) and found else None
    choice = last[0] if isinstance(last, list) and last and isinstance(last[0], dict) else {}
    sticky = choice.get("sticky")
    return SessionView(
        rule=rule if isinstance(rule, str) else None,
        meaning=rule_meaning(rule) if isinstance(rule, str) else "nothing says which conversation it is",
        sticky=sticky if isinstance(sticky, bool) else None,
    )


def waits(trace: Trace, *, hides_accounts: bool) -> list[WaitView]:
    def name(item: Mapping[str, Any]) -> str | None:
        waited_for = str(item.get("for", ""))
        return None if hides_accounts and waited_for.startswith("account:") else waited_for

    return [
        WaitView(
            waited_for=name(item),
            waited_ms=item.get("waited_ms", 0),
            first_position=item.get("first_position", 0),
            result=item.get("result", ""),
        )
        for item in parts(trace, "waits")
    ]


def attempts(trace: Trace, records: Sequence[UsageRecordRow], names: Names) -> list[AdminAttemptView]:
    """What was noted and what was booked, joined by the attempt's number; either may be missing."""
    noted = {item["n"]: item for item in parts(trace, "attempts") if isinstance(item.get("n"), int)}
    booked = {row.attempt: row for row in records}
    return [_attempt(n, noted.get(n, {}), booked.get(n), names) for n in sorted(noted.keys() | booked.keys())]


def for_user(attempt: AdminAttemptView) -> AttemptView:
    """Neither the account nor what the operator pays."""
    return AttemptView(**{name: getattr(attempt, name) for name in AttemptView.model_fields})


def tariff(trace: Trace) -> TariffView | None:
    bill = part(trace, "bill")
    if bill is None:
        return None
    lines = part(bill, "lines_nano") or {}
    return TariffView(
        price_version=bill.get("price_version", ""),
        is_default_price=bool(bill.get("is_default_price", False)),
        service_tier=bill.get("service_tier"),
        lines=[TariffLineView(name=name, list_cost=to_usd(amount)) for name, amount in lines.items()],
        list_cost=to_usd(bill.get("list_cost_nano", 0)),
        rate_multiplier=bill.get("charge_multiplier", MULTIPLIER_ONE) / MULTIPLIER_ONE,
        charge=to_usd(bill.get("charge_nano", 0)),
    )


def tariff_of(row: UsageRecordRow) -> TariffView:
    """The same out of a record, when the trace is gone."""
    amounts = {
        "input": row.input_cost_nano,
        "output": row.output_cost_nano,
        "cache_read": row.cache_read_cost_nano,
        "cache_write": row.cache_write_cost_nano,
        "other": row.other_cost_nano,
    }
    return TariffView(
        price_version=row.price_version,
        is_default_price=row.is_price_default,
        service_tier=row.service_tier,
        lines=[TariffLineView(name=name, list_cost=to_usd(amount)) for name, amount in amounts.items()],
        list_cost=to_usd(row.list_cost_nano),
        rate_multiplier=row.charge_multiplier / MULTIPLIER_ONE,
        charge=to_usd(row.charge_nano),
    )


def _candidate(line: Mapping[str, Any], names: Names) -> CandidateView:
    outcome, reason = line.get("outcome", "rejected"), line.get("reason")
    chosen = "every account that would do was full; it waited for this one's next slot"
    told = {"selected": "chosen", "wait": chosen}.get(outcome) or why(reason or "", line.get("detail"))
    return CandidateView(
        account_id=line["account_id"],
        account=names.get(line["account_id"]),
        outcome=outcome,
        reason=reason,
        why=told,
        evidence={name: value for name, value in line.items() if name not in _CANDIDATE},
        score=line.get("score"),
    )


def _attempt(
    number: int, noted: Mapping[str, Any], row: UsageRecordRow | None, names: Names
) -> AdminAttemptView:
    account_id = noted.get("account_id") if row is None else row.account_id
    edits = noted.get("edits", [])
    return AdminAttemptView(
        number=number,
        upstream_model=noted.get("upstream_model") if row is None else row.upstream_model,
        outcome=noted.get("outcome") if row is None else row.outcome,
        fault=noted.get("fault") if row is None else row.fault,
        status=noted.get("status"),
        duration_ms=noted.get("ms") if row is None else row.duration_ms,
        first_token_ms=None if row is None else row.first_byte_ms,
        edits=[str(edit) for edit in edits] if isinstance(edits, list) else [],
        tokens=None if row is None else _tokens(row),
        usage_source=None if row is None else row.usage_source,
        charge=None if row is None else to_usd(row.charge_nano),
        account_id=account_id,
        account=None if account_id is None else names.get(account_id),
        record_id=None if row is None else row.id,
        account_cost=None if row is None else to_usd(row.account_cost_nano),
        upstream_request_id=None if row is None else row.upstream_request_id,
        facts={name: value for name, value in noted.items() if name not in _ATTEMPT},
    )


def _tokens(row: UsageRecordRow) -> TokensView:
    return TokensView(
        input=row.input_tokens,
        output=row.output_tokens,
        reasoning=row.reasoning_tokens,
        cache_read=row.cache_read_tokens,
        cache_write_5m=row.cache_write_5m_tokens,
        cache_write_1h=row.cache_write_1h_tokens,
        images=row.image_count,
        audio_input=row.audio_input_tokens,
        audio_output=row.audio_output_tokens,
        web_search_calls=row.web_search_calls,
    )
