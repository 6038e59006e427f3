"""Events told to a real receiver: signed, once, again after failures, again when asked (issue 5, item 8)."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from headgate.control.webhooks.delivery import DAY_MS, delete_old_events, deliver_due
from headgate.control.webhooks.events import RETRY_AFTER_S, EventType
from headgate.control.webhooks.outbox import tell
from headgate.settings import WebhookSettings
from headgate.storage.models import UserRow, WebhookEventRow
from tests.control.webhooks.receiver import PATH, Receiver, is_signed

PAID = {"code": "order-000000001", "type": "balance", "value": 20}


async def pay(control: Any, **changes: Any) -> Any:
    body = PAID | {"user_id": control.anna.user_id} | changes
    return await control.admin("POST", "/admin/redeem-codes/create-and-redeem", body)


async def deliveries(control: Any, **query: Any) -> list[dict[str, Any]]:
    return list((await control.admin("GET", f"{PATH}/deliveries", query=query)).data["items"])


async def log_in_again(control: Any) -> None:
    """Days have passed: the token is old."""
    async with control.deps.uow() as uow:
        control.admin = control.caller(await uow.session.get(UserRow, control.admin.user_id))


async def test_a_payment_is_told_once_and_signed(control: Any, hook: Any, receiver: Receiver) -> None:
    assert (await pay(control)).status == 200
    assert (await pay(control)).status == 200  # the front-end asks twice
    assert await deliver_due(control.deps) == 1
    assert await deliver_due(control.deps) == 0
    ((headers, body),) = receiver.got
    assert is_signed(hook["secret"], headers, body)
    (event,) = receiver.events()
    assert (event["id"], event["type"]) == (headers["webhook-id"], "payment.credited")
    assert event["data"]["user_id"] == control.anna.user_id
    assert (event["data"]["kind"], event["data"]["amount_usd"]) == ("balance", 20)
    assert headers["webhook-timestamp"] == str(control.clock.now_ms() // 1000)
    (delivery,) = await deliveries(control)
    assert (delivery["status"], delivery["attempts"], delivery["answer_status"]) == ("delivered", 1, 204)


async def test_what_was_rolled_back_is_not_told(control: Any, hook: Any, receiver: Receiver) -> None:
    assert (await pay(control, user_id=4711)).status == 404
    async with control.deps.uow() as uow:
        assert await tell(uow.session, EventType.ALERT_FIRED, {}, now_ms=1) is not None
        await uow.rollback()
    assert await deliver_due(control.deps) == 0
    assert await deliveries(control) == []


async def test_a_receiver_that_fails_is_tried_again_with_growing_pauses(
    control: Any, hook: Any, receiver: Receiver
) -> None:
    receiver.answers = [500, 302]
    receiver.location = "http://169.254.169.254/latest"
    await pay(control)
    assert await deliver_due(control.deps) == 1
    for pause in RETRY_AFTER_S[:2]:
        assert await deliver_due(control.deps) == 0
        control.clock.advance(pause)
        assert await deliver_due(control.deps) == 1
    (delivery,) = await deliveries(control)
    assert (delivery["status"], delivery["attempts"]) == ("delivered", 3)
    ids = {headers["webhook-id"] for headers, _ in receiver.got}
    times = [int(headers["webhook-timestamp"]) for headers, _ in receiver.got]
    assert (len(ids), times) == (1, [times[0], times[0] + 5, times[0] + 35])
    assert all(is_signed(hook["secret"], headers, body) for headers, body in receiver.got)


async def test_who_never_answers_fails_in_the_end_and_can_be_told_again(
    control: Any, hook: Any, receiver: Receiver
) -> None:
    receiver.answers = [503] * (len(RETRY_AFTER_S) + 1)
    since = datetime.fromtimestamp(control.clock.now_ms() // 1000, UTC).isoformat()
    await pay(control)
    for pause in (*RETRY_AFTER_S, 0):
        assert await deliver_due(control.deps) == 1
        control.clock.advance(pause)
    control.clock.advance(1_000_000)
    assert await deliver_due(control.deps) == 0
    await log_in_again(control)
    (failed,) = await deliveries(control, status="failed")
    assert (failed["attempts"], failed["error"]) == (9, "the receiver answered 503")
    detail = (await control.admin("GET", f"{PATH}/deliveries/{failed['id']}")).data
    assert detail["payload"]["type"] == "payment.credited"
    again = await control.admin("POST", f"{PATH}/{hook['id']}/replay", {"since": since})
    assert again.data == {"queued": 1}
    assert await deliver_due(control.deps) == 1
    assert receiver.got[-1][0]["webhook-id"] == failed["event_id"]
    once_more = await control.admin("POST", f"{PATH}/{hook['id']}/replay", {"since": since})
    assert once_more.data == {"queued": 0}  # it has arrived
    assert (await control.admin("POST", f"{PATH}/deliveries/{failed['id']}/replay")).data[
        "status"
    ] == "pending"
    assert await deliver_due(control.deps) == 1


async def test_a_receiver_that_is_gone_is_told_nothing_more(
    control: Any, hook: Any, receiver: Receiver
) -> None:
    receiver.answers = [410]
    await pay(control)
    await deliver_due(control.deps)
    view = (await control.admin("GET", f"{PATH}/{hook['id']}")).data
    assert (view["status"], view["status_reason"]) == ("inactive", "the receiver answered 410 Gone")
    await pay(control, code="order-000000002")
    assert await deliver_due(control.deps) == 0


async def test_only_what_an_endpoint_listens_to_is_sent_to_it(control: Any, receiver: Receiver) -> None:
    body = {"name": "down", "url": receiver.url, "events": ["account.down"]}
    await control.admin("POST", PATH, body)
    await pay(control)
    assert await deliver_due(control.deps) == 0
    async with control.deps.uow() as uow:
        assert await uow.session.scalar(select(func.count()).select_from(WebhookEventRow)) == 0


async def test_the_secret_is_shown_once_and_can_be_changed(
    control: Any, hook: Any, receiver: Receiver
) -> None:
    listed = await control.admin("GET", PATH)
    assert b"whsec_" not in listed.body
    rotated = (await control.admin("POST", f"{PATH}/{hook['id']}/rotate-secret")).data["secret"]
    assert rotated != hook["secret"]
    tried = (await control.admin("POST", f"{PATH}/{hook['id']}/test")).data
    assert tried == {"delivered": True, "answer_status": 204, "error": ""}
    headers, body = receiver.got[-1]
    assert is_signed(rotated, headers, body)
    assert not is_signed(hook["secret"], headers, body)
    log = await control.admin("GET", "/admin/audit-log")
    assert b"whsec_" not in log.body


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/x", "https://10.0.0.1/", "ftp://127.0.0.1/", "nonsense", "http://[::1]/"]
)
async def test_addresses_inside_are_refused(control: Any, hook: Any, url: str) -> None:
    """PAINS S13: a webhook is no way to ask the operator's own network."""
    for answer in (
        await control.admin("POST", PATH, {"name": "x", "url": url}),
        await control.admin("PUT", f"{PATH}/{hook['id']}", {"url": url}),
    ):
        assert (answer.status, answer.json["reason"]) == (400, "INVALID_WEBHOOK_URL")


