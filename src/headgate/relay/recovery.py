"""After a crash: complete what dead processes left open (DESIGN 5).

Every intent of a process that is no longer alive becomes one record `interrupted`, with the usage that was
known. What the provider did not get to tell is not invented: the record says so (`usage_source` none or
partial) and the user pays only for what is known.
"""

import structlog

from headgate.core.limits.windows import account_windows
from headgate.core.pricing.book import PriceUnknown
from headgate.core.pricing.cost import price_usage
from headgate.core.pricing.plausibility import believe, review_of
from headgate.core.pricing.plausibility import bounds_of as bounds_of_price
from headgate.core.usage import UsageSource
from headgate.core.world import Account
from headgate.kit.clock import Clock
from headgate.kit.fail_points import NO_FAIL_POINTS, FailPoint, FailPoints
from headgate.relay.account_quotas import hold_id
from headgate.relay.directory import Directory
from headgate.state.protocols import ReservationStore, SharedState, StateUnavailable
from headgate.storage.journal import AccountWindows, Intent, Journal, OpenIntent, Settlement

log = structlog.get_logger(__name__)


async def complete_open_intents(
    journal: Journal,
    directory: Directory,
    state: SharedState,
    clock: Clock,
    *,
    lock_s: float = 30.0,
    fail_points: FailPoints = NO_FAIL_POINTS,
) -> int:
    """Settle the intents of dead processes; returns how many. A live process holds `process:<id>` and is
    left alone; whoever completes for a dead one holds it for `lock_s`."""
    completed = 0
    alive: dict[str, bool] = {}
    for found in await journal.open_intents():
        if found.process not in alive:
            token = await state.locks.acquire(f"process:{found.process}", ttl_s=lock_s)
            alive[found.process] = token is None
        if alive[found.process]:
            continue
        await journal.settle(_interrupted(found, directory, clock.now_ms()))
        await _give_back(found.intent, state.reservations)
        completed += 1
        fail_points.reach(FailPoint.DURING_RECOVERY)
    if completed:
        log.warning("interrupted_exchanges_recorded", count=completed)
    return completed


async def _give_back(intent: Intent, reservations: ReservationStore) -> None:
    """What the dead one held, in a state store that outlived it; and what was just booked is read again."""
    try:
        await reservations.abandon([intent.exchange_id, hold_id(intent.exchange_id, intent.attempt)])
        await reservations.forget(bounds_of(intent))
    except StateUnavailable:
        log.warning("reservation_left_to_expire", exchange_id=intent.exchange_id)


def bounds_of(intent: Intent) -> list[str]:
    """Every bound that the settlement of this call may have moved."""
    user, key, account = f"user:{intent.user_id}", f"key:{intent.key_id}", f"account:{intent.account_id}"
    plan = f"sub:{intent.subscription_id}"
    windows = [f"{plan}:{window}" for window in ("daily", "weekly", "monthly")]
    return [
        *(windows if intent.subscription_id else [f"{user}:balance"]),
        *(f"{key}:{name}" for name in ("quota", "5h", "1d", "7d")),
        *(f"{account}:{name}" for name in ("quota", "daily", "weekly")),
    ]


def _interrupted(found: OpenIntent, directory: Directory, now_ms: int) -> Settlement:
    intent = found.intent
    quote = directory.prices.quote(intent.client_model, intent.upstream_model, at_ms=intent.started_at_ms)
    if isinstance(quote, PriceUnknown):
        quote = directory.prices.default_quote()
    believed = believe(
        found.usage,
        UsageSource.NONE if found.usage.is_empty else UsageSource.PARTIAL,
        bounds_of_price(quote.price, max_output_asked=None),
        input_estimate=intent.input_estimate,
        output_estimate=0,
    )
    usage = believed.usage
    cost = price_usage(
        quote.price,
        usage,
        charge_multiplier=intent.charge_multiplier,
        cost_multiplier=intent.cost_multiplier,
        price_version=quote.version,
        is_default=quote.is_default,
        image_prices=group.image_prices_nano if (group := directory.group(intent.group_id)) else None,
    )
    return Settlement(
        intent=intent,
        outcome="interrupted",
        usage=usage,
        cost=cost,
        fault="gateway_died",
        source=believed.source,
        upstream_request_id=found.upstream_request_id,
        served_model=None,
        upstream_endpoint="",
        service_tier=None,
        reasoning_effort=None,
        duration_ms=max(0, now_ms - intent.started_at_ms),
        first_byte_ms=None,
        user_agent="",
        client_ip="",
        finished_at_ms=now_ms,
        trace=None,
        review=review_of(believed, is_default=quote.is_default),
        quarantined=believed.quarantined,
        account_windows=_account_windows(directory.account(intent.account_id), now_ms),
    )


def _account_windows(account: Account | None, now_ms: int) -> AccountWindows | None:
    if account is None or account.quota is None:
        return None
    daily_start, daily_end, weekly_start, weekly_end = account_windows(account.quota, now_ms)
    return AccountWindows(
        daily_start_ms=daily_start,
        daily_end_ms=daily_end,
        weekly_start_ms=weekly_start,
        weekly_end_ms=weekly_end,
    )
