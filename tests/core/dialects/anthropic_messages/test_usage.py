"""Anthropic's reports into buckets."""

from headgate.core.dialects.anthropic_messages.usage import (
    CacheCreation,
    OutputDetails,
    ServerToolUse,
    UsageReport,
    merge,
    to_usage,
)
from headgate.core.usage import TokenUsage


def test_split_says_how_long_cache_writes_live() -> None:
    report = UsageReport(
        input_tokens=1,
        cache_creation_input_tokens=10,
        cache_creation=CacheCreation(ephemeral_5m_input_tokens=4, ephemeral_1h_input_tokens=6),
    )
    assert to_usage(report) == TokenUsage(input=1, cache_write_5m=4, cache_write_1h=6)


def test_without_a_split_cache_writes_live_five_minutes() -> None:
    assert to_usage(UsageReport(cache_creation_input_tokens=10)) == TokenUsage(cache_write_5m=10)


def test_what_the_split_leaves_open_lives_five_minutes() -> None:
    report = UsageReport(
        cache_creation_input_tokens=10, cache_creation=CacheCreation(ephemeral_1h_input_tokens=6)
    )
    assert to_usage(report) == TokenUsage(cache_write_5m=4, cache_write_1h=6)


def test_total_in_a_later_report_does_not_count_the_split_twice() -> None:
    start = UsageReport(
        cache_creation_input_tokens=10, cache_creation=CacheCreation(ephemeral_1h_input_tokens=10)
    )
    delta = UsageReport(cache_creation_input_tokens=10, output_tokens=5)
    assert to_usage(merge(start, delta)) == TokenUsage(cache_write_1h=10, output=5)


def test_later_fields_complete_earlier_ones_and_zero_takes_nothing_away() -> None:
    start = UsageReport(
        input_tokens=100, cache_read_input_tokens=50, output_tokens=1, service_tier="standard"
    )
    delta = UsageReport(
        input_tokens=0,
        output_tokens=80,
        output_tokens_details=OutputDetails(thinking_tokens=30),
        cache_creation=CacheCreation(ephemeral_5m_input_tokens=7),
    )
    merged = merge(merge(None, start), delta)
    assert to_usage(merged) == TokenUsage(input=100, cache_read=50, cache_write_5m=7, output=80, reasoning=30)
    assert merged.service_tier == "standard"


def test_splits_of_several_reports_merge() -> None:
    start = UsageReport(cache_creation=CacheCreation(ephemeral_5m_input_tokens=7))
    delta = UsageReport(
        cache_creation=CacheCreation(ephemeral_1h_input_tokens=3, ephemeral_5m_input_tokens=6)
    )
    assert to_usage(merge(start, delta)) == TokenUsage(cache_write_5m=7, cache_write_1h=3)


def test_cached_tokens_of_kimi_count_where_cache_reads_are_absent_or_zero() -> None:
    assert to_usage(UsageReport(cached_tokens=9, cache_read_input_tokens=0)) == TokenUsage(cache_read=9)
    assert to_usage(UsageReport(cached_tokens=9, cache_read_input_tokens=4)) == TokenUsage(cache_read=4)


def test_negative_numbers_count_as_nothing() -> None:
    assert to_usage(UsageReport(input_tokens=-5, output_tokens=-1)) == TokenUsage()


def test_searches_and_speed_of_later_reports_complete_earlier_ones() -> None:
    start = UsageReport(speed="fast", service_tier="standard")
    delta = UsageReport(server_tool_use=ServerToolUse(web_search_requests=2))
    last = UsageReport(server_tool_use=ServerToolUse(web_search_requests=3))
    merged = merge(merge(merge(None, start), delta), last)
    assert to_usage(merged).web_search_calls == 3
    assert to_usage(merge(merged, UsageReport(output_tokens=1))).web_search_calls == 3
    assert merged.served_tier == "fast"
    assert to_usage(UsageReport(server_tool_use=ServerToolUse(web_search_requests=-4))).web_search_calls == 0


def test_what_was_not_said_is_known_to_be_missing() -> None:
    assert UsageReport().lacks_input
    assert UsageReport(input_tokens=-1, output_tokens=-1).lacks_output
    assert not UsageReport(cache_read_input_tokens=5).lacks_input
    assert not UsageReport(input_tokens=0).lacks_input
