"""Reports of OpenAI and of compatible providers into buckets."""

from typing import Any

import msgspec
import pytest

from headgate.core.dialects.openai_chat.usage import UsageReport, latest, to_usage
from headgate.core.usage import TokenUsage


@pytest.mark.parametrize(
    ("sent", "usage"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}, TokenUsage(input=10, output=4)),
        (
            {"prompt_tokens": 10, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 6}},
            TokenUsage(input=4, cache_read=6, output=4),
        ),
        (
            {
                "prompt_tokens": 10,
                "prompt_tokens_details": {
                    "cached_tokens": 2,
                    "cache_write_tokens": 5,
                    "cache_write_tokens_details": {"ttl_12h_tokens": 1, "ttl_30m_tokens": 4},
                },
            },
            TokenUsage(input=3, cache_read=2, cache_write_5m=4, cache_write_1h=1),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 9,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            TokenUsage(input=10, output=9, reasoning=5),
        ),
        (  # xAI: reasoning comes on top
            {
                "prompt_tokens": 10,
                "completion_tokens": 4,
                "total_tokens": 19,
                "completion_tokens_details": {"reasoning_tokens": 5},
            },
            TokenUsage(input=10, output=9, reasoning=5),
        ),
        ({"prompt_tokens": 10, "prompt_cache_hit_tokens": 8}, TokenUsage(input=2, cache_read=8)),
        ({"prompt_tokens": 10, "cached_tokens": 8}, TokenUsage(input=2, cache_read=8)),
        ({"input_tokens": 50, "output_tokens": 4000}, TokenUsage(input=50, output=4000)),
        ({"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 50}}, TokenUsage(cache_read=5)),
        ({"prompt_tokens": -5, "completion_tokens": -1, "prompt_tokens_details": None}, TokenUsage()),
    ],
)
def test_reports(sent: dict[str, Any], usage: TokenUsage) -> None:
    assert to_usage(msgspec.convert(sent, UsageReport)) == usage


def test_of_cumulative_reports_the_last_one_that_says_something_holds() -> None:
    first = UsageReport(prompt_tokens=10, completion_tokens=1)
    second = UsageReport(prompt_tokens=10, completion_tokens=5)
    assert latest(first, second) is second
    assert latest(second, UsageReport(prompt_tokens=0, completion_tokens=0)) is second
    assert latest(second, None) is second
    empty = UsageReport()
    assert latest(None, empty) is empty
