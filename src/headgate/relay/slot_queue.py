"""Waiting for a slot: FIFO or by shares, bounded, on record in the trace, and left at once when the client
goes away."""

import asyncio

from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.fair_share import Share
from headgate.kit.tasks import TaskOwner
from headgate.relay.exchange import Exchange
from headgate.state.protocols import QueueFull, QueueTimeout, SlotLease, SlotStore


class SlotQueue:
    def __init__(self, slots: SlotStore, tasks: TaskOwner) -> None:
        self._slots = slots
        self._tasks = tasks
        self.waiting = 0
        """Exchanges in a queue right now (metric)."""

    async def wait(
        self,
        exchange: Exchange,
        resource: str,
        *,
        limit: int,
        max_waiting: int,
        timeout_s: float,
        refusals: tuple[str, str],
        share: Share | None = None,
    ) -> SlotLease:
        """A slot of `resource`. Raises `RelayError`: QUEUE_FULL and QUEUE_TIMEOUT with the given messages, or
        CLIENT_GONE."""
        loop = asyncio.get_running_loop()
        queued_at, positions = loop.time(), list[int]()

        def told(place: int) -> None:
            exchange.place_in_line = place
            positions.append(place)

        work = self._slots.acquire(
            resource,
            limit=limit,
            owner=exchange.id,
            max_waiting=max_waiting,
            timeout_s=timeout_s,
            on_position=told,
            share=share,
        )
        waiting = self._tasks.spawn(work, name="wait_for_slot")
        exchange.connection.on_gone(waiting.cancel)
        self.waiting += 1
        try:
            got = await waiting
        except asyncio.CancelledError:
            if exchange.connection.is_gone:
                raise RelayError(_gone()) from None
            raise
        finally:
            self.waiting -= 1
            exchange.place_in_line = 0
            waiting.cancel()
        exchange.trace.add(
            "waits",
            {
                "for": resource,
                "waited_ms": round((loop.time() - queued_at) * 1000),
                "first_position": positions[0] if positions else 0,
                "result": type(got).__name__,
            },
        )
        match got:
            case SlotLease():
                return got
            case QueueFull():
                raise RelayError(Fault(kind=FaultKind.QUEUE_FULL, message=refusals[0], retry_after_s=1))
            case QueueTimeout():
                raise RelayError(Fault(kind=FaultKind.QUEUE_TIMEOUT, message=refusals[1], retry_after_s=1))


def _gone() -> Fault:
    return Fault(kind=FaultKind.CLIENT_GONE, message="The client left while it waited")
