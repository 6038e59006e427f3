"""Anthropic's usage reports into buckets.

Knows: `usage` of messages, `message_start` and `message_delta`. Invariant: counters are cumulative, so of
several reports each field's largest value holds (a compatible provider that repeats a field as 0 takes
nothing away).
Source: Anthropic API reference, "Usage"; spec 2.4 (`cached_tokens`, Kimi).
"""

import msgspec

from headgate.core.dialects.metering import count, is_missing
from headgate.core.usage import TokenUsage


class CacheCreation(msgspec.Struct):
    ephemeral_5m_input_tokens: int | None = None
    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class ServerToolUse(msgspec.Struct):
    web_search_requests: int | None = None


class UsageReport(msgspec.Struct):
    """As sent; None: not said."""

    input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None
    cached_tokens: int | None = None
    service_tier: str | None = None
    speed: str | None = None
    server_tool_use: ServerToolUse | None = None

    @property
    def served_tier(self) -> str | None:
        """`fast` is a tariff of its own beside the service tiers; it wins where both are said."""
        return self.speed if self.speed == "fast" else self.service_tier

    @property
    def lacks_input(self) -> bool:
        is_cached = count(self.cache_read_input_tokens) or count(self.cache_creation_input_tokens)
        return is_missing(self.input_tokens) and not is_cached

    @property
    def lacks_output(self) -> bool:
        return is_missing(self.output_tokens)


def merge(known: UsageReport | None, report: UsageReport) -> UsageReport:
    """What is known after this report."""
    if known is None:
        return report
    split, details = known.cache_creation, known.output_tokens_details
    if report.cache_creation is not None:
        split = _merge_split(split or CacheCreation(), report.cache_creation)
    if report.output_tokens_details is not None:
        details = report.output_tokens_details
    return UsageReport(
        input_tokens=_larger(known.input_tokens, report.input_tokens),
        cache_read_input_tokens=_larger(known.cache_read_input_tokens, report.cache_read_input_tokens),
        cache_creation_input_tokens=_larger(
            known.cache_creation_input_tokens, report.cache_creation_input_tokens
        ),
        cache_creation=split,
        output_tokens=_larger(known.output_tokens, report.output_tokens),
        output_tokens_details=details,
        cached_tokens=_larger(known.cached_tokens, report.cached_tokens),
        service_tier=report.service_tier or known.service_tier,
        speed=report.speed or known.speed,
        server_tool_use=_merge_tools(known.server_tool_use, report.server_tool_use),
    )


def to_usage(report: UsageReport) -> TokenUsage:
    """Disjoint buckets. Cache writes: the split says what is kept for an hour; the rest of the total is 5
    minutes."""
    hour = five = thinking = 0
    if report.cache_creation is not None:
        hour = count(report.cache_creation.ephemeral_1h_input_tokens)
        five = count(report.cache_creation.ephemeral_5m_input_tokens)
    if report.output_tokens_details is not None:
        thinking = count(report.output_tokens_details.thinking_tokens)
    output = count(report.output_tokens)
    return TokenUsage(
        input=count(report.input_tokens),
        cache_read=count(report.cache_read_input_tokens) or count(report.cached_tokens),
        cache_write_5m=max(five, count(report.cache_creation_input_tokens) - hour),
        cache_write_1h=hour,
        output=output,
        reasoning=min(output, thinking),
        web_search_calls=count(report.server_tool_use.web_search_requests) if report.server_tool_use else 0,
    )


def _merge_split(known: CacheCreation, report: CacheCreation) -> CacheCreation:
    return CacheCreation(
        ephemeral_5m_input_tokens=_larger(known.ephemeral_5m_input_tokens, report.ephemeral_5m_input_tokens),
        ephemeral_1h_input_tokens=_larger(known.ephemeral_1h_input_tokens, report.ephemeral_1h_input_tokens),
    )


def _merge_tools(known: ServerToolUse | None, report: ServerToolUse | None) -> ServerToolUse | None:
    if known is None or report is None:
        return report or known
    return ServerToolUse(_larger(known.web_search_requests, report.web_search_requests))


def _larger(known: int | None, said: int | None) -> int | None:
    return said if known is None else known if said is None else max(known, said)
