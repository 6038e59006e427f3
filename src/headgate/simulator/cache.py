"""The prompt cache of the simulated vendors: which prefix of a prompt was seen before under the same key
and model.

Explicit (Anthropic): the longest known marked prefix is read, every further marked segment is written with
the lifetime of its mark. Automatic (OpenAI, Google): the longest known prefix of at least
`AUTOMATIC_MINIMUM` tokens is read. Entries leave by least recent use, not by time, so that equal request
orders give equal bills.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Iterator

from headgate.simulator.prompt import Ask, Block
from headgate.simulator.tokens import Tokens

AUTOMATIC_MINIMUM = 64
"""The vendors' 1,024 made small, so that tests and demos see cached tokens with short prompts."""


class PromptCache:
    def __init__(self, *, max_prefixes: int = 50_000) -> None:
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._max_prefixes = max_prefixes

    def price(self, ask: Ask, key: str) -> Tokens:
        """Split the prompt into buckets and remember its prefixes."""
        tokens = self._explicit(ask, key) if ask.explicit_cache else self._automatic(ask, key)
        while len(self._known) > self._max_prefixes:
            self._known.popitem(last=False)
        return tokens

    def _explicit(self, ask: Ask, key: str) -> Tokens:
        marks = [(total, digest, block.mark) for total, digest, block in _prefixes(ask, key)]
        marks = [mark for mark in marks if mark[2] is not None]
        read = 0
        for total, digest, _ in marks:
            if digest in self._known:
                read = total
        written = {"5m": 0, "1h": 0}
        before = read
        for total, digest, mark in marks:
            self._remember(digest)
            if mark and total > before:
                written[mark] += total - before
                before = total
        rest = ask.prompt_tokens - read - written["5m"] - written["1h"]
        return Tokens(input=rest, cache_read=read, cache_write_5m=written["5m"], cache_write_1h=written["1h"])

    def _automatic(self, ask: Ask, key: str) -> Tokens:
        read = 0
        for total, digest, _ in _prefixes(ask, key):
            if digest in self._known and total >= AUTOMATIC_MINIMUM:
                read = total
            self._remember(digest)
        return Tokens(input=ask.prompt_tokens - read, cache_read=read)

    def _remember(self, digest: bytes) -> None:
        self._known[digest] = None
        self._known.move_to_end(digest)


def _prefixes(ask: Ask, key: str) -> Iterator[tuple[int, bytes, Block]]:
    """Every prefix as (tokens, digest, last block); the framing belongs to no prefix."""
    chain = hashlib.blake2b(f"{key}\0{ask.model}".encode("utf-8", "surrogatepass"), digest_size=16)
    total = 0
    for block in ask.blocks:
        chain.update(block.digest)
        total += block.tokens
        yield total, chain.copy().digest(), block
