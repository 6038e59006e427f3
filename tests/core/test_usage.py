from headgate.core.usage import NO_USAGE, TokenUsage


def test_the_total_counts_every_bucket_once_and_reasoning_inside_output() -> None:
    usage = TokenUsage(input=1, cache_read=2, cache_write_5m=4, cache_write_1h=8, output=16, reasoning=10)
    assert usage.total == 31


def test_nothing_consumed_is_empty() -> None:
    assert NO_USAGE.is_empty


def test_pictures_alone_are_usage() -> None:
    assert not TokenUsage(images=1).is_empty
    assert not TokenUsage(cache_read=1).is_empty
