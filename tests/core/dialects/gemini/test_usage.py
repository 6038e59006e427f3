"""Gemini's reports into buckets."""

from headgate.core.dialects.gemini.usage import UsageReport, merge, to_usage
from headgate.core.usage import TokenUsage


def test_buckets() -> None:
    report = UsageReport(
        prompt_token_count=100,
        cached_content_token_count=40,
        candidates_token_count=7,
        thoughts_token_count=3,
        tool_use_prompt_token_count=5,
    )
    assert to_usage(report) == TokenUsage(input=65, cache_read=40, output=10, reasoning=3)


def test_nothing_said_is_nothing() -> None:
    assert to_usage(UsageReport()) == TokenUsage()


def test_later_reports_replace_field_by_field() -> None:
    first = UsageReport(prompt_token_count=100, cached_content_token_count=40, thoughts_token_count=3)
    merged = merge(merge(None, first), UsageReport(prompt_token_count=101, candidates_token_count=9))
    assert to_usage(merged) == TokenUsage(input=61, cache_read=40, output=12, reasoning=3)
