"""The story of a request in sentences, in the order in which it happened. Pure."""

from collections.abc import Iterator, Sequence

from headgate.control.requests.schemas import (
    AdminExplanationView,
    AttemptView,
    ExplanationView,
    SelectionView,
    TariffView,
    WaitView,
)


def summary(told: ExplanationView, *, tells_amounts: bool = True) -> list[str]:
    charged = [_charge(told.tariff)] if tells_amounts and told.tariff is not None else []
    return [*_sentences(told), *charged]


def _sentences(told: ExplanationView) -> Iterator[str]:
    if not told.has_trace:
        yield "The trace is no longer kept; what follows comes from the books."
    elif told.session.rule is not None:
        yield f"The conversation was recognised by {told.session.rule}: {told.session.meaning}."
    if isinstance(told, AdminExplanationView):
        yield from (_selection(each) for each in told.selections)
    elif told.session.sticky:
        yield "It stayed where the conversation's prompt cache is."
    yield from (_wait(each) for each in told.waits)
    yield from (_attempt(each) for each in told.attempts)
    if told.answered_here is not None:
        yield f"The gateway answered it by itself ({told.answered_here}); no provider was asked."
    if told.fault is not None:
        yield f"The request ended in {told.fault.get('kind')}; to blame: {told.fault.get('blame')}."


def _selection(each: SelectionView) -> str:
    others = len(each.candidates) - (each.chosen is not None)
    if each.chosen is None:
        return f"Choice {each.number}: none of {others} accounts could serve it ({_reasons(each)})."
    choice = next(line for line in each.candidates if line.account_id == each.chosen)
    name = f"account {choice.account_id}" + (f" ({choice.account})" if choice.account else "")
    because = " because the conversation lives there" if choice.evidence.get("sticky") else ""
    if choice.score is not None:
        because += f", score {choice.score.get('total', 0):.3f}"
    passed = f"; {others} others were passed over ({_reasons(each)})" if others else ""
    return f"Choice {each.number}: {name}{because}{passed}."


def _reasons(each: SelectionView) -> str:
    counts: dict[str, int] = {}
    for line in each.candidates:
        if line.reason is not None:
            counts[line.reason] = counts.get(line.reason, 0) + 1
    return ", ".join(f"{reason} x{count}" for reason, count in sorted(counts.items())) or "no accounts"


def _wait(each: WaitView) -> str:
    what = each.waited_for or "a free account"
    got = {"SlotLease": "got it", "QueueFull": "the queue was full", "QueueTimeout": "gave up"}
    result = got.get(each.result, each.result)
    return f"It waited {each.waited_ms} ms for {what}, beginning at place {each.first_position}: {result}."


def _attempt(each: AttemptView) -> str:
    status = "" if each.status is None else f" (status {each.status})"
    took = "" if each.duration_ms is None else f" after {each.duration_ms} ms"
    if each.fault is not None:
        return f"Attempt {each.number + 1} failed with {each.fault}{status}{took}."
    tokens: Sequence[str] = ()
    if each.tokens is not None:
        tokens = (
            f"{each.tokens.input} input",
            f"{each.tokens.cache_read} cached",
            f"{each.tokens.output} output",
        )
    counted = f": {', '.join(tokens)} tokens" if tokens else ""
    return f"Attempt {each.number + 1} ended as {each.outcome}{status}{took}{counted}."


def _charge(tariff: TariffView) -> str:
    default = " (the default price: the model has none)" if tariff.is_default_price else ""
    return (
        f"List cost ${tariff.list_cost:.6f} by prices {tariff.price_version}{default},"
        f" times {tariff.rate_multiplier:g}: charged ${tariff.charge:.6f}."
    )
