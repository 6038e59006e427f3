"""From operator settings and overrides to the price book (core/pricing)."""

from collections.abc import Callable
from pathlib import Path

from headgate.core.pricing.book import PriceBook
from headgate.core.pricing.catalogue import bundled_catalogue
from headgate.core.pricing.price import Price, flat_price
from headgate.core.pricing.price_file import PriceFileInvalid, parse_price_file
from headgate.errors import StartupError
from headgate.settings import PricingSettings
from headgate.storage.read_model import DirectoryData

PriceBookBuilder = Callable[[DirectoryData], PriceBook]


def price_book_builder(settings: PricingSettings) -> PriceBookBuilder:
    """Loads catalogue and file once; every snapshot adds the operator's overrides. Raises `StartupError`."""
    catalogue = bundled_catalogue()
    file = _read(settings.file) if settings.file else {}
    default = flat_price(
        input_usd_per_mtok=settings.default_input_usd_per_mtok,
        output_usd_per_mtok=settings.default_output_usd_per_mtok,
    )

    def build(data: DirectoryData) -> PriceBook:
        return PriceBook(
            catalogue=catalogue,
            default=default,
            refuse_unknown=settings.unknown_model == "refuse",
            overrides=data.price_overrides,
            file=file,
        )

    return build


def _read(path: Path) -> dict[str, Price]:
    try:
        return dict(parse_price_file(path.read_bytes()))
    except OSError as error:
        raise StartupError(
            f"configuration pricing.file: {path}: {error.strerror}; name an existing file"
        ) from None
    except PriceFileInvalid as error:
        raise StartupError(f"configuration pricing.file: {path}: {error}; fix the file") from None
