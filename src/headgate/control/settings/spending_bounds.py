"""How far spending can pass a limit: stated per group, and measured (DESIGN 5; decision 17)."""

from collections.abc import Iterable, Sequence

from pydantic import BaseModel
from sqlalchemy import select

from headgate.control.deps import ControlDeps
from headgate.control.work import Work
from headgate.core.limits.budget import output_cost
from headgate.core.money import MULTIPLIER_ONE, TOKENS_PER_PRICE_UNIT, to_usd
from headgate.core.pricing.book import PriceBook, PriceUnknown
from headgate.core.pricing.cost import price_usage
from headgate.core.routing.offered_models import DEFAULT_MODELS
from headgate.core.usage import TokenUsage
from headgate.core.world import Provider
from headgate.storage.models import GroupRow


class GroupBound(BaseModel):
    group_id: int
    group_name: str
    overrun_policy: str
    overdraft_limit_usd: float
    """How far below zero a balance may go; 0 under `strict`."""
    dearest_model: str
    """Of the models that the platform offers by default, the one with the dearest output."""
    slice_usd: float
    """One slice of its output, multiplier included."""
    overshoot_per_stream_usd: float
    """At most so much per running stream beyond what is covered, for output that the provider bills without
    showing it; 0 for requests whose output limit is covered in full. Beside it stands the error of the input
    estimate alone."""


class MeasuredCover(BaseModel):
    """Since this process started."""

    settled: int
    overshot: int
    overshot_usd: float
    largest_overshoot_usd: float


class SpendingBounds(BaseModel):
    slice_tokens: int
    min_output_tokens: int
    unstated_output_tokens: int
    held_money_wait_s: float
    groups: Sequence[GroupBound]
    measured: MeasuredCover


async def spending_bounds(work: Work, deps: ControlDeps) -> SpendingBounds:
    limits, covered = deps.settings.limits, deps.covered
    rows = await work.session.scalars(
        select(GroupRow).where(GroupRow.deleted_at.is_(None)).order_by(GroupRow.sort_order, GroupRow.id)
    )
    slice_tokens = limits.first_output_slice_tokens
    return SpendingBounds(
        slice_tokens=slice_tokens,
        min_output_tokens=limits.min_output_tokens,
        unstated_output_tokens=limits.unstated_output_tokens,
        held_money_wait_s=limits.held_money_wait_s,
        groups=[group_bound(row, deps.prices(), slice_tokens, now_ms=work.now_ms()) for row in rows],
        measured=MeasuredCover(
            settled=covered.settled,
            overshot=covered.overshot,
            overshot_usd=to_usd(covered.overshot_nano),
            largest_overshoot_usd=to_usd(covered.largest_nano),
        ),
    )


def group_bound(row: GroupRow, book: PriceBook, slice_tokens: int, *, now_ms: int) -> GroupBound:
    models = DEFAULT_MODELS[Provider(row.platform)] if row.platform in set(Provider) else ()
    dearest, per_mtok = _dearest(models, book, now_ms)
    slice_nano = output_cost(slice_tokens, per_mtok) * row.charge_multiplier // MULTIPLIER_ONE
    is_overdraft = row.overrun_policy == "overdraft"
    return GroupBound(
        group_id=row.id,
        group_name=row.name,
        overrun_policy=row.overrun_policy,
        overdraft_limit_usd=to_usd(row.overdraft_limit_nano) if is_overdraft else 0,
        dearest_model=dearest,
        slice_usd=to_usd(slice_nano),
        overshoot_per_stream_usd=to_usd(slice_nano),
    )


def _dearest(models: Iterable[str], book: PriceBook, now_ms: int) -> tuple[str, int]:
    """The model whose output costs most, and what a million tokens of it cost at list price."""
    found = ("", 0)
    for model in models:
        quote = book.quote(model, at_ms=now_ms)
        if isinstance(quote, PriceUnknown):
            continue
        million = TokenUsage(output=TOKENS_PER_PRICE_UNIT)
        cost = price_usage(quote.price, million, charge_multiplier=MULTIPLIER_ONE, cost_multiplier=0).output
        if cost > found[1]:
            found = (model, cost)
    return found
