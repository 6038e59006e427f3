"""A book that is taken apart and built again is the same book (PAINS 9, `ledger replay`)."""

from dataclasses import replace

import msgspec
import pytest

from headgate.core.pricing.book import NO_LIST, PriceBook, always, price_list
from headgate.core.pricing.catalogue import Dated, bundled_catalogue
from headgate.core.pricing.content import rebuild, shared_keys, take_apart
from headgate.core.pricing.price import GOOGLE_TIERS, LongContext, Price, Tariff, flat_price, rates_of

NOW = 1_795_000_000_000
DEFAULT = flat_price(input_usd_per_mtok=10, output_usd_per_mtok=50)
RICH = Price(
    standard=Tariff(
        rates=rates_of(input=1, output=2, cache_read=3, audio_input=4, output_with_images=5),
        long_context=(LongContext(above_tokens=6, rates=rates_of(input=7, output=8)),),
    ),
    service_tiers={"flex": Tariff(rates=rates_of(input=9, output=10))},
    tier_factors=GOOGLE_TIERS,
    image=11, image_2k=12, image_4k=13, web_search=14, is_search_flat=True, max_input=15, max_output=16,
)  # fmt: skip
BOOK = PriceBook(
    catalogue=bundled_catalogue(),
    default=DEFAULT,
    refuse_unknown=True,
    overrides={
        "mine": (Dated(from_ms=0, price=DEFAULT), Dated(from_ms=NOW, price=RICH)),
        "x-*": always(RICH),
    },
    file=price_list({"filed": RICH}),
)


def rebuilt(book: PriceBook) -> PriceBook:
    parts = take_apart(book)
    own = parts.own()
    assert shared_keys(own) == (parts.catalogue_key, parts.file_key)
    file = parts.file() if parts.file_key else None
    return rebuild(book.version, own, catalogue=parts.catalogue(), file=file)


def test_every_quote_is_the_same() -> None:
    again = rebuilt(BOOK)
    for model in ("mine", "x-1", "filed", "claude-sonnet-4-5", "gpt-5.4", "gemini-2.5-flash-image", "nobody"):
        for at in (0, NOW - 1, NOW, NOW + 1):
            assert again.quote(model, at_ms=at) == BOOK.quote(model, at_ms=at)
    assert again.default_quote() == BOOK.default_quote()


def test_a_book_without_a_file_needs_none() -> None:
    plain = PriceBook(catalogue=bundled_catalogue(), default=DEFAULT)
    assert take_apart(plain).file_key is None
    assert rebuilt(plain).file == NO_LIST


def test_the_version_stays_the_one_under_which_the_book_was_used() -> None:
    parts = take_apart(BOOK)
    again = rebuild("stamped", parts.own(), catalogue=parts.catalogue(), file=parts.file())
    assert again.version == again.default_quote().version == "stamped"


def test_a_fresh_book_of_the_same_content_has_the_same_version() -> None:
    again = rebuilt(BOOK)
    fresh = PriceBook(
        catalogue=again.catalogue, default=again.default_price, overrides=again.overrides, file=again.file
    )
    assert fresh.version == BOOK.version
    other = PriceBook(
        catalogue=again.catalogue,
        default=replace(DEFAULT, image=1),
        overrides=again.overrides,
        file=again.file,
    )
    assert other.version != BOOK.version


def test_names_fit_their_column() -> None:
    parts = take_apart(BOOK)
    assert max(len(BOOK.version), len(parts.catalogue_key), len(parts.file_key or "")) <= 64


def test_damaged_content_is_refused() -> None:
    parts = take_apart(BOOK)
    with pytest.raises(msgspec.ValidationError):
        rebuild("v", b'{"catalogue":"c"}', catalogue=parts.catalogue(), file=None)
