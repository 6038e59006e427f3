"""What answers through a proxy say about it (spec 8.5)."""

from typing import Any

import pytest

from headgate.control.proxies.quality import Probed, grade, judge, overall, score


def probed(status: int | None, **fields: Any) -> Probed:
    return Probed(**({"status": status, "latency_ms": 1, "headers": {}} | fields))


PAGE = {"headers": {"content-type": "text/html; charset=utf-8"}, "body": b"<title>Just a moment...</title>"}


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (probed(401), "pass"),
        (probed(200), "pass"),
        (probed(404), "pass"),
        (probed(403), "warn"),
        (probed(429), "warn"),
        (probed(302), "warn"),
        (probed(502), "fail"),
        (probed(None, problem="no answer within 10 s"), "fail"),
        (probed(403, headers={"cf-mitigated": "challenge"}), "challenge"),
        (probed(503, **PAGE), "challenge"),
        (probed(200, **PAGE), "pass"),
        (probed(403, headers={"content-type": "application/json"}, body=PAGE["body"]), "warn"),
    ],
)
def test_verdicts(answer: Probed, verdict: str) -> None:
    assert judge(answer).verdict == verdict


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
