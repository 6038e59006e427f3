"""What answers through a proxy say about it (spec 8.5)."""

from typing import Any

import pytest

from headgate.control.proxies.quality import Probed, grade, judge, overall, score
from headgate.core.faults import FaultKind


def probed(status: int | None, **fields: Any) -> Probed:
    return Probed(**({"status": status, "latency_ms": 1, "headers": {}} | fields))


PAGE = {"headers": {"content-type": "text/html; charset=utf-8"}, "body": b"<title>Just a moment...</title>"}


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (probed(401), "pass", "answers"),
        (probed(200), "pass", "answers"),
        (probed(404), "pass", "answers"),
        (probed(403), "warn", "maybe_refused"),
        (probed(429), "warn", "maybe_refused"),
        (probed(302), "warn", "maybe_refused"),
        (probed(502), "fail", "server_error"),
        (probed(407), "fail", "proxy_refuses"),
        (
            probed(None, problem="no answer within 10 s", fault=FaultKind.UPSTREAM_TIMEOUT),
            "fail",
            "upstream_timeout",
        ),
        (probed(403, headers={"cf-mitigated": "challenge"}), "challenge", "challenged"),
        (probed(503, **PAGE), "challenge", "challenged"),
        (probed(200, **PAGE), "pass", "answers"),
        (
            probed(403, headers={"content-type": "application/json"}, body=PAGE["body"]),
            "warn",
            "maybe_refused",
        ),
    ],
)
def test_verdicts(answer: Probed, verdict: str, reason: str) -> None:
    judgement = judge(answer)
    assert (judgement.verdict, judgement.reason) == (verdict, reason)


@pytest.mark.parametrize(
    ("verdicts", "points", "letter", "status"),
    [
        (["pass"] * 4, 100, "A", "healthy"),
        (["pass", "warn"], 90, "A", "warn"),
        (["fail", "pass"], 78, "B", "failed"),
        (["challenge", "warn"], 60, "C", "challenge"),
        (["fail", "fail", "warn"], 46, "D", "failed"),
        (["fail", "challenge", "warn"], 38, "F", "challenge"),
        (["challenge"] * 4, 0, "F", "challenge"),
    ],
)
def test_points_grades_and_the_worst_of_all(verdicts: Any, points: int, letter: str, status: str) -> None:
    assert (score(verdicts), grade(points), overall(verdicts)) == (points, letter, status)
