"""What does not work as it should is told when it begins and when it has ended (issue 5, item 8)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from sqlalchemy import select

from headgate.control.mail.outbox import opened
from headgate.control.webhooks.delivery import deliver_due
from headgate.control.webhooks.watch import EventWatcher
from headgate.core.ids import AccountId, GroupId
from headgate.core.routing.degradation import Degradation, Ends, Kind
from headgate.settings import AlertSettings
from headgate.state.protocols import StateUnavailable
from headgate.storage.models import MailOutboxRow
from tests.control.webhooks.receiver import Receiver

COOLING = Degradation(
    kind=Kind.ACCOUNT_COOLING, ends=Ends.AT_ITS_TIME, account_id=AccountId(3), name="main",
    cause="rate_limited", evidence="canary-evidence",
)  # fmt: skip
DARK = Degradation(
    kind=Kind.GROUP_WITHOUT_ACCOUNT, ends=Ends.BY_OPERATOR, group_id=GroupId(2), name="pool",
    cause="2 accounts, all out",
)  # fmt: skip
STALE = Degradation(kind=Kind.DIRECTORY_STALE, ends=Ends.BY_ITSELF, cause="the database does not answer")
AWAY = Degradation(kind=Kind.STATE_UNAVAILABLE, ends=Ends.BY_ITSELF, cause="no answer")


@dataclass
class World:
    """Degradations as the test says."""

    control: Any
    now: list[Degradation] = field(default_factory=list)

    async def degradations(self) -> Sequence[Degradation]:
        return list(self.now)

    def watcher(self, **alerts: Any) -> EventWatcher:
        settings = self.control.deps.settings.model_copy(update={"alerts": AlertSettings(**alerts)})
        return EventWatcher(replace(self.control.deps, degradations=self.degradations, settings=settings))

    async def letters(self) -> list[tuple[str, str, Sequence[str]]]:
        async with self.control.deps.uow() as uow:
            rows = list(await uow.session.scalars(select(MailOutboxRow).order_by(MailOutboxRow.id)))
            posted = [opened(self.control.deps.vault, row) for row in rows]
        return [(each.recipient, each.letter.title, each.letter.lines) for each in posted if each]


@pytest.fixture
def world(control: Any) -> World:
    return World(control)


async def told(control: Any, receiver: Receiver) -> list[tuple[str, str]]:
    await deliver_due(control.deps)
    events = [(event["type"], event["data"]["alert"]) for event in receiver.events()]
    receiver.got.clear()
    return sorted(events)


async def test_a_beginning_and_an_end(world: World, hook: Any, receiver: Receiver) -> None:
    watcher = world.watcher(after_s=0)
    world.now = [DARK]
    assert [await watcher.look() for _ in range(2)] == [1, 0]
    await deliver_due(world.control.deps)
    (event,) = receiver.events()
    data = event["data"]
    assert (event["type"], data["alert"], data["group_id"]) == ("alert.fired", "group_without_account", 2)
    assert (data["name"], data["ends"]) == ("pool", "by_operator")
    world.now = []
    world.control.clock.advance(90)
    assert [await watcher.look() for _ in range(2)] == [1, 0]
    await deliver_due(world.control.deps)
    ended = receiver.events()[-1]
    assert (ended["type"], ended["data"]["alert"]) == ("alert.resolved", "group_without_account")
    assert ended["data"]["lasted_s"] == 90


async def test_what_passes_soon_is_not_told(world: World, hook: Any, receiver: Receiver) -> None:
    watcher = world.watcher(after_s=60)
    world.now = [COOLING]
    assert await watcher.look() == 0
    world.control.clock.advance(50)
    world.now = []
    assert await watcher.look() == 0
    world.now = [COOLING]
    assert await watcher.look() == 0
    world.control.clock.advance(60)
    assert await watcher.look() == 1
    assert await told(world.control, receiver) == [("alert.fired", "account_cooling")]


async def test_an_account_on_trial_is_not_well_yet(world: World, hook: Any, receiver: Receiver) -> None:
    watcher = world.watcher(after_s=0)
    world.now = [COOLING]
    await watcher.look()
    trial = Degradation(kind=Kind.ACCOUNT_HALF_OPEN, ends=Ends.WITH_AN_ANSWER, account_id=AccountId(3))
    world.now = [trial]
    assert await watcher.look() == 0
    world.now = []
    assert await watcher.look() == 1
    assert [kind for kind, _ in await told(world.control, receiver)] == ["alert.fired", "alert.resolved"]


async def test_no_providers_words_leave(world: World, hook: Any, receiver: Receiver) -> None:
    world.now = [COOLING]
    await world.watcher(after_s=0).look()
    await deliver_due(world.control.deps)
    assert len(receiver.got) == 1
    assert b"canary" not in receiver.got[0][1]


async def test_a_process_tells_and_ends_its_own(world: World, hook: Any, receiver: Receiver) -> None:
    sick, well = world.watcher(after_s=0), EventWatcher(world.control.deps)
    world.now = [STALE]
    assert await sick.look() == 1
    assert await well.look() == 0, "the other process may not say that it is over"
    world.now = []
    assert await sick.look() == 1
    assert [kind for kind, _ in await told(world.control, receiver)] == ["alert.fired", "alert.resolved"]


async def test_while_the_state_is_away_that_is_told_and_nothing_has_ended(
    world: World, hook: Any, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = world.watcher(after_s=0)
    world.now = [COOLING]
    await watcher.look()

    async def no_answer(*_: object, **__: object) -> None:
        raise StateUnavailable

    world.now = [AWAY]
    with monkeypatch.context() as patched:
        patched.setattr(world.control.deps.state.locks, "acquire", no_answer)
        assert [await watcher.look() for _ in range(2)] == [1, 0]
    world.now = [COOLING]
    assert await watcher.look() == 1
    assert await told(world.control, receiver) == [
        ("alert.fired", "account_cooling"),
        ("alert.fired", "state_unavailable"),
        ("alert.resolved", "state_unavailable"),
    ]


async def test_administrators_get_one_letter_about_what_they_must_end(world: World) -> None:
    watcher = world.watcher(after_s=0)
    world.now = [COOLING, DARK]
    assert await watcher.look() == 0, "neither a webhook nor a mail server"
    settings = {"smtp_host": "mail.example.com", "smtp_from_email": "gate@example.com"}
    assert (await world.control.admin("PUT", "/admin/settings", settings)).status == 200
    assert [await watcher.look() for _ in range(2)] == [2, 0]
    line = "group without account pool: 2 accounts, all out"
    assert await world.letters() == [("admin@example.com", line, [line])]


async def test_letters_go_to_who_is_named_or_to_nobody(world: World) -> None:
    settings = {"smtp_host": "mail.example.com", "smtp_from_email": "gate@example.com"}
    await world.control.admin("PUT", "/admin/settings", settings)
    world.now = [DARK]
    assert await world.watcher(after_s=0, mail=False).look() == 0
    assert await world.letters() == []
    await world.watcher(after_s=0, recipients=("ops@example.com",)).look()
    assert [reader for reader, _, _ in await world.letters()] == ["ops@example.com"]
