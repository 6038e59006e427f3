"""One run: traffic through the data plane's own pipeline, in virtual time."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headgate.core.dialects.contract import CacheUse, Operation, Peek, StreamFraming, Target
from headgate.core.faults import Fault, RelayError
from headgate.core.ids import ExchangeId, SessionKey, UserId
from headgate.core.limits.admission import charge_multiplier
from headgate.core.world import Caller, Dialect, Group, Provider, User
from headgate.relay.dialects import HANDLERS
from headgate.relay.directory import PriceBookBuilder
from headgate.relay.exchange import Exchange
from headgate.relay.trace import TraceBuilder
from headgate.simulation.outcome import Served
from headgate.simulation.parts import NO_RESPONDER, NO_WATCHDOG, Patient, build_gateway, no_body
from headgate.simulation.people import Person
from headgate.simulation.provider import Behaviours, SimulatedProvider
from headgate.simulation.traffic import SimulatedRequest
from headgate.simulation.virtual_time import VirtualClock, VirtualLoop, run_virtually
from headgate.simulation.world import World, prepaid

_TARGETS = {
    Provider.ANTHROPIC: (Dialect.ANTHROPIC_MESSAGES, "/v1/messages"),
    Provider.OPENAI: (Dialect.OPENAI_CHAT, "/v1/chat/completions"),
    Provider.GEMINI: (Dialect.GEMINI, "/v1beta/models"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of each user, who are not in a configuration document."""

    concurrency: int = 5


class NoSuchGroup(ValueError):
    """The traffic names a group that the configuration does not have."""


def simulate(
    world: World,
    requests: Sequence[SimulatedRequest],
    behaviours: Behaviours,
    *,
    seed: int,
    build_prices: PriceBookBuilder,
    limits: Limits = Limits(),
) -> list[Served]:
    """What became of each request, in order. The same arguments give the same answer. Raises
    `NoSuchGroup`."""
    known = {group.name for group in world.data.groups}
    people = [] if world.people is None else [world.people.default, *world.people.users.values()]
    if missing := sorted({name for person in people for name in person.groups} - known):
        raise NoSuchGroup(
            f"somebody is said to have a subscription or multiplier of {missing[0]!r}, which is no group"
        )
    if missing := sorted({request.group for request in requests} - known):
        raise NoSuchGroup(f"the traffic goes to group {missing[0]!r}, which the configuration does not have")
    if world.people is None:
        world = replace(world, data=prepaid(world.data))
    loop = VirtualLoop()
    run = _Run(world, VirtualClock(loop), behaviours, seed, build_prices, limits)
    return run_virtually(loop, run.all(requests))


class _Run:
    def __init__(
        self,
        world: World,
        clock: VirtualClock,
        behaviours: Behaviours,
        seed: int,
        build_prices: PriceBookBuilder,
        limits: Limits,
    ) -> None:
        self._world = world
        self._clock = clock
        self._provider = SimulatedProvider(behaviours, seed)
        self._build_prices = build_prices
        self._limits = limits
        self._callers: dict[str, User] = {}

    async def all(self, requests: Sequence[SimulatedRequest]) -> list[Served]:
        self._gateway = await build_gateway(self._world, self._clock, self._provider, self._build_prices)
        tasks, loop = self._gateway.tasks, asyncio.get_running_loop()
        for work, name in ((self._gateway.leases.run(), "leases"), (self._gateway.keep(), "reservations")):
            tasks.spawn(work, name=name)
        running: list[asyncio.Task[Served]] = []
        for number, request in enumerate(requests):
            await asyncio.sleep(max(0.0, request.at_ms / 1000 - loop.time()))
            running.append(tasks.spawn(self._serve(number, request), name="exchange"))
        served = [await one for one in running]
        await tasks.close()
        return served

    async def _serve(self, number: int, request: SimulatedRequest) -> Served:
        gateway = self._gateway
        exchange = self._exchange(number, request)
        gateway.attempts.asked[exchange.id] = request
        fault: Fault | None = None
        began_ms = self._clock.now_ms()
        try:
            await gateway.pipeline.run(exchange, no_body, NO_RESPONDER, NO_WATCHDOG)
        except RelayError as error:
            fault = error.fault
        finally:
            del gateway.attempts.asked[exchange.id]
        return Served(
            user=request.user,
            fault=None if fault is None else fault.kind,
            status=200 if fault is None else fault.kind.http_status,
            waited_ms=sum(wait["waited_ms"] for wait in exchange.trace.facts.get("waits", [])),
            took_ms=self._clock.now_ms() - began_ms,
            attempts=exchange.attempts,
            account_id=_last_account(exchange),
            settled=gateway.journal.taken(exchange.id),
        )

    def _exchange(self, number: int, request: SimulatedRequest) -> Exchange:
        group = next(group for group in self._world.data.groups if group.name == request.group)
        dialect, path = _TARGETS[group.provider]
        exchange = Exchange(
            id=ExchangeId(f"sim-{number}"),
            request_id=f"sim-{number}",
            method="POST",
            path=path,
            query=b"",
            headers={},
            client_ip="",
            target=Target(dialect=dialect, operation=Operation.GENERATE),
            handler=HANDLERS[dialect],
            connection=Patient(),
            started_at_ms=self._clock.now_ms(),
            started=self._clock.monotonic(),
            trace=TraceBuilder(),
        )
        exchange.caller = self._caller(request.user, group)
        exchange.charge_multiplier = charge_multiplier(exchange.caller.user, group)
        exchange.body = f"{number}".encode()
        if request.session:
            exchange.session = SessionKey(f"{request.user}:{request.session}")
        cached = CacheUse.WRITE_5M if request.cacheable_tokens else CacheUse.NONE
        exchange.peek = Peek(
            model=request.model,
            framing=StreamFraming.SSE if request.stream else StreamFraming.NONE,
            input_tokens_estimate=request.input_tokens,
            cache_use=cached,
        )
        return exchange

    def _caller(self, name: str, group: Group) -> Caller:
        user = self._callers.get(name)
        if user is None:
            user = self._callers[name] = self._user(name, UserId(len(self._callers) + 1))
        key = self._gateway.purses.key_of(user.id, name, group.id, self._person(name))
        return Caller(key=key, user=user, group=group)

    def _user(self, name: str, number: UserId) -> User:
        person = self._person(name)
        own = person.concurrency
        return User(
            id=number,
            concurrency=self._limits.concurrency if own is None else own,
            subscriptions=self._gateway.purses.open(number, person),
            group_multipliers=self._gateway.purses.multipliers(person),
        )

    def _person(self, name: str) -> Person:
        return Person() if self._world.people is None else self._world.people.person(name)


def _last_account(exchange: Exchange) -> int | None:
    noted = exchange.trace.facts["attempts"]
    return noted[-1]["account_id"] if noted else None
