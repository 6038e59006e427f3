"""Which buckets a request draws from, and what a caller is told who must wait."""

import dataclasses

import pytest
from msgspec.structs import replace

from headgate.core.faults import FaultKind
from headgate.core.limits.model_rates import ModelRate
from headgate.core.limits.rate_limit import RateLimit
from headgate.core.limits.rates import (
    Tightest,
    has_rate_limit,
    rate_fault,
    request_charges,
    tightest,
    token_charges,
)
from headgate.core.limits.token_bucket import RateCharge, RateLevel
from headgate.core.world import (
    Caller,
)
from tests.relay.people import MODEL, caller


def level(remaining: int, *, limit: int = 60, full_in_ms: int = 0) -> RateLevel:
    return RateLevel(limit=limit, remaining=remaining, full_in_ms=full_in_ms)


def test_who_has_no_limit_draws_from_no_bucket() -> None:
    free = caller()
    assert not has_rate_limit(free)
    assert request_charges(free, MODEL) == token_charges(free, MODEL, 5) == []


@pytest.mark.parametrize(
    "limited",
    [caller(key_rate=RateLimit(tokens=1)), caller(user_rate=RateLimit(tokens=1)),
     caller(group_rate=RateLimit(tokens=1))],
)  # fmt: skip
def test_one_limit_of_anybody_is_a_limit(limited: Caller) -> None:
    assert has_rate_limit(limited)
    assert request_charges(limited, MODEL) == []
    assert len(token_charges(limited, MODEL, 5)) == 1


def test_every_limit_has_its_own_bucket() -> None:
    limited = caller(
        key_rate=RateLimit(requests=60, tokens=1_000),
        user_rate=RateLimit(requests=100),
        group_rate=RateLimit(tokens=9_000),
    )
    assert request_charges(limited, MODEL) == [
        RateCharge(bucket="key:1:rpm", limit=60, amount=1),
        RateCharge(bucket="user:1:rpm", limit=100, amount=1),
    ]
    assert token_charges(limited, MODEL, -7) == [
        RateCharge(bucket="key:1:tpm", limit=1_000, amount=-7),
        RateCharge(bucket="group:1:tpm", limit=9_000, amount=-7),
    ]


def test_the_least_that_is_left_is_what_a_caller_feels() -> None:
    levels = {"key:1:rpm": level(5), "group:1:rpm": level(3, limit=1_000), "user:1:tpm": level(9)}
    assert tightest(levels) == Tightest(requests=level(3, limit=1_000), tokens=level(9))


def test_of_two_empty_limits_the_slower_one_counts() -> None:
    levels = {"key:1:rpm": level(0, full_in_ms=10), "user:1:rpm": level(0, full_in_ms=20)}
    assert tightest(levels).requests == level(0, full_in_ms=20)


def test_the_limit_that_refused_is_shown_although_another_has_less() -> None:
    levels = {"key:1:tpm": level(500, limit=1_000), "user:1:tpm": level(400), "key:1:rpm": level(2)}
    assert tightest(levels, refused="key:1:tpm") == Tightest(
        requests=level(2), tokens=level(500, limit=1_000)
    )


def test_what_nobody_limits_is_not_shown() -> None:
    assert tightest({"key:1:rpm": level(1)}).tokens is None


@pytest.mark.parametrize(
    ("bucket", "limit", "message"),
    [
        ("key:9:rpm", 60, "Rate limit of this API key: 60 requests a minute; retry in 3 s"),
        ("user:3:rpm", 1, "Rate limit of this user: 1 request a minute; retry in 3 s"),
        ("group:2:tpm", 9_000,
         "Rate limit of this group: 9000 tokens a minute, 4 left, about 800 needed; retry in 3 s"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_limit_and_when_to_come_again(bucket: str, limit: int, message: str) -> None:
    fault = rate_fault(bucket, level(4, limit=limit), retry_after_ms=2_001, wanted=800)
    assert fault.kind is FaultKind.RATE_LIMITED
    assert fault.kind.http_status == 429
    assert (fault.message, fault.retry_after_s) == (message, 3)
    assert fault.code == "rate_limit_exceeded"


def test_nobody_is_told_to_come_again_at_once() -> None:
    assert rate_fault("key:9:rpm", level(0), retry_after_ms=1, wanted=1).retry_after_s == 1


@pytest.mark.parametrize("model", ["claude-opus-4-1", "gpt-5"])
def test_a_model_of_the_group_has_buckets_of_its_own(model: str) -> None:
    rates = {
        "claude-opus-*": ModelRate(together=RateLimit(requests=9), each=RateLimit(requests=2, tokens=50))
    }
    limited = caller()
    limited = replace(limited, group=dataclasses.replace(limited.group, model_rates=rates))
    assert has_rate_limit(limited)
    buckets = [
        charge.bucket for charge in (*request_charges(limited, model), *token_charges(limited, model, 5))
    ]
    group, user = limited.group.id, limited.user.id
    assert buckets == (
        []
        if model == "gpt-5"
        else [
            f"group:{group}:claude-opus-*:rpm",
            f"user:{user}@{group}:claude-opus-*:rpm",
            f"user:{user}@{group}:claude-opus-*:tpm",
        ]
    )


def test_a_model_of_the_key_has_buckets_of_its_own_beside_the_groups() -> None:
    rates = {"claude-*": ModelRate(together=RateLimit(requests=3, tokens=70)), "gpt-5": ModelRate()}
    limited = caller()
    limited = replace(limited, key=dataclasses.replace(limited.key, model_rates=rates))
    assert has_rate_limit(limited)
    charges = (*request_charges(limited, "claude-x"), *token_charges(limited, "claude-x", 5))
    assert [(charge.bucket, charge.limit) for charge in charges] == [
        ("key:1:claude-*:rpm", 3), ("key:1:claude-*:tpm", 70),
    ]  # fmt: skip
    assert request_charges(limited, "gpt-5") == request_charges(limited, "o4-mini") == []


@pytest.mark.parametrize(
    ("bucket", "whose"),
    [
        ("key:1:claude-opus-*:rpm", "this API key for claude-opus-*:"),
        ("group:1:rpm", "this group:"),
        ("group:1:claude-opus-*:rpm", "this group for claude-opus-*:"),
        ("user:3@1:anthropic.claude-v2:1:rpm", "this user for anthropic.claude-v2:1:"),
    ],
)
def test_a_refusal_names_the_model_where_the_limit_is_the_models(bucket: str, whose: str) -> None:
    assert (
        f"Rate limit of {whose} 60 requests"
        in rate_fault(bucket, level(0), retry_after_ms=1, wanted=1).message
    )
