"""Gemini's reports into buckets."""

from headgate.core.dialects.gemini.usage import Part, UsageReport, merge, to_usage
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


def test_modalities_of_a_later_report_replace_those_of_an_earlier_one() -> None:
    first = UsageReport(prompt_token_count=100, prompt_tokens_details=[Part("AUDIO", 60)])
    last = UsageReport(
        candidates_token_count=20,
        candidates_tokens_details=[Part("AUDIO", 15)],
        traffic_type="ON_DEMAND_FLEX",
    )
    merged = merge(merge(None, first), last)
    assert to_usage(merged) == TokenUsage(input=40, audio_input=60, output=5, audio_output=15)
    assert merged.served_tier == "flex"


def test_parts_never_exceed_the_whole() -> None:
    odd = UsageReport(
        prompt_token_count=10,
        cached_content_token_count=4,
        candidates_token_count=3,
        prompt_tokens_details=[Part("AUDIO", 50), Part("TEXT", -9), Part(None, None)],
        candidates_tokens_details=[Part("AUDIO", 50)],
    )
    assert to_usage(odd) == TokenUsage(cache_read=4, audio_input=6, audio_output=3)


def test_zero_output_is_told_by_the_total() -> None:
    assert not UsageReport(prompt_token_count=7, total_token_count=7).lacks_output
    assert UsageReport(prompt_token_count=7, total_token_count=9).lacks_output
    assert UsageReport(prompt_token_count=7, candidates_token_count=-1).lacks_output
