"""The numbers that Prometheus scrapes, read back by its own parser."""

from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from headgate.core.usage import TokenUsage
from headgate.observability.metrics import RelayMetrics, render
from headgate.storage.journal import Settlement
from tests.storage.books import intent, settlement


def samples(metrics: RelayMetrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    families = text_string_to_metric_families(render(metrics).decode())
    return {(s.name, frozenset(s.labels.items())): s.value for family in families for s in family.samples}


def sample(metrics: RelayMetrics, name: str, **labels: str) -> float:
    return samples(metrics)[name, frozenset(labels.items())]


def booked(model: str = "m", **changes: object) -> Settlement:
    return replace(settlement(intent(upstream_model=model)), **changes)


def test_exchanges_are_counted_by_result() -> None:
    metrics = RelayMetrics()
    for status in ("ok", "ok", "rate_limited"):
        metrics.finished("gemini", "generate", status, 0.2)
    labels = {"dialect": "gemini", "operation": "generate"}
    assert sample(metrics, "headgate_exchanges_total", **labels, status="ok") == 2
    assert sample(metrics, "headgate_exchanges_total", **labels, status="rate_limited") == 1


def test_durations_fall_into_cumulative_buckets() -> None:
    metrics = RelayMetrics()
    for seconds in (0.005, 0.2, 1000):
        metrics.finished("gemini", "generate", "ok", seconds)
    name = "headgate_exchange_seconds_bucket"
    assert sample(metrics, name, dialect="gemini", le="0.005") == 1
    assert sample(metrics, name, dialect="gemini", le="0.25") == 2
    assert sample(metrics, name, dialect="gemini", le="600.0") == 2
    assert sample(metrics, name, dialect="gemini", le="+Inf") == 3


def test_a_histogram_tells_how_many_and_how_long_in_all() -> None:
    metrics = RelayMetrics()
    metrics.finished("gemini", "generate", "ok", 0.5)
    metrics.finished("gemini", "generate", "ok", 1.5)
    assert sample(metrics, "headgate_exchange_seconds_count", dialect="gemini") == 2
    assert sample(metrics, "headgate_exchange_seconds_sum", dialect="gemini") == 2.0


def test_tokens_are_counted_by_bucket_and_model() -> None:
    metrics = RelayMetrics()
    usage = TokenUsage(input=10, output=20, cache_read=5, cache_write_5m=3, cache_write_1h=4)
    metrics.settled(booked(usage=usage))
    metrics.settled(booked(usage=usage))
    counted = {
        bucket: sample(metrics, "headgate_tokens_total", model="m", bucket=bucket)
        for bucket in ("input", "output", "cache_read", "cache_write")
    }
    assert counted == {"input": 20, "output": 40, "cache_read": 10, "cache_write": 14}


def test_money_is_told_in_usd() -> None:
    metrics = RelayMetrics()
    metrics.settled(settlement(intent(upstream_model="m"), charge=2_000_000_000, account_cost=500_000_000))
    assert sample(metrics, "headgate_cost_usd_total", model="m", kind="charge") == 2.0
    assert sample(metrics, "headgate_cost_usd_total", model="m", kind="account") == 0.5


def test_attempts_are_counted_by_fault_or_outcome() -> None:
    metrics = RelayMetrics()
    metrics.settled(booked())
    metrics.settled(booked(outcome="failed", fault="upstream_cut"))
    dialect = "anthropic_messages"
    assert sample(metrics, "headgate_attempts_total", dialect=dialect, outcome="completed") == 1
    assert sample(metrics, "headgate_attempts_total", dialect=dialect, outcome="upstream_cut") == 1


def test_the_first_byte_is_timed_where_there_was_one() -> None:
    metrics = RelayMetrics()
    metrics.settled(booked(first_byte_ms=300))
    metrics.settled(booked(first_byte_ms=None))
    assert sample(metrics, "headgate_first_byte_seconds_count", dialect="anthropic_messages") == 1
    assert sample(metrics, "headgate_first_byte_seconds_sum", dialect="anthropic_messages") == 0.3


def test_models_that_callers_invent_do_not_grow_the_labels_without_end() -> None:
    metrics = RelayMetrics()
    for number in range(500):
        metrics.settled(booked(f"model-{number}"))
    models = {dict(labels)["model"] for name, labels in samples(metrics) if name == "headgate_tokens_total"}
    assert len(models) == 201
    assert sample(metrics, "headgate_tokens_total", model="other", bucket="input") == 300 * 10


def test_a_known_model_keeps_its_name_after_the_limit() -> None:
    metrics = RelayMetrics()
    for number in [*range(300), 0]:
        metrics.settled(booked(f"model-{number}"))
    assert sample(metrics, "headgate_tokens_total", model="model-0", bucket="input") == 20


def test_a_cooldown_is_active_until_its_end() -> None:
    metrics = RelayMetrics()
    metrics.account_marked(7, "rate_limited", until_ms=1000)
    metrics.account_marked(7, "overloaded", until_ms=500)
    assert [metrics.cooling(now) for now in (0, 600, 1000)] == [1, 1, 0]


def test_marks_of_accounts_are_counted_by_reason() -> None:
    metrics = RelayMetrics()
    metrics.account_marked(7, "rate_limited", until_ms=1000)
    assert sample(metrics, "headgate_account_marks_total", account="7", reason="rate_limited") == 1


def test_live_values_are_read_when_scraped() -> None:
    metrics, held = RelayMetrics(), [3.0]
    metrics.gauges["headgate_slots_held"] = ("Slots", lambda: held[0])
    held[0] = 5.0
    metrics.in_flight = 2
    assert sample(metrics, "headgate_slots_held") == 5.0
    assert sample(metrics, "headgate_exchanges_in_flight") == 2


def test_a_model_name_full_of_quotes_and_newlines_breaks_nothing() -> None:
    metrics = RelayMetrics()
    metrics.settled(booked('a"b\\c\nd'))
    assert sample(metrics, "headgate_tokens_total", model='a"b\\c\nd', bucket="input") == 10


def test_counts_of_other_parts_are_read_when_scraped() -> None:
    metrics = RelayMetrics()
    metrics.counters["headgate_idempotency_keys"] = ("Keys", lambda: {"claim": 3, "replay": 0})
    text = render(metrics).decode()
    assert 'headgate_idempotency_keys_total{event="claim"} 3.0' in text
    assert 'headgate_idempotency_keys_total{event="replay"} 0.0' in text
