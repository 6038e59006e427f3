"""Reported, partial, estimated or nothing; and prompt counts into disjoint buckets."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.core.dialects.metering import judge, split_prompt, streamed_output_tokens, whole_output_tokens
from headgate.core.usage import NO_USAGE, TokenUsage, UsageSource

REPORT = TokenUsage(input=1, output=2)


def test_report_of_a_complete_answer_is_reported() -> None:
    assert judge(REPORT, is_complete=True, output_tokens=9, input_tokens=9) == (REPORT, UsageSource.REPORTED)


def test_report_of_a_broken_answer_is_partial_and_not_touched() -> None:
    assert judge(REPORT, is_complete=False, output_tokens=9, input_tokens=9) == (REPORT, UsageSource.PARTIAL)


def test_output_without_a_report_is_estimated() -> None:
    expected = (TokenUsage(input=9, output=5), UsageSource.ESTIMATED)
    assert judge(None, is_complete=False, output_tokens=5, input_tokens=9) == expected
    assert judge(None, is_complete=True, output_tokens=5, input_tokens=9) == expected


def test_nothing_seen_is_nothing_used() -> None:
    assert judge(None, is_complete=False, output_tokens=0, input_tokens=9) == (NO_USAGE, UsageSource.NONE)


def test_streamed_output_is_one_token_per_event_or_four_bytes_each() -> None:
    assert streamed_output_tokens(0, 5000, envelope_bytes=100) == 0
    assert streamed_output_tokens(10, 1010, envelope_bytes=100) == 10
    assert streamed_output_tokens(10, 5000, envelope_bytes=100) == 1000


def test_whole_output_is_at_least_one_token() -> None:
    assert whole_output_tokens(b"{}", envelope_bytes=100) == 1
    assert whole_output_tokens(b"x" * 500, envelope_bytes=100) == 100


@given(*[st.integers(-5, 50)] * 4)
def test_buckets_are_disjoint_and_sum_to_the_prompt(prompt: int, read: int, long: int, short: int) -> None:
    split = split_prompt(prompt, cache_read=read, cache_write_1h=long, cache_write_5m=short)
    assert split.total == max(prompt, 0)
    assert min(split.input, split.cache_read, split.cache_write_5m, split.cache_write_1h) >= 0
