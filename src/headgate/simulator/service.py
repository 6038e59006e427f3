"""Answering the generating requests of every dialect: read, script, plan, deliver, bill."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from headgate.kit.clock import Clock
from headgate.simulator.bill import Bill, BillLine
from headgate.simulator.cache import PromptCache
from headgate.simulator.call import Call
from headgate.simulator.catalog import check_model
from headgate.simulator.delivery import Delivery, Job
from headgate.simulator.dialects.contract import Dialect
from headgate.simulator.dialects.openai_responses import OpenAIResponses, response_id
from headgate.simulator.identity import IdentitySource
from headgate.simulator.plan import Plan, make_plan
from headgate.simulator.prompt import Ask, Block
from headgate.simulator.refusal import Refused
from headgate.simulator.script import (
    MODEL_MARK,
    Script,
    ScriptBook,
    ScriptError,
    build,
    marker_in,
    parse_words,
)
from headgate.simulator.tokens import Tokens
from headgate.simulator.wire import pause

JSON_TYPE = b"application/json"
DEFAULT_RESET_S = 30
MAX_STORED_RESPONSES = 1_000
_MESSAGES = {
    400: "The request was rejected by script.",
    401: "Invalid authentication credentials.",
    402: "Your credit balance is too low to access the API.",
    403: "Your account does not have permission to use this resource.",
    404: "The requested resource could not be found.",
    429: "This request would exceed your account's rate limit. Please try again later.",
    503: "The service is currently unavailable.",
    529: "Overloaded",
}


@dataclass(frozen=True, slots=True)
class Stored:
    """A response that can be fetched, deleted and continued by the key that made it."""

    key: str
    response: Mapping[str, Any]
    blocks: tuple[Block, ...]


class Service:
    """State of one simulated provider: scripts, prompt cache, stored responses."""

    def __init__(self, *, seed: int, bill: Bill, clock: Clock, pace_s: float) -> None:
        self.bill = bill
        self.scripts = ScriptBook()
        self.identities = IdentitySource(seed)
        self.clock = clock
        self.stored: OrderedDict[str, Stored] = OrderedDict()
        self._seed = seed
        self._cache = PromptCache()
        self._delivery = Delivery(bill, clock, pace_s=pace_s)

    async def generate(
        self,
        call: Call,
        dialect: Dialect,
        key: str,
        body: Mapping[str, Any],
        *,
        endpoint: str,
        stream: bool | None = None,
    ) -> None:
        """One generating request; `stream` overrides what the body says (Gemini names it in the path)."""
        identity = self.identities.new()
        ask = dialect.read(body)
        ask = ask if stream is None else replace(ask, stream=stream)
        ask = self._continued(ask, key)
        script = await self.suffer(call, key, ask)
        plan = make_plan(ask, self._cache.price(ask, key), script, identity, seed=self._seed)
        job, line = self.prepare(call, dialect, key, plan, script, endpoint=endpoint)
        if isinstance(dialect, OpenAIResponses) and body.get("store") is not False:
            self._store(key, plan, dialect.response(plan))
        if ask.stream:
            await self._delivery.stream(job, line)
        else:
            await self._delivery.whole(job, line, dialect.answer(plan), JSON_TYPE)

    async def deliver_whole(
        self,
        call: Call,
        dialect: Dialect,
        key: str,
        plan: Plan,
        script: Script,
        body: bytes,
        *,
        endpoint: str,
    ) -> None:
        """A billed JSON answer of another endpoint."""
        job, line = self.prepare(call, dialect, key, plan, script, endpoint=endpoint)
        await self._delivery.whole(job, line, body, JSON_TYPE)

    def plain_plan(self, ask: Ask, usage: Tokens, script: Script) -> Plan:
        """A plan for answers without words (embeddings, pictures): only its identity and usage matter."""
        bare = replace(ask, forced_tool=None, thinks=False, draws=False)
        plan = make_plan(bare, usage, Script(tokens=0), self.identities.new(), seed=self._seed)
        return replace(
            plan, usage=usage, model=script.served_model or ask.model, hides_usage=script.missing_usage
        )

    def prepare(
        self, call: Call, dialect: Dialect, key: str, plan: Plan, script: Script, *, endpoint: str
    ) -> tuple[Job, BillLine]:
        request_id = dialect.request_id(plan.identity)
        job = Job(
            dialect=dialect,
            plan=plan,
            script=script,
            request_id=request_id,
            accept_encoding=call.headers.get(b"accept-encoding", b""),
            receive=call.receive,
            send=call.send,
        )
        line = BillLine(
            request_id=request_id,
            key=key,
            dialect=dialect.name,
            endpoint=endpoint,
            model=plan.model,
            asked_model=plan.ask.model,
            streamed=plan.ask.stream,
            started_ms=self.clock.now_ms(),
        )
        return job, line

    async def suffer(self, call: Call, key: str, ask: Ask) -> Script:
        """The script of this request, delay over, refusal raised. Raises `Refused`, `ClientGone`."""
        self.bill.arrived(key, ask.model)
        check_model(ask.model)
        _, mark, suffix = ask.model.partition(MODEL_MARK)
        try:
            script = build(
                self.scripts.take(key), parse_words(suffix) if mark else {}, marker_in(ask.last_text)
            )
        except ScriptError as error:
            raise Refused(400, f"simulator script: {error}") from None
        if script.delay > 0:
            await pause(call.receive, script.delay)
        if script.status != 200:
            message = script.message or _MESSAGES.get(script.status, "Internal server error")
            raise Refused(script.status, message, retry_after_s=_reset_of(script), headers=script.headers)
        return script

    def _continued(self, ask: Ask, key: str) -> Ask:
        """The prompt with the conversation of `previous_response_id` in front."""
        previous = ask.details.get("previous_response_id")
        if previous is None:
            return ask
        stored = self.stored.get(str(previous))
        if stored is None or stored.key != key:
            message = f"Previous response with id '{previous}' not found."
            raise Refused(400, message, param="previous_response_id", code="previous_response_not_found")
        return replace(ask, blocks=[*stored.blocks, *ask.blocks])

    def _store(self, key: str, plan: Plan, response: Mapping[str, Any]) -> None:
        self.stored[response_id(plan)] = Stored(key, response, tuple(plan.ask.blocks))
        while len(self.stored) > MAX_STORED_RESPONSES:
            self.stored.popitem(last=False)


def _reset_of(script: Script) -> int | None:
    """Vendors name a reset with 429; other statuses only when the script does; negative means never."""
    if script.retry_after is None:
        return DEFAULT_RESET_S if script.status == 429 else None
    return script.retry_after if script.retry_after >= 0 else None
