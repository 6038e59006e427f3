"""Durations as OpenAI writes them."""

import pytest

from headgate.core.dialects.openai_rates import go_duration
from headgate.core.dialects.reset_times import duration_ms


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "0s"), (1, "1ms"), (999, "999ms"), (1_000, "1s"), (1_001, "2s"), (59_001, "1m0s"), (360_000, "6m0s"),
     (3_600_000, "1h0m0s"), (3_661_000, "1h1m1s")],
)  # fmt: skip
def test_a_duration_in_gos_notation(ms: int, text: str) -> None:
    assert go_duration(ms) == text
    assert ms <= (duration_ms(text) or 0) < ms + 1_000
