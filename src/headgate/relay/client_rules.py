"""Rules about clients, applied to an exchange where its facts are known (spec 2.4, 3.1; ADR 34).

The rules are in core/client_rules/; here they meet the directory, and what they did meets the trace.
"""

import asyncio

from headgate.core.client_rules.beta_policy import (
    BETA_POLICY_SETTING,
    DEFAULT_BETA_POLICY,
    beta_policy_from,
    filter_betas,
)
from headgate.core.client_rules.cache_marks import limit_cache_marks
from headgate.core.client_rules.claude_code import (
    VersionBounds,
    bounds_from,
    claude_code_version,
    version_fault,
)
from headgate.core.client_rules.group_chain import group_for_others
from headgate.core.client_rules.rectifiers import (
    RECTIFIER_SETTING,
    RectifierSettings,
    rectifier_for,
    rectifier_settings_from,
    rectify,
)
from headgate.core.client_rules.warm_up import WarmUp, streamed_answer, warm_up_of, whole_answer
from headgate.core.dialects.contract import Operation, PreparedBody
from headgate.core.error_rules import Refusal, with_rule
from headgate.core.faults import Fault, FaultKind, RelayError
from headgate.core.limits.admission import check_caller
from headgate.core.world import Account, Dialect
from headgate.kit.clock import Clock
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange
from headgate.relay.picker import Picked
from headgate.relay.probes import NO_TRIAL
from headgate.relay.responder import Responder

_BETA = "anthropic-beta"
_JSON = [(b"content-type", b"application/json")]
_EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8")]


class ClientRules:
    """One per process."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self.counts: dict[str, int] = {}
        """What the rules did in this process."""
        self._read_at = -1
        self._bounds = VersionBounds()
        self._betas = DEFAULT_BETA_POLICY
        self._rectifying = RectifierSettings()

    def enter(self, exchange: Exchange) -> None:
        """After the peek, before anything is decided by the group: who is it, and who serves it? Raises
        `RelayError`: REQUEST_INVALID (version), CLIENT_NOT_ALLOWED."""
        version = claude_code_version(exchange.headers, exchange.target, exchange.peek)
        if version is not None:
            exchange.is_claude_code = True
            exchange.trace.note("client", f"claude-code {version}")
            self._read_settings()
            if (fault := version_fault(version, self._bounds, exchange.target)) is not None:
                self._count("version_refused")
                raise RelayError(fault)
            return
        group = group_for_others(exchange.caller.group, self._directory.group)
        if isinstance(group, Fault):
            self._count("client_refused")
            raise RelayError(group)
        if group.id != exchange.caller.group.id:
            exchange.enter_by(group, "claude_code_only")
            self._count("group_fallback")
            self._check_access(exchange)

    def _check_access(self, exchange: Exchange) -> None:
        """A group that is sold serves its subscribers alone, whichever way a request comes there."""
        caller = exchange.caller
        fault = check_caller(
            caller.key, caller.user, caller.group, now_ms=self._clock.now_ms(), client_ip=exchange.client_ip
        )
        if fault is not None:
            raise RelayError(fault)

    def warm_up(self, exchange: Exchange, picked: Picked) -> WarmUp | None:
        """Something that needs no model, and an account that says so. An account that has yet to prove itself
        is asked all the same."""
        account, target = picked.account, exchange.target
        if not account.answers_warm_ups or not exchange.is_claude_code or picked.trial is not NO_TRIAL:
            return None
        is_message = target.dialect is Dialect.ANTHROPIC_MESSAGES and target.operation is Operation.GENERATE
        return warm_up_of(exchange.body, exchange.peek) if is_message else None

    async def answer_warm_up(self, kind: WarmUp, exchange: Exchange, responder: Responder) -> None:
        """The whole answer, from here."""
        exchange.is_answered_here = exchange.is_committed = True
        exchange.trace.note("answered_here", kind.value)
        exchange.announced.append((b"x-headgate-answered-here", kind.value.encode()))
        self._count("warm_up_answered")
        if not exchange.peek.is_stream:
            await responder.whole(200, _JSON, whole_answer(kind, exchange.peek.model))
            return
        await responder.stream_head(_EVENTS)
        answer = streamed_answer(kind, exchange.peek.model)
        await responder.write(answer, asyncio.get_running_loop().time())
        await responder.finish()

    def _count(self, event: str) -> None:
        self.counts[event] = self.counts.get(event, 0) + 1

    def body(self, exchange: Exchange, account: Account) -> PreparedBody:
        """The body for an attempt with this account, before its dialect prepares it: untouched, or with named
        edits."""
        body = exchange.body
        if not _is_ruled(exchange, account):
            return PreparedBody(body=body)
        edits: list[str] = []
        if (limited := limit_cache_marks(body)) is not None:
            body = limited
            edits.append("cache_marks")
        for rectifier in exchange.rectifiers:
            if (mended := rectify(body, rectifier)) is not None:
                body = mended
                edits.append(rectifier.value)
        return PreparedBody(body=body, edits=tuple(edits))

    def headers(
        self, exchange: Exchange, account: Account, headers: dict[str, str]
    ) -> tuple[dict[str, str], tuple[str, ...]]:
        """The headers for an attempt with this account, and the names of the edits. Raises `RelayError`
        (REQUEST_INVALID): a feature that is not allowed."""
        if _BETA not in headers or not _is_ruled(exchange, account):
            return headers, ()
        self._read_settings()
        filtered = filter_betas(headers[_BETA], self._betas, account.credential_kind)
        if isinstance(filtered, Fault):
            self._count("feature_refused")
            raise RelayError(filtered)
        if not filtered.removed:
            return headers, ()
        changed = {**headers, _BETA: filtered.header}
        if not filtered.header:
            del changed[_BETA]
        return changed, tuple(f"beta-{token}" for token in filtered.removed)

    def as_shown(self, fault: Fault, account: Account, status: int, body: bytes) -> Fault:
        """A refusal as the operator's rules want the client to see it."""
        rules = self._directory.error_rules
        if not rules:
            return fault
        credential = account.secret.reveal()
        refusal = Refusal(provider=account.provider, status=status, body=body, credential=credential)
        return with_rule(fault, rules, refusal)

    def may_rectify(self, exchange: Exchange, account: Account, fault: Fault) -> bool:
        """The provider refused a formality that an edit can mend: the next attempt makes it. True at most
        once per edit."""
        if fault.kind is not FaultKind.UPSTREAM_REQUEST_REJECTED or exchange.is_committed:
            return False
        if not _is_ruled(exchange, account):
            return False
        self._read_settings()
        rectifier = rectifier_for(fault, self._rectifying, exchange.rectifiers)
        if rectifier is None or rectify(self.body(exchange, account).body, rectifier) is None:
            return False
        self._count("rectified")
        exchange.rectifiers = (*exchange.rectifiers, rectifier)
        exchange.announced.append((b"x-headgate-edits", rectifier.value.encode()))
        return True

    def _read_settings(self) -> None:
        if self._read_at == self._directory.version:
            return
        settings = self._directory.settings
        self._bounds = bounds_from(settings)
        self._betas = beta_policy_from(settings.get(BETA_POLICY_SETTING))
        self._rectifying = rectifier_settings_from(settings.get(RECTIFIER_SETTING))
        self._read_at = self._directory.version


def _is_ruled(exchange: Exchange, account: Account) -> bool:
    return exchange.target.dialect is Dialect.ANTHROPIC_MESSAGES and not account.is_passthrough
