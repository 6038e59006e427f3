"""Whatever version a record is stamped with can be built again, on both databases."""

import asyncio

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from headgate.core.pricing.book import NO_LIST, PriceBook, always, price_list
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import flat_price
from headgate.kit.clock import FakeClock
from headgate.storage.price_books import PriceBooks, load_price_book
from tests.storage.books import value

CATALOGUE = bundled_catalogue()
MINE = flat_price(input_usd_per_mtok=1, output_usd_per_mtok=2)
NOW = 1_795_000_000_000


def book(amount: float = 1, *, with_file: bool = True) -> PriceBook:
    price = flat_price(input_usd_per_mtok=amount, output_usd_per_mtok=amount)
    file = price_list({"filed": MINE}) if with_file else NO_LIST
    return PriceBook(catalogue=CATALOGUE, default=MINE, overrides={"mine": always(price)}, file=file)


async def test_a_book_comes_back_as_it_was(engine: AsyncEngine, clock: FakeClock) -> None:
    used = book()
    assert await PriceBooks(engine, clock).keep(used)
    again = await load_price_book(engine, used.version)
    assert again is not None
    for model in ("mine", "filed", "claude-sonnet-4-5", "nobody"):
        assert again.quote(model, at_ms=NOW) == used.quote(model, at_ms=NOW)


async def test_what_books_share_is_kept_once(engine: AsyncEngine, clock: FakeClock) -> None:
    books = PriceBooks(engine, clock)
    for amount in (1, 2, 3):
        await books.keep(book(amount))
    assert not await books.keep(book(3))
    await books.keep(book(4, with_file=False))
    kinds = "SELECT COUNT(*) FROM price_books WHERE version LIKE '{}%'"
    assert await value(engine, kinds.format("catalogue:")) == 1
    assert await value(engine, kinds.format("file:")) == 1
    assert await value(engine, kinds.format("")) == 6


async def test_processes_that_keep_the_same_book_do_not_get_in_each_other_s_way(
    engine: AsyncEngine, clock: FakeClock
) -> None:
    await asyncio.gather(*(PriceBooks(engine, clock).keep(book()) for _ in range(4)))
    assert await load_price_book(engine, book().version) is not None


async def test_a_version_that_was_never_used_or_is_damaged_is_none(
    engine: AsyncEngine, clock: FakeClock
) -> None:
    assert await load_price_book(engine, "never") is None
    used = book()
    await PriceBooks(engine, clock).keep(used)
    async with engine.begin() as connection:
        await connection.execute(
            text("UPDATE price_books SET content = '{}' WHERE version = :v"), {"v": used.version}
        )
    assert await load_price_book(engine, used.version) is None
    other = book(9)
    await PriceBooks(engine, clock).keep(other)
    async with engine.begin() as connection:
        await connection.execute(text("DELETE FROM price_books WHERE version LIKE 'file:%'"))
    assert await load_price_book(engine, other.version) is None
