"""Numbers of the data plane for Prometheus: plain counters on the hot path, rendered only when scraped.

prometheus-client's own counters cost about a microsecond per touch; these cost a dictionary access. Labels
are bounded: models beyond the first 200 are counted as `other`.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from headgate.storage.journal import Settlement

_BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_MOST_MODELS = 200

GaugeReader = Callable[[], float]
CountsReader = Callable[[], Mapping[str, int]]


class LabelledGauge(NamedTuple):
    """Live values by labels, read when scraped."""

    help: str
    labels: tuple[str, ...]
    read: Callable[[], Iterable[tuple[tuple[str, ...], float]]]


class _Histogram:
    __slots__ = ("buckets", "total")

    def __init__(self) -> None:
        self.buckets = [0] * (len(_BOUNDS_S) + 1)
        self.total = 0.0

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(_BOUNDS_S, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        running, out = 0, []
        for bound, count in zip((*map(str, _BOUNDS_S), "+Inf"), self.buckets, strict=True):
            running += count
            out.append((bound, float(running)))
        return out


class RelayMetrics:
    """Counters of one process. Costs are nano-USD inside and USD when scraped."""

    def __init__(self) -> None:
        self._requests: dict[tuple[str, str, str], int] = {}
        self._attempts: dict[tuple[str, str], int] = {}
        self._tokens: dict[tuple[str, str], int] = {}
        self._costs: dict[str, list[int]] = {}
        self._cache_saved: dict[str, int] = {}
        self._cache_lost: dict[str, int] = {}
        self._marks: dict[tuple[str, str], int] = {}
        self._cooling: dict[int, int] = {}
        self._models: set[str] = set()
        self._first_byte: dict[str, _Histogram] = {}
        self._duration: dict[str, _Histogram] = {}
        self.in_flight = 0
        self.gauges: dict[str, tuple[str, GaugeReader]] = {}
        """Name -> (help, reader): live values of other parts (slots, queue, settlement lag), read when
        scraped."""
        self.labelled_gauges: dict[str, LabelledGauge] = {}
        self.counters: dict[str, tuple[str, CountsReader]] = {}
        """Name -> (help, reader): counts of other parts by event, read when scraped."""

    def finished(self, dialect: str, operation: str, status: str, seconds: float) -> None:
        """An exchange ended; `status` is `ok` or the fault kind."""
        key = (dialect, operation, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        self._histogram(self._duration, dialect).observe(seconds)

    def settled(self, settlement: Settlement) -> None:
        """An attempt was booked."""
        key = (settlement.intent.dialect, settlement.fault or settlement.outcome)
        self._attempts[key] = self._attempts.get(key, 0) + 1
        if settlement.first_byte_ms is not None:
            self._histogram(self._first_byte, settlement.intent.dialect).observe(
                settlement.first_byte_ms / 1000
            )
        if settlement.usage.is_empty:
            return
        model = self._model(settlement.intent.upstream_model)
        usage, tokens = settlement.usage, self._tokens
        for bucket, count in (
            ("input", usage.input),
            ("output", usage.output),
            ("cache_read", usage.cache_read),
            ("cache_write", usage.cache_write_5m + usage.cache_write_1h),
        ):
            if count:
                tokens[model, bucket] = tokens.get((model, bucket), 0) + count
        costs = self._costs.setdefault(model, [0, 0, 0])
        costs[0] += settlement.cost.list_cost
        costs[1] += settlement.cost.charge
        costs[2] += settlement.cost.account_cost
        self._cached(settlement, model)

    def _cached(self, settlement: Settlement, model: str) -> None:
        if settlement.cache_saved_nano:
            self._cache_saved[model] = self._cache_saved.get(model, 0) + settlement.cache_saved_nano
        if settlement.cache_lost_nano:
            cause = settlement.moved_because or "unknown"
            self._cache_lost[cause] = self._cache_lost.get(cause, 0) + settlement.cache_lost_nano

    def account_marked(self, account_id: int, reason: str, *, until_ms: int = 0) -> None:
        """A cooldown began (until an instant) or an account was marked with an error."""
        self._cooling[account_id] = max(until_ms, self._cooling.get(account_id, 0))
        key = (str(account_id), reason)
        self._marks[key] = self._marks.get(key, 0) + 1

    def account_recovered(self, account_id: int) -> None:
        """An answer has proven that the account is well again."""
        self._cooling.pop(account_id, None)
        key = (str(account_id), "recovered")
        self._marks[key] = self._marks.get(key, 0) + 1

    def cooling(self, now_ms: int) -> int:
        """Accounts whose cooldown began in this process and is not over."""
        for account in [account for account, until in self._cooling.items() if until <= now_ms]:
            del self._cooling[account]
        return len(self._cooling)

    def collect(self) -> Iterator[Metric]:
        yield _counter(
            "headgate_exchanges",
            "Exchanges by result",
            ("dialect", "operation", "status"),
            self._requests.items(),
        )
        yield _counter(
            "headgate_attempts", "Upstream calls by outcome", ("dialect", "outcome"), self._attempts.items()
        )
        yield _counter("headgate_tokens", "Tokens booked", ("model", "bucket"), self._tokens.items())
        yield _counter(
            "headgate_account_marks", "Cooldowns and error marks", ("account", "reason"), self._marks.items()
        )
        yield self._cost_family()
        yield _counter(
            "headgate_cache_saved_usd",
            "Money that reading from providers' caches saved, at list prices",
            ("model",),
            [((model,), nano / 1e9) for model, nano in self._cache_saved.items()],
        )
        yield _counter(
            "headgate_cache_lost_usd",
            "Money for reading again what was cached at the account that the conversation left",
            ("cause",),
            [((cause,), nano / 1e9) for cause, nano in self._cache_lost.items()],
        )
        yield _histogram(
            "headgate_first_byte_seconds", "Time to the first byte of a streamed answer", self._first_byte
        )
        yield _histogram("headgate_exchange_seconds", "Whole exchanges", self._duration)
        yield GaugeMetricFamily("headgate_exchanges_in_flight", "Exchanges in progress", value=self.in_flight)
        for name, (text, read) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=read())
        for name, gauge in self.labelled_gauges.items():
            family = GaugeMetricFamily(name, gauge.help, labels=gauge.labels)
            for values, number in gauge.read():
                family.add_metric(values, number)
            yield family
        for name, (text, counts) in self.counters.items():
            yield _counter(name, text, ("event",), [((event,), count) for event, count in counts().items()])

    def _cost_family(self) -> Metric:
        family = CounterMetricFamily("headgate_cost_usd", "Money booked, in USD", labels=("model", "kind"))
        for model, amounts in self._costs.items():
            for kind, nano in zip(("list", "charge", "account"), amounts, strict=True):
                family.add_metric((model, kind), nano / 1e9)
        return family

    def _model(self, name: str) -> str:
        if name in self._models:
            return name
        if len(self._models) >= _MOST_MODELS:
            return "other"
        self._models.add(name)
        return name

    def _histogram(self, family: dict[str, _Histogram], label: str) -> _Histogram:
        found = family.get(label)
        if found is None:
            found = family[label] = _Histogram()
        return found


class _RelayCollector(Collector):
    def __init__(self, metrics: RelayMetrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics.collect()


def render(metrics: RelayMetrics) -> bytes:
    """The text exposition of everything."""
    registry = CollectorRegistry()
    registry.register(_RelayCollector(metrics))
    return generate_latest(registry)


def _counter(
    name: str, text: str, labels: tuple[str, ...], items: Iterable[tuple[tuple[str, ...], float]]
) -> CounterMetricFamily:
    family = CounterMetricFamily(name, text, labels=labels)
    for values, count in items:
        family.add_metric(values, count)
    return family


def _histogram(name: str, text: str, values: dict[str, _Histogram]) -> HistogramMetricFamily:
    family = HistogramMetricFamily(name, text, labels=("dialect",))
    for label, histogram in values.items():
        family.add_metric((label,), buckets=histogram.cumulative(), sum_value=histogram.total)
    return family
