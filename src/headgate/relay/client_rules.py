"""Rules about clients, applied to an exchange where its facts are known (spec 2.4, 3.1; ADR 32).

The rules are in core/client_rules/; here they meet the directory, and what they did meets the trace.
"""

from headgate.core.client_rules.claude_code import (
    VersionBounds,
    bounds_from,
    claude_code_version,
    version_fault,
)
from headgate.core.client_rules.group_chain import group_for_others
from headgate.core.faults import Fault, RelayError
from headgate.core.limits.admission import check_caller
from headgate.kit.clock import Clock
from headgate.relay.directory import Directory
from headgate.relay.exchange import Exchange


class ClientRules:
    """One per process."""

    def __init__(self, directory: Directory, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        self._read_at = -1
        self._bounds = VersionBounds()

    def enter(self, exchange: Exchange) -> None:
        """After the peek, before anything is decided by the group: who is it, and who serves it? Raises
        `RelayError`: REQUEST_INVALID (version), CLIENT_NOT_ALLOWED."""
        version = claude_code_version(exchange.headers, exchange.target, exchange.peek)
        if version is not None:
            exchange.trace.note("client", f"claude-code {version}")
            self._read_settings()
            if (fault := version_fault(version, self._bounds, exchange.target)) is not None:
                raise RelayError(fault)
            return
        group = group_for_others(exchange.caller.group, self._directory.group)
        if isinstance(group, Fault):
            raise RelayError(group)
        if group.id != exchange.caller.group.id:
            exchange.enter_by(group, "claude_code_only")
            self._check_access(exchange)

    def _check_access(self, exchange: Exchange) -> None:
        """A group that is sold serves its subscribers alone, whichever way a request comes there."""
        caller = exchange.caller
        fault = check_caller(
            caller.key, caller.user, caller.group, now_ms=self._clock.now_ms(), client_ip=exchange.client_ip
        )
        if fault is not None:
            raise RelayError(fault)

    def _read_settings(self) -> None:
        if self._read_at != self._directory.version:
            self._read_at = self._directory.version
            self._bounds = bounds_from(self._directory.settings)