async def test_what_does_not_exist_and_what_is_wrong_is_said(control: Any, hook: Any) -> None:
    assert (await control.admin("GET", f"{PATH}/99")).json["reason"] == "WEBHOOK_NOT_FOUND"
    missing = await control.admin("POST", f"{PATH}/deliveries/99/replay")
    assert missing.json["reason"] == "WEBHOOK_DELIVERY_NOT_FOUND"
    unknown = await control.admin("PUT", f"{PATH}/{hook['id']}", {"events": ["made.up"]})
    assert unknown.status == 400
    assert (await control.admin("DELETE", f"{PATH}/{hook['id']}")).status == 200
    assert (await control.admin("GET", PATH)).data["total"] == 0


async def test_old_events_go_with_their_deliveries(control: Any, hook: Any) -> None:
    await pay(control)
    await deliver_due(control.deps)
    uow, clock = control.deps.uow, control.clock
    assert await delete_old_events(uow, clock, WebhookSettings(retention_days=1)) == 0
    clock.advance(2 * DAY_MS / 1000)
    await log_in_again(control)
    assert await delete_old_events(uow, clock, WebhookSettings(retention_days=0)) == 0
    assert await delete_old_events(uow, clock, WebhookSettings(retention_days=1)) == 1
    assert await deliveries(control) == []
