"""`headgate codes`: the same services, straight on the database."""

from datetime import timedelta
from typing import Any

import pytest

from headgate.control.codes.commands import CodeCommands
from headgate.errors import ApiError


async def test_codes_are_made_and_redeemed(codes: Any, control: Any) -> None:
    commands = CodeCommands(control.deps)
    made = await commands.generate(type="balance", value=2.5, count=3, batch="b", valid_days=1)
    assert len({info.code for info in made}) == 3
    (first, *_) = await codes.rows()
    assert first.expires_at - first.created_at == timedelta(days=1)
    used = await commands.redeem(made[0].code, "anna@example.com")
    assert (used.status, used.value, used.user) == ("used", 2.5, "anna@example.com")
    assert await codes.balance() == 2.5
    assert (await codes.ledger()).is_sound


async def test_a_subscription_is_named_by_its_group(codes: Any, control: Any) -> None:
    await control.add_group("gold", subscription_type="subscription")
    commands = CodeCommands(control.deps)
    (made,) = await commands.generate(type="subscription", group="gold", days=7)
    await commands.redeem(made.code, str(control.anna.user_id))
    (subscription,) = await codes.subscriptions()
    assert subscription.expires_at - subscription.starts_at == timedelta(days=7)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"type": "balance"}, "INVALID_INPUT"),
        ({"type": "money", "value": 1}, "INVALID_INPUT"),
        ({"type": "subscription", "group": "nowhere"}, "GROUP_NOT_FOUND"),
        ({"type": "balance", "value": float("nan")}, "INVALID_INPUT"),
    ],
)
async def test_senseless_codes_are_refused(codes: Any, control: Any, fields: Any, reason: str) -> None:
    with pytest.raises(ApiError) as refused:
        await CodeCommands(control.deps).generate(**fields)
    assert refused.value.reason == reason
    assert await codes.rows() == []


async def test_redeeming_is_refused_as_over_http(codes: Any, control: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await CodeCommands(control.deps).redeem("0" * 32, "anna@example.com")
    assert refused.value.reason == "REDEEM_CODE_NOT_FOUND"
