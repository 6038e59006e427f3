"""Reports of the Responses API into buckets."""

from typing import Any

import msgspec
import pytest

from headgate.core.dialects.openai_responses.usage import UsageReport, to_usage
from headgate.core.usage import TokenUsage


@pytest.mark.parametrize(
    ("sent", "usage"),
    [
        ({}, TokenUsage()),
        ({"input_tokens": 10, "output_tokens": 4}, TokenUsage(input=10, output=4)),
        (
            {
                "input_tokens": 10, "output_tokens": 4,
                "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 4,
                                         "cache_write_tokens_details": {"ttl_12h_tokens": 1}},
                "output_tokens_details": {"reasoning_tokens": 9},
            },
            TokenUsage(input=3, cache_read=3, cache_write_5m=3, cache_write_1h=1, output=4, reasoning=4),
        ),
    ],
)  # fmt: skip
def test_reports(sent: dict[str, Any], usage: TokenUsage) -> None:
    assert to_usage(msgspec.convert(sent, UsageReport)) == usage
