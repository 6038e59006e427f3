"""The simulated prompt cache splits every prompt into buckets that add up."""

from hypothesis import given
from hypothesis import strategies as st

from headgate.simulator.cache import AUTOMATIC_MINIMUM, PromptCache
from headgate.simulator.prompt import Ask, text_block

TEXTS = st.lists(st.text(max_size=400), max_size=6)
MARKS = st.sampled_from([None, "5m", "1h"])


def _ask(*texts: str) -> Ask:
    return Ask(model="m", blocks=[text_block(text) for text in texts])


@given(st.lists(st.lists(st.tuples(st.text(max_size=50), MARKS), max_size=5), max_size=5))
def test_explicit_buckets_add_up_to_the_prompt(prompts: list[list[tuple[str, None]]]) -> None:
    cache = PromptCache()
    for prompt in prompts:
        ask = Ask(model="m", blocks=[text_block(text, mark) for text, mark in prompt], explicit_cache=True)
        assert cache.price(ask, "sim-a").prompt == ask.prompt_tokens


@given(st.lists(TEXTS, max_size=5))
def test_automatic_buckets_add_up_to_the_prompt(prompts: list[list[str]]) -> None:
    cache = PromptCache()
    for texts in prompts:
        assert cache.price(_ask(*texts), "sim-a").prompt == _ask(*texts).prompt_tokens


def test_a_repeated_prefix_is_read_and_the_rest_is_new() -> None:
    cache = PromptCache()
    cache.price(_ask("a" * 400, "b"), "sim-a")
    tokens = cache.price(_ask("a" * 400, "c"), "sim-a")
    assert (tokens.cache_read, tokens.input) == (100, 4)


def test_short_prefixes_are_not_cached_automatically() -> None:
    cache = PromptCache()
    short = _ask("a" * 4 * (AUTOMATIC_MINIMUM - 1))
    assert [cache.price(short, "sim-a").cache_read for _ in range(2)] == [0, 0]


def test_keys_do_not_share_a_cache() -> None:
    cache = PromptCache()
    cache.price(_ask("a" * 400), "sim-a")
    assert cache.price(_ask("a" * 400), "sim-b").cache_read == 0


def test_the_oldest_prefix_leaves_when_the_cache_is_full() -> None:
    cache = PromptCache(max_prefixes=1)
    cache.price(_ask("a" * 400), "sim-a")
    cache.price(_ask("b" * 400), "sim-a")
    assert cache.price(_ask("a" * 400), "sim-a").cache_read == 0
