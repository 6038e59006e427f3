"""Attempts at simulated providers: the provider answers out of its model, everything around it is real."""

import asyncio
from typing import Any

from headgate.core.dialects.contract import Reading
from headgate.core.faults import Fault, RelayError
from headgate.core.usage import UsageSource
from headgate.relay.account_health import AccountHealth
from headgate.relay.attempt import AttemptRunner
from headgate.relay.exchange import Exchange
from headgate.relay.picker import Picked
from headgate.relay.probes import NO_TRIAL
from headgate.relay.responder import Responder
from headgate.relay.settlement import COMPLETED, FAILED, NOTHING_READ, AttemptEnd, Settler
from headgate.relay.track_records import TrackRecords
from headgate.relay.watchdog import Watchdog
from headgate.simulation.provider import SimulatedProvider
from headgate.simulation.traffic import SimulatedRequest
from headgate.simulation.virtual_time import START_MS, VirtualClock
from headgate.storage.journal import Intent

REFUSAL_S = 0.15
"""How long a provider takes to say no."""


class SimulatedAttempts(AttemptRunner):
    """Does what `AttemptRunner` does to health, records, money and limits, without a socket."""

    def __init__(
        self,
        provider: SimulatedProvider,
        settler: Settler,
        health: AccountHealth,
        records: TrackRecords,
        clock: VirtualClock,
    ) -> None:
        self._provider = provider
        self.settler = settler
        self.health = health
        self.records = records
        self.clock = clock
        self.asked: dict[str, SimulatedRequest] = {}
        """By exchange id."""

    async def run(self, exchange: Exchange, picked: Picked, responder: Responder, watchdog: Watchdog) -> None:
        """Raises `RelayError` as the provider refuses."""
        number, exchange.attempts = exchange.attempts, exchange.attempts + 1
        note = exchange.trace.attempt(
            n=number, account_id=picked.account.id, upstream_model=picked.upstream_model
        )
        intent = _intent(exchange, picked, number, self.clock.now_ms())
        request, name = self.asked[exchange.id], f"{exchange.id}:{number}"
        fault = self._provider.refusal(picked.account, request, name, self._since_start_ms())
        if fault is not None:
            await self._refuse(exchange, picked, fault, intent, note)
            raise RelayError(fault)
        await self._answer(exchange, picked, request, intent)

    async def _refuse(
        self, exchange: Exchange, picked: Picked, fault: Fault, intent: Intent, note: dict[str, Any]
    ) -> None:
        await asyncio.sleep(REFUSAL_S)
        await self.health.judge(exchange, picked, fault, {}, b"", note)
        end = _end(intent, FAILED, NOTHING_READ, fault)
        await self.settler.book(exchange, end)
        self.records.note(picked.account.id, exchange.peek.model, fault=fault, ttft_ms=None)
        if picked.trial is not NO_TRIAL:
            await self.health.conclude(picked, exchange, fault)

    async def _answer(
        self, exchange: Exchange, picked: Picked, request: SimulatedRequest, intent: Intent
    ) -> None:
        usage = self._provider.usage(picked.account, request, picked.upstream_model, self._since_start_ms())
        ttft_ms, rest_ms = self._provider.times_ms(picked.account, request, usage)
        await asyncio.sleep(ttft_ms / 1000)
        if picked.trial is not NO_TRIAL:
            await self.health.proved(picked, exchange, is_whole=False)
        exchange.is_committed = True
        first_byte_ms = self.clock.now_ms() - exchange.started_at_ms
        await asyncio.sleep(rest_ms / 1000)
        reading = Reading(usage=usage, source=UsageSource.REPORTED)
        await self.settler.book(
            exchange, _end(intent, COMPLETED, reading, None, first_byte_ms=first_byte_ms, picked=picked)
        )
        self.records.note(
            picked.account.id, exchange.peek.model, fault=None, ttft_ms=ttft_ms, answer_ms=ttft_ms + rest_ms
        )
        if picked.trial is not NO_TRIAL:
            await self.health.conclude(picked, exchange, None)

    def _since_start_ms(self) -> int:
        return self.clock.now_ms() - START_MS


def _end(
    intent: Intent,
    outcome: str,
    reading: Reading,
    fault: Fault | None,
    *,
    first_byte_ms: int | None = None,
    picked: Picked | None = None,
) -> AttemptEnd:
    return AttemptEnd(
        intent=intent,
        outcome=outcome,
        reading=reading,
        fault=fault,
        upstream_request_id=None,
        upstream_endpoint="simulated",
        first_byte_ms=first_byte_ms,
        is_last=outcome == COMPLETED,
        quota=None if picked is None else picked.account.quota,
    )


def _intent(exchange: Exchange, picked: Picked, number: int, now_ms: int) -> Intent:
    caller = exchange.caller
    return Intent(
        exchange_id=exchange.id,
        attempt=number,
        user_id=caller.user.id,
        key_id=caller.key.id,
        group_id=caller.group.id,
        account_id=picked.account.id,
        dialect=exchange.target.dialect.value,
        endpoint=exchange.path,
        client_model=exchange.peek.model,
        upstream_model=picked.upstream_model,
        is_stream=exchange.peek.is_stream,
        charge_multiplier=exchange.charge_multiplier,
        cost_multiplier=picked.account.cost_multiplier,
        input_estimate=exchange.peek.input_tokens_estimate,
        started_at_ms=now_ms,
    )
