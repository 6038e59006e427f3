"""Content of a price book: everything that it takes to build it again from its version.

Knows: how a book comes apart into what is its own and what it shares (a catalogue, a price file), so that the
large parts are kept once. Refuses to know: where contents are kept. Invariant: `rebuild(take_apart(book))`
quotes what `book` quotes, under the same version, whatever version of the program made it.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from headgate.core.pricing.book import NO_LIST, Dates, PriceBook, PriceList
from headgate.core.pricing.catalogue import encode_catalogue, parse_catalogue
from headgate.core.pricing.price import Price

CATALOGUE_PREFIX, FILE_PREFIX = "catalogue:", "file:"
"""Keys under which shared parts are kept, beside the books' versions."""


class _Book(msgspec.Struct, omit_defaults=True):
    """What is a book's own."""

    catalogue: str
    default: Price
    file: str = ""
    overrides: dict[str, Dates] = {}
    refuses_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class BookParts:
    """A book and the keys of what it shares; the file's is None when it has none."""

    book: PriceBook
    catalogue_key: str
    file_key: str | None

    def own(self) -> bytes:
        book = self.book
        return _encode(
            _Book(
                catalogue=self.catalogue_key,
                default=book.default_price,
                file=self.file_key or "",
                overrides=dict(book.overrides),
                refuses_unknown=book.refuses_unknown,
            )
        )

    def catalogue(self) -> bytes:
        return encode_catalogue(self.book.catalogue)

    def file(self) -> bytes:
        return encode_list(self.book.file)


def take_apart(book: PriceBook) -> BookParts:
    return BookParts(
        book=book,
        catalogue_key=CATALOGUE_PREFIX + book.catalogue.version,
        file_key=FILE_PREFIX + book.file.digest if book.file.digest else None,
    )


def shared_keys(own: bytes) -> tuple[str, str | None]:
    """Keys of the catalogue and of the file (None: no file) that a book's own content needs. Raises
    `msgspec.ValidationError`."""
    read = msgspec.json.decode(own, type=_Book)
    return read.catalogue, read.file or None


def rebuild(version: str, own: bytes, *, catalogue: bytes, file: bytes | None) -> PriceBook:
    """Raises `msgspec.ValidationError` when a part is not what was taken apart."""
    read = msgspec.json.decode(own, type=_Book)
    digest = read.file.removeprefix(FILE_PREFIX)
    return PriceBook(
        catalogue=parse_catalogue(catalogue),
        default=read.default,
        refuse_unknown=read.refuses_unknown,
        overrides=read.overrides,
        file=NO_LIST if file is None else decode_list(file, digest),
        version=version,
    )


def encode_list(prices: PriceList) -> bytes:
    return _encode(prices.prices)


def decode_list(data: bytes, digest: str) -> PriceList:
    """Raises `msgspec.ValidationError`."""
    return PriceList(prices=msgspec.json.decode(data, type=dict[str, Price]), digest=digest)


def _encode(value: Any) -> bytes:
    return msgspec.json.encode(value, order="deterministic")
