import pytest

from headgate.core.dialects.contract import CooldownHint
from headgate.core.faults import Blame, Fault, FaultKind
from headgate.core.routing.cooldown import (
    ANTHROPIC_PAUSE_S,
    MAX_COOLDOWN_MS,
    NO_EFFECT,
    AccountEffect,
    CooldownDefaults,
    account_effect,
)
from headgate.core.world import Provider

NOW = 1_750_000_000_000
DEFAULTS = CooldownDefaults(rate_limit_s=300, overload_s=600, unreachable_s=10)


def judge(
    kind: FaultKind, hint: CooldownHint | None = None, *, provider: Provider = Provider.OPENAI,
    defaults: CooldownDefaults = DEFAULTS, retry_after_s: int | None = None,
) -> AccountEffect:  # fmt: skip
    fault = Fault(kind=kind, message="failed", retry_after_s=retry_after_s)
    return account_effect(fault, hint, provider=provider, defaults=defaults, now_ms=NOW)


def seconds(effect: AccountEffect) -> float:
    assert effect.cooldown is not None
    return (effect.cooldown.until_ms - NOW) / 1000


def test_the_providers_own_reset_wins() -> None:
    hint = CooldownHint(until_ms=NOW + 77_000, reason="rate_limited", evidence="header")
    assert judge(FaultKind.UPSTREAM_RATE_LIMITED, hint) == AccountEffect(cooldown=hint)


def test_a_reset_in_the_past_is_no_cooldown() -> None:
    hint = CooldownHint(until_ms=NOW, reason="rate_limited", evidence="header")
    assert judge(FaultKind.UPSTREAM_RATE_LIMITED, hint) == NO_EFFECT


def test_an_absurd_reset_is_bounded() -> None:
    hint = CooldownHint(until_ms=NOW * 1000, reason="rate_limited", evidence="header")
    effect = judge(FaultKind.UPSTREAM_RATE_LIMITED, hint)
    assert effect.cooldown == CooldownHint(
        until_ms=NOW + MAX_COOLDOWN_MS, reason="rate_limited", evidence="header"
    )


@pytest.mark.parametrize("provider", [Provider.OPENAI, Provider.GEMINI])
def test_a_429_without_information_uses_the_default(provider: Provider) -> None:
    assert seconds(judge(FaultKind.UPSTREAM_RATE_LIMITED, provider=provider)) == 300


def test_a_429_of_anthropic_without_information_only_pauses() -> None:
    assert seconds(judge(FaultKind.UPSTREAM_RATE_LIMITED, provider=Provider.ANTHROPIC)) == ANTHROPIC_PAUSE_S


def test_retry_after_is_believed() -> None:
    assert (
        seconds(judge(FaultKind.UPSTREAM_RATE_LIMITED, provider=Provider.ANTHROPIC, retry_after_s=33)) == 33
    )


def test_overload_and_unreachability_have_their_own_times() -> None:
    assert seconds(judge(FaultKind.UPSTREAM_OVERLOADED)) == 600
    assert seconds(judge(FaultKind.UPSTREAM_UNREACHABLE)) == 10


def test_a_default_of_zero_switches_the_cooldown_off() -> None:
    assert judge(FaultKind.UPSTREAM_OVERLOADED, defaults=CooldownDefaults(overload_s=0)) == NO_EFFECT


@pytest.mark.parametrize(
    "kind", [FaultKind.UPSTREAM_AUTH, FaultKind.UPSTREAM_PAYMENT, FaultKind.UPSTREAM_FORBIDDEN]
)
def test_auth_and_payment_faults_mark_the_account(kind: FaultKind) -> None:
    effect = judge(kind)
    assert effect.error is not None
    assert effect.cooldown is None


@pytest.mark.parametrize("kind", [kind for kind in FaultKind if kind.blame in (Blame.CLIENT, Blame.GATEWAY)])
def test_faults_of_the_client_or_ourselves_never_touch_the_account(kind: FaultKind) -> None:
    assert judge(kind) == NO_EFFECT
