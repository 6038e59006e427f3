"""What a user can call, and what it costs that user: models by group with prices (spec 7.12).

Prices are those of the book in force, as admission and settlement find them, times the user's multiplier.
"""

from collections.abc import Mapping, Sequence

from headgate.control.groups.access import available_groups, open_groups
from headgate.control.groups.catalogue_schemas import (
    CatalogueModel,
    GroupModels,
    LongContextPrice,
    ModelPrice,
)
from headgate.control.groups.repository import GroupRepository
from headgate.control.groups.schemas import group_view
from headgate.control.prices.schemas import rates_view
from headgate.control.users.repository import UserRepository
from headgate.control.work import Work
from headgate.core.money import MULTIPLIER_ONE, div_half_even, to_usd
from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.cost import Quote, search_price
from headgate.core.pricing.price import Price, Rates
from headgate.core.routing.model_mapping import rules_of
from headgate.core.routing.offered_models import DEFAULT_MODELS, offered_models, upstream_names
from headgate.core.world import Provider, UnknownPrice
from headgate.storage.models import GroupRow

IMAGE_SIZES = ("1K", "2K", "4K")


async def catalogue(work: Work, book: PriceBook) -> list[GroupModels]:
    """Of the groups that the caller may bind keys to, in display order."""
    user_id = work.actor.user_id
    rows = await available_groups(work, user_id)
    own = (await UserRepository(work.session).multipliers([user_id])).get(user_id, {})
    return await _groups(work, rows, own, book)


async def open_catalogue(work: Work, book: PriceBook) -> list[GroupModels]:
    """Of the groups that are open to every user or sold to anybody, at their own multipliers."""
    return await _groups(work, await open_groups(work), {}, book)


async def _groups(
    work: Work, rows: Sequence[GroupRow], own: Mapping[int, int], book: PriceBook
) -> list[GroupModels]:
    mappings = await GroupRepository(work.session).mappings([row.id for row in rows], work.now())
    return [
        _group(row, mappings.get(row.id, ()), own.get(row.id, row.charge_multiplier), book, work.now_ms())
        for row in rows
    ]


def _group(
    row: GroupRow, mappings: Sequence[Mapping[str, str]], multiplier: int, book: PriceBook, now_ms: int
) -> GroupModels:
    rules = [rules_of(mapping) for mapping in mappings]
    unknown = UnknownPrice(row.unknown_price)
    models = []
    for model in offered_models(rules, DEFAULT_MODELS[Provider(row.platform)]):
        found = [
            book.quote(model, upstream, at_ms=now_ms, unknown=unknown)
            for upstream in upstream_names(rules, model)
        ]
        quotes = [quote for quote in found if not isinstance(quote, PriceUnknown)]
        price = _price(row, quotes, multiplier) if quotes else None
        models.append(CatalogueModel(model=model, price=price))
    return GroupModels(
        group=group_view(row),
        rate_multiplier=multiplier / MULTIPLIER_ONE,
        models=models,
        model_count=len(models),
    )


def _price(group: GroupRow, quotes: Sequence[Quote], multiplier: int) -> ModelPrice:
    quote = max(quotes, key=lambda one: (one.price.standard.rates.output, one.price.standard.rates.input))
    price = quote.price
    rates = price.standard.rates
    drawn = rates.output_with_images
    return ModelPrice(
        list=rates_view(rates),
        effective=rates_view(_times(rates, multiplier)),
        long_context=[
            LongContextPrice(
                above_tokens=step.above_tokens,
                list=rates_view(step.rates),
                effective=rates_view(_times(step.rates, multiplier)),
            )
            for step in price.standard.long_context
        ],
        picture=_pictures(group, price, multiplier),
        picture_output=None if drawn is None else _usd(drawn, multiplier),
        web_search=_usd(search_price(price), multiplier),
        is_default=quote.is_default,
        depends_on_account=any(one.price != price for one in quotes),
    )


def _pictures(group: GroupRow, price: Price, multiplier: int) -> Mapping[str, float] | None:
    """USD apiece by size: the group's price, else the model's."""
    if not price.draws:
        return None
    own = {"1K": group.image_price_1k_nano, "2K": group.image_price_2k_nano, "4K": group.image_price_4k_nano}
    apiece = {size: price.image_price(size) if own[size] is None else own[size] for size in IMAGE_SIZES}
    return {size: _usd(nano, multiplier) for size, nano in apiece.items() if nano is not None} or None


def _times(rates: Rates, multiplier: int) -> Rates:
    names = (
        "input",
        "output",
        "cache_read",
        "cache_write_5m",
        "cache_write_1h",
        "audio_input",
        "audio_output",
    )
    return Rates(**{name: _product(getattr(rates, name), multiplier) for name in names})


def _usd(nano: int, multiplier: int) -> float:
    return to_usd(_product(nano, multiplier))


def _product(nano: int, multiplier: int) -> int:
    return div_half_even(nano * multiplier, MULTIPLIER_ONE)
