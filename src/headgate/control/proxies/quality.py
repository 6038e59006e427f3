"""What the answers through an egress proxy say about it (spec 8.5). Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from headgate.core.faults import FaultKind

Verdict = Literal["pass", "warn", "fail", "challenge"]
Overall = Literal["healthy", "warn", "failed", "challenge"]
PENALTIES: Mapping[Verdict, int] = {"pass": 0, "warn": 10, "fail": 22, "challenge": 30}
_GRADES = ((90, "A"), (75, "B"), (60, "C"), (40, "D"))
PROXY_REFUSES = "the proxy refuses its user name or password"
_OPEN_WAY = frozenset({400, 401, 404, 405})
"""Refusals of a call without a credential: the provider itself answered."""
_CHALLENGE_WORDS = (b"just a moment", b"cf-chl", b"challenge-platform", b"enable javascript and cookies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Probed:
    """One answer; `status` None: none came, `problem` says why in words, `fault` as a code."""

    status: int | None
    latency_ms: int
    headers: Mapping[str, str]
    body: bytes = b""
    problem: str = ""
    fault: FaultKind = FaultKind.UPSTREAM_UNREACHABLE


@dataclass(frozen=True, slots=True)
class Judgement:
    verdict: Verdict
    message: str
    reason: str
    """Stable, for programs and translations: challenged, answers, server_error, maybe_refused,
    proxy_refuses, or why no answer came (a fault kind)."""


def judge(probed: Probed) -> Judgement:
    """Of a provider that was asked without a credential."""
    if probed.status is None:
        return Judgement("fail", probed.problem, probed.fault)
    if probed.status == 407:
        return Judgement("fail", PROXY_REFUSES, "proxy_refuses")
    if is_challenge(probed):
        return Judgement("challenge", "a page for browsers stands in the way", "challenged")
    if probed.status in _OPEN_WAY or 200 <= probed.status < 300:
        return Judgement("pass", "the provider answers", "answers")
    if probed.status >= 500:
        return Judgement("fail", f"answers {probed.status}", "server_error")
    message = f"answers {probed.status}: the address may be limited or refused there"
    return Judgement("warn", message, "maybe_refused")


def is_challenge(probed: Probed) -> bool:
    """Cloudflare says so in a header, or shows its page."""
    if probed.headers.get("cf-mitigated", "").lower() == "challenge":
        return True
    is_page = "text/html" in probed.headers.get("content-type", "").lower()
    words = probed.body[:20_000].lower()
    return is_page and probed.status in (403, 429, 503) and any(word in words for word in _CHALLENGE_WORDS)


def score(verdicts: Sequence[Verdict]) -> int:
    """100 less 10 for each warning, 22 for each failure, 30 for each challenge; at least 0."""
    return max(0, 100 - sum(PENALTIES[verdict] for verdict in verdicts))


def grade(points: int) -> str:
    return next((letter for least, letter in _GRADES if points >= least), "F")


def overall(verdicts: Sequence[Verdict]) -> Overall:
    """The worst of all; a challenge is worse than a failure, for it stays."""
    if "challenge" in verdicts:
        return "challenge"
    if "fail" in verdicts:
        return "failed"
    return "warn" if "warn" in verdicts else "healthy"
