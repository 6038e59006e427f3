"""Everything that does not work as it should is named, with its cause and its end."""

from typing import Any

import pytest

from headgate.core.ids import AccountId, GroupId
from headgate.core.routing.degradation import (
    SWITCHED_OFF,
    Ends,
    Kind,
    Standing,
    UsedUp,
    groups_of,
    standing_of,
)
from headgate.core.routing.health import HealthState
from headgate.core.world import Account, AccountQuota, CredentialKind, Group, OffBecause, Provider
from headgate.kit.secret import Secret
from headgate.state.protocols import Cooldown

NOW = 1_750_000_000_000
ERROR = {"is_schedulable": False, "off_because": OffBecause.ERROR}
COOLING = {"cooldown_until_ms": NOW + 9000}
AVOIDED = {"overloaded_until_ms": NOW + 9000}


def account(**changes: Any) -> Account:
    return Account(
        id=AccountId(7), name="seven", provider=Provider.ANTHROPIC, credential_kind=CredentialKind.API_KEY,
        secret=Secret("x"), base_url="https://api.example", **changes,
    )  # fmt: skip


def cooldown(until_ms: int, reason: str = "rate_limited", model: str = "") -> Cooldown:
    return Cooldown(
        account_id=AccountId(7), model=model, until_ms=until_ms, reason=reason, evidence="retry-after",
        began_ms=NOW - 1000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("facts", "cooldowns", "label", "found"),
    [
        ({}, [], "healthy", []),
        (ERROR, [cooldown(NOW + 5)], "down", [(Kind.ACCOUNT_ERROR, Ends.BY_OPERATOR, "error", None)]),
        (
            {"is_schedulable": False, "off_because": OffBecause.NO_CREDENTIAL}, [],
            "down", [(Kind.ACCOUNT_ERROR, Ends.BY_OPERATOR, "no_credential", None)],
        ),
        ({"is_schedulable": False, "off_because": OffBecause.SWITCHED_OFF}, [], SWITCHED_OFF, []),
        ({"expires_at_ms": NOW}, [], "down", [(Kind.ACCOUNT_EXPIRED, Ends.BY_OPERATOR, "expires_at", None)]),
        ({"expires_at_ms": NOW + 1}, [], "healthy", []),
        (
            {}, [cooldown(NOW + 5)],
            "cooling", [(Kind.ACCOUNT_COOLING, Ends.AT_ITS_TIME, "rate_limited", NOW + 5)],
        ),
        (
            {}, [cooldown(NOW)],
            "half_open", [(Kind.ACCOUNT_HALF_OPEN, Ends.WITH_AN_ANSWER, "rate_limited", None)],
        ),
        (
            {}, [cooldown(NOW + 5, "failing", "m")],
            "degraded", [(Kind.ACCOUNT_DEGRADED, Ends.WITH_AN_ANSWER, "failing", NOW + 5)],
        ),
        (
            {}, [cooldown(NOW + 5, "marked")],
            "down", [(Kind.ACCOUNT_ERROR, Ends.BY_OPERATOR, "marked", None)],
        ),
        ({}, [cooldown(NOW, "marked")], "healthy", []),
        (COOLING, [], "cooling", [(Kind.ACCOUNT_COOLING, Ends.AT_ITS_TIME, "stored", NOW + 9000)]),
        (AVOIDED, [], "degraded", [(Kind.ACCOUNT_DEGRADED, Ends.WITH_AN_ANSWER, "stored", NOW + 9000)]),
        (
            COOLING, [cooldown(NOW + 9000)],
            "cooling", [(Kind.ACCOUNT_COOLING, Ends.AT_ITS_TIME, "rate_limited", NOW + 9000)],
        ),
    ],
)  # fmt: skip
def test_an_account_stands_as_its_worst_trouble_says(
    facts: dict[str, Any], cooldowns: list[Cooldown], label: str, found: list[tuple[object, ...]]
) -> None:
    standing = standing_of(account(**facts), cooldowns, NOW)
    assert standing.label == label
    assert [(d.kind, d.ends, d.cause, d.until_ms) for d in standing.degradations] == found


@pytest.mark.parametrize(("bound", "ends"), [("quota", Ends.BY_OPERATOR), ("daily", Ends.AT_ITS_TIME)])
def test_a_quota_that_is_used_up_takes_the_account_out(bound: str, ends: Ends) -> None:
    seen = UsedUp(f"account:7:{bound}", NOW - 5, NOW + 5)
    standing = standing_of(account(quota=AccountQuota(total_nano=1)), [], NOW, seen)
    (found,) = standing.degradations
    assert (standing.label, standing.usable, found.kind, found.ends, found.evidence) == (
        "cooling", HealthState.COOLING, Kind.ACCOUNT_QUOTA_USED_UP, ends, f"account:7:{bound}",
    )  # fmt: skip
    assert standing_of(account(), [], NOW, seen).degradations == (), "the quota is gone since"


def test_trouble_with_one_model_leaves_the_account_usable() -> None:
    standing = standing_of(account(), [cooldown(NOW + 5, model="m")], NOW)
    assert (standing.label, standing.usable, standing.returns_ms) == ("cooling", HealthState.HEALTHY, None)
    (found,) = standing.degradations
    assert (found.model, found.since_ms, found.name) == ("m", NOW - 1000, "seven")


HEALTHY, OUT = standing_of(account(), [], NOW), standing_of(account(**ERROR), [], NOW)
SOON, LATER = (standing_of(account(cooldown_until_ms=NOW + s), [], NOW) for s in (10, 90))
LAST = standing_of(account(**AVOIDED), [], NOW)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([], None),
        ([OUT, HEALTHY], None),
        ([OUT, OUT], (Kind.GROUP_WITHOUT_ACCOUNT, Ends.BY_OPERATOR, None)),
        ([OUT, LATER, SOON], (Kind.GROUP_WITHOUT_ACCOUNT, Ends.AT_ITS_TIME, NOW + 10)),
        ([OUT, LATER, LAST], (Kind.GROUP_ON_LAST_RESORT, Ends.WITH_AN_ANSWER, None)),
    ],
)
def test_a_group_is_in_trouble_when_nobody_may_serve_it_but_those_that_are_avoided(
    members: list[Standing], expected: tuple[object, ...] | None
) -> None:
    group = Group(id=GroupId(3), name="three", provider=Provider.ANTHROPIC)
    found = groups_of([group], {group.id: members})
    assert [(d.kind, d.ends, d.until_ms) for d in found] == ([] if expected is None else [expected])


def test_a_group_that_is_switched_off_is_in_no_trouble() -> None:
    group = Group(id=GroupId(3), name="three", provider=Provider.ANTHROPIC, is_active=False)
    assert groups_of([group], {group.id: [OUT]}) == []
