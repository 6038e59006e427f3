"""The use cases behind `headgate subscription`: the same services, straight on the database."""

from datetime import timedelta

import pytest

from headgate.control.subscriptions.commands import SubscriptionCommands
from headgate.errors import ApiError
from tests.control.subscriptions.sold import now, sold_group


async def test_a_subscription_is_assigned_listed_extended_and_revoked(control):
    await sold_group(control)
    commands = SubscriptionCommands(control.deps)
    made = await commands.assign(user="anna@example.com", group="plan", days=7, note="n")
    assert (made.user, made.group, made.status, made.used_usd) == ("anna@example.com", "plan", "active", 0)
    assert made.expires_at == now(control) + timedelta(days=7)
    assert await commands.assign(user="anna@example.com", group="plan", days=7, note="n") == made
    assert list(await commands.list()) == list(await commands.list(user="2", group="plan")) == [made]
    assert await commands.list(user="ben@example.com") == []
    assert (await commands.extend(made.id, -2)).expires_at == now(control) + timedelta(days=5)
    await commands.revoke(made.id)
    assert await commands.list() == []


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda one: one.assign(user="nobody@example.com", group="plan"), "USER_NOT_FOUND"),
        (lambda one: one.assign(user="anna@example.com", group="x"), "GROUP_NOT_FOUND"),
        (lambda one: one.assign(user="anna@example.com", group="plan", days=40_000), "INVALID_INPUT"),
        (lambda one: one.extend(4711, 1), "SUBSCRIPTION_NOT_FOUND"),
        (lambda one: one.extend(1, 0), "INVALID_INPUT"),
        (lambda one: one.revoke(4711), "SUBSCRIPTION_NOT_FOUND"),
    ],
)
async def test_a_mistake_is_an_api_error_with_a_reason(control, act, reason):
    await sold_group(control)
    with pytest.raises(ApiError) as caught:
        await act(SubscriptionCommands(control.deps))
    assert caught.value.reason == reason
